"""docs/config.md: every option of the config, from the models.

Called by `tests.gate.generated`. The words, defaults and examples are the models' own; the rules
are those of the custom resource. Only what no model says stands here as text.
"""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from controller.models import components, crds, durations, fields, structural, toolconfig
from tests.gate.pages import NOTE

_SHAPES = {
    fields.QUANTITY_PATTERN: "quantity",
    fields.NAME_PATTERN: "name of a component",
    fields.SECRET_PATTERN: "name of a Secret",
    durations.PATTERN: "duration",
}
_TEXT = """\
# The config

One file says what a tool is made of. Store it once, with `ptd config apply toolforge.yaml` or
`toolforge components config create toolforge.yaml`; from then on a push to git is enough.

A web service, with everything that it needs:

```yaml
config_version: v1beta1
auto_deploy: true
components:
  web:
    build:
      repository: https://gitlab.wikimedia.org/toolforge-repos/sample-complex-app-backend
      ref: main
    run:
      command: web
      port: 8000
      health_check_http: /healthz
```

## Check a file

    ptd config validate toolforge.yaml

says everything that is wrong at once, as `FILE:LINE:COLUMN: error: …` with what to write instead,
and ends with exit code 2. `--strict` makes warnings errors, `--json` is for machines, `--local`
accepts what only `ptd local` does; without it the rules are those of a cluster. (`ptd config apply`
knows `ptd local` by its kubeconfig.) Nothing that fails later for a reason that the file shows is
accepted: names, quantities, ports, schedules, addresses and refs are checked here.

An unknown field is left out, with a warning that names its line and the nearest known name.

In an editor with a YAML language server: write the schema beside the file with
`ptd config schema > toolforge.schema.json`, and begin the file with
`# yaml-language-server: $schema=toolforge.schema.json`.

"""
_OLD = """\
## Old spellings

The spelling of the first plan is accepted as it stands, with one warning for each old word:
`config-version: v0.1` for `config_version: v1beta1`, `type` for `component_type`, and dashes for
underscores in any name. `ptd config migrate FILE` prints the file in the present spelling, with
comments and order as they were; `--write` changes the file.
[This example](examples/old-spelling.yaml) is such a file.

## Limits

A file has at most 64 KiB and a nesting of 32; YAML's anchors, aliases and tags are refused.
Words that YAML takes for something else go in quotation marks: `cpu: "1"`, `command: "yes"`.
Schedules are those of the jobs service: no step on a range, no names of months, no names in ranges.
"""


def page() -> dict[str, str]:
    """Path → text of docs/config.md."""
    spec = structural.of_model(toolconfig.ToolConfigSpec)
    component = spec["properties"]["components"]["additionalProperties"]
    build, run = component["properties"]["build"], component["properties"]["run"]
    both = set(components.RunSettings.model_fields)
    text = NOTE + "\n" + _TEXT
    text += _section("At the top of the file", "", (toolconfig.ToolConfigSpec,), spec["properties"])
    text += _section(
        "A component",
        "`components.<name>`. Names have at most 52 characters of a-z, 0-9, `-` and `.`.",
        (toolconfig.ContinuousComponent,),
        component["properties"],
    )
    text += _section(
        "How it is built",
        "`components.<name>.build`: `repository` and `ref`, or `reuse_from`.",
        (components.SourceBuild, components.ReuseBuild),
        build["properties"],
    )
    text += _section(
        "How it runs", "`components.<name>.run`.", (components.RunSettings,), run["properties"]
    )
    text += _section(
        "How a continuous component runs",
        "`components.<name>.run`, in addition.",
        (components.ContinuousRun,),
        run["properties"],
        both,
    )
    text += _section(
        "How a scheduled component runs",
        "`components.<name>.run`, in addition. A `schedule` makes a component scheduled.",
        (components.ScheduledRun,),
        run["properties"],
        both,
    )
    return {"docs/config.md": text + _rules() + _OLD}


def _section(
    title: str,
    words: str,
    models: Iterable[type[BaseModel]],
    schema: dict[str, Any],
    without: Iterable[str] = (),
) -> str:
    rows = [
        _row(name, field, schema[name])
        for model in models
        for name, field in model.model_fields.items()
        if name not in without
    ]
    head = "| Option | Type | Default | What it does | Example |\n|---|---|---|---|---|\n"
    return f"## {title}\n\n{words}{chr(10) * 2 if words else ''}{head}{''.join(rows)}\n"


def _row(name: str, field: FieldInfo, schema: dict[str, Any]) -> str:
    examples = " ".join(f"`{_written(example)}`" for example in field.examples or ())
    cells = (f"`{name}`", _type(schema), _default(field), field.description or "", examples)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _type(schema: dict[str, Any]) -> str:
    if "type" not in schema:
        return f"text, at most {schema['maxLength']} characters, or a mapping"
    kind = schema["type"]
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if kind == "integer":
        return f"{schema['minimum']} to {schema['maximum']}"
    if kind == "boolean":
        return "true or false"
    if kind == "object":
        return "see below"
    shape = _SHAPES.get(schema.get("pattern", ""))
    return shape or f"text, at most {schema['maxLength']} characters"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "" if field.default in (None, "") else f"`{_written(field.default)}`"


def _written(value: object) -> str:
    """A value as it is written in the file."""
    return value if isinstance(value, str) else json.dumps(value)


def _rules() -> str:
    rules = [
        *crds.RUN_RULES,
        *crds.BUILD_RULES,
        *crds.COMPONENT_RULES,
        *crds.COMPONENTS_RULES,
    ]
    lines = [f"- {rule['message']}.\n" for rule in rules]
    lines.append("- A repository needs a ref; empty is its HEAD.\n")
    lines.append("- `reuse_from` may lead over several components, but not in a circle.\n")
    return "## Rules between options\n\n" + "".join(lines) + "\n"
