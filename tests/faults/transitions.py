"""Every change that a user can make to every field of a config, made from the models' own schema.

`operations()` is a list of edits: set, change, boundary, remove, invalid. A field that is new in
`controller.models.toolconfig` gets its edits by its type, limits and examples; one whose values
have a grammar (a pattern) must be given its boundaries in `_EDGES`, and a new model its place in
`PLACES`: otherwise the generator raises. No judgement about a config is made here.
"""

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from controller.models.toolconfig import ToolConfigSpec
from tests import builders

JSON = dict[str, Any]
Path = tuple[str, ...]
ABSENT = "(absent)"
WORKER = "https://git.example.org/worker.git"

BASE: JSON = {
    "components": {
        "web": {
            "build": {"repository": builders.REPOSITORY, "ref": "main"},
            "run": {"command": "serve", "port": 8000},
        },
        "worker": {
            "build": {"repository": WORKER, "ref": {"semver": ">=5 <6"}},
            "run": {"command": "work"},
        },
        "report": {
            "component_type": "scheduled",
            "build": {"reuse_from": "web"},
            "run": {"command": "report", "schedule": "@daily"},
        },
    }
}
HEADS = {
    "main": builders.COMMIT,
    "HEAD": builders.COMMIT,
    "refs/tags/v1.2.0": "1" * 40,
    "refs/tags/v5.1.0": "5" * 40,
    "refs/tags/release-7": "7" * 40,
}
"""What the repositories hold: enough for every ref that an operation names."""

PLACES: dict[str, Path] = {
    "ToolConfigSpec": (),
    "ContinuousComponent": ("components", "web"),
    "ScheduledComponent": ("components", "report"),
    "SourceBuild": ("components", "web", "build"),
    "ReuseBuild": ("components", "report", "build"),
    "ContinuousRun": ("components", "web", "run"),
    "ScheduledRun": ("components", "report", "run"),
    "RefPolicy": ("components", "worker", "build", "ref"),
}
"""Where in BASE each model of the config is."""

_BESIDE: dict[str, JSON] = {
    "filelog": {"mount": "all"},
    "health_check_http": {"health_check_script": ABSENT},
    "health_check_script": {"health_check_http": ABSENT},
    "port_protocol": {"publish": ABSENT, "health_check_http": ABSENT},
    "semver": {"tag": ABSENT},
    "tag": {"semver": ABSENT},
}
"""What must be set or removed together with a field, by the rules between fields."""

_EDGES: dict[str, tuple[Any, ...]] = {
    "cpu": ("1m", "0.001", "1", "1e0"),
    "credentials": ("x", "x" * 253),
    "memory": ("1Mi", "1048576", "1.5G", "1e9"),
    "health_check_http": ("/", "/" + "x" * 2047),
    "reuse_from": ("worker",),
    "poll_interval": ("30s", "168h"),
    "schedule": ("@yearly", "59 23 31 12 6", "*/1 0-23 1,15 12 7"),
    "repository": ("http://a.org/x", "https://git.example.org/" + "x" * 2024),
    "ref": ("", "refs/heads/main", {"tag": "release-*"}, {"semver": "^1.2"}),
    "source_url": ("http://a.org/x", "https://a.org/" + "x" * 2034),
}
"""Boundary values of what has a pattern; and of `ref`, the other shapes of it."""

_SHAPES: dict[str, tuple[JSON, ...]] = {
    "build": ({"reuse_from": "worker"}, {"repository": WORKER, "ref": "main"}),
    "components": (
        BASE["components"] | {"extra": copy.deepcopy(BASE["components"]["worker"])},
        {name: BASE["components"][name] for name in ("web", "report")},
        {"web": BASE["components"]["web"]},
        BASE["components"]
        | {
            "web": {**BASE["components"]["report"]}
            | {"build": {"repository": builders.REPOSITORY, "ref": "main"}}
        },
        BASE["components"] | {"report": BASE["components"]["web"]},
        {
            f"c{number}": {
                "build": {"reuse_from": "c0"} if number else {"repository": WORKER, "ref": "main"},
                "run": {"command": "work"},
            }
            for number in range(50)
        },
    ),
    "run": (),
}
"""Other values of the fields that hold a model: components that come, go, and change their kind."""


@dataclass(frozen=True)
class Operation:
    """One edit: `value` (or ABSENT) at `path`; `kind` is set, change, boundary, remove, invalid."""

    kind: str
    path: Path
    value: Any

    def __str__(self) -> str:
        return f"{self.kind} {'.'.join(self.path)}: {str(self.value)[:60]}"

    def of(self, config: JSON) -> JSON:
        """The config after this edit."""
        edited = copy.deepcopy(config)
        holder = _at(edited, self.path[:-1])
        for name, value in _BESIDE.get(self.path[-1], {}).items():
            if self.kind in ("set", "change", "boundary"):
                _put(holder, name, value)
        _put(holder, self.path[-1], self.value)
        return edited


def operations() -> list[Operation]:
    """All edits, field by field: those that set, those that change, what is wrong, the removal."""
    schema = ToolConfigSpec.model_json_schema()
    models = {ToolConfigSpec.__name__: schema} | {
        name: model for name, model in schema["$defs"].items() if "properties" in model
    }
    assert models.keys() == PLACES.keys(), "a model without a place, or a place without a model"
    return [
        operation
        for name, model in models.items()
        for field, of_field in model["properties"].items()
        for operation in _of_field(model, (*PLACES[name], field), of_field, schema["$defs"])
    ]


def _of_field(model: JSON, path: Path, field: JSON, known: JSON) -> Iterator[Operation]:
    name, shape = path[-1], _shape(field, known)
    good, edges, bad = _values(name, shape, tuple(field.get("examples", ())))
    kinds = ["set", *("change" for _ in good[1:]), *("boundary" for _ in edges)]
    yield from (
        Operation(kind, path, value) for kind, value in zip(kinds, (*good, *edges), strict=False)
    )
    yield from (Operation("invalid", path, value) for value in bad)
    required = name in model.get("required", ())
    alternative = PLACES["RefPolicy"] == path[:-1]
    if not alternative:
        yield Operation("invalid" if required else "remove", path, ABSENT)


def _shape(field: JSON, known: JSON) -> JSON:
    """The part of a field's schema that says what it holds."""
    found = dict(field)
    for option in ("anyOf", "oneOf"):
        found |= next((one for one in field.get(option, ()) if one.get("type") != "null"), {})
    if "$ref" in found:
        found |= known[found["$ref"].rpartition("/")[2]]
    return found


def _values(
    name: str, shape: JSON, examples: tuple[Any, ...]
) -> tuple[tuple[Any, ...], tuple[Any, ...], tuple[Any, ...]]:
    """Good values (an example first), boundaries, and bad ones."""
    if name in _SHAPES:
        return _SHAPES[name], (), ("nonsense", [1])
    if "const" in shape:
        return (shape["const"],), (), ("nonsense", [1])
    if "enum" in shape:
        return tuple(shape["enum"]), (), ("nonsense", [1])
    if shape["type"] == "boolean":
        return (True, False), (), ("perhaps", [1])
    if shape["type"] == "integer":
        least, most = shape["minimum"], shape["maximum"]
        return examples, (least, most), (least - 1, most + 1, "many", True)
    assert shape["type"] == "string", f"a new type of field: {shape}"
    return examples, *_texts(name, shape, examples[0])


def _texts(name: str, shape: JSON, example: str) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Boundaries and bad values of a text."""
    longest, pattern = shape["maxLength"], shape.get("pattern")
    bad: list[Any] = [example.ljust(longest + 1, example[-1]), 7, [1], "\0"]
    if pattern is None:
        edges: tuple[Any, ...] = (example.ljust(longest, example[-1]),)
    else:
        assert name in _EDGES, f"{name} has a pattern: give it boundaries in _EDGES"
        edges = _EDGES[name]
        bad += [next(text for text in ("~^: ", "-", "") if not re.search(pattern, text))]
    if shape.get("minLength"):
        bad.append("")
    return edges, tuple(bad)


def _at(config: JSON, path: Path) -> JSON:
    """What is at a path; an edit of a model that is not there any more begins with that of BASE."""
    found, base = config, BASE
    for name in path:
        base = base[name]
        if not isinstance(found.get(name), dict):
            found[name] = copy.deepcopy(base)
        found = found[name]
    return found


def _put(holder: JSON, name: str, value: Any) -> None:
    if value == ABSENT:
        holder.pop(name, None)
    else:
        holder[name] = copy.deepcopy(value)
