"""Every option is explained, its examples work, and editors say what reading a file says."""

import json
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from controller import config
from controller.models import components, editor, toolconfig
from tests.repo import tree
from tests.unit.config.mistakes import MISTAKES
from tests.unit.config.texts import EXAMPLES, GOOD

SCHEMA = editor.schema()
MODELS: dict[type[BaseModel], tuple[str, ...]] = {
    toolconfig.ToolConfigSpec: (),
    toolconfig.ContinuousComponent: ("components", "web"),
    toolconfig.ScheduledComponent: ("components", "job"),
    components.SourceBuild: ("components", "web", "build"),
    components.ReuseBuild: ("components", "job", "build"),
    components.ContinuousRun: ("components", "web", "run"),
    components.ScheduledRun: ("components", "job", "run"),
}
OPTIONS = {
    f"{model.__name__}.{name}": (field, (*place, name))
    for model, place in MODELS.items()
    for name, field in model.model_fields.items()
}
EXAMPLES_OF_OPTIONS = [
    pytest.param(place, example, id=f"{option} {example}")
    for option, (field, place) in OPTIONS.items()
    for example in field.examples or ()
]


def surroundings() -> dict[str, Any]:
    """A config in which every option may stand."""
    data: dict[str, Any] = yaml.safe_load(GOOD)
    data["components"]["job"] = {
        "build": {"reuse_from": "web"},
        "run": {"command": "x", "schedule": "@daily"},
    }
    return data


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_says_what_it_does_and_shows_an_example(option: str) -> None:
    field, place = OPTIONS[option]
    assert field.description
    assert field.examples or place[-1] in ("components", "build", "run")


@pytest.mark.parametrize(("place", "example"), EXAMPLES_OF_OPTIONS)
def test_the_example_of_an_option_is_accepted(place: tuple[str, ...], example: object) -> None:
    data = surroundings()
    at = data
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = example
    if place[-1] == "health_check_http":
        at.pop("health_check_script", None)
    if place[-1].startswith("filelog"):
        at["mount"] = "all"
    loaded = config.load(yaml.safe_dump(data, sort_keys=False))
    assert (loaded.errors, loaded.warnings) == ((), ())
    jsonschema.validate(data, SCHEMA)


def test_the_schema_for_editors_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert "oneOf" not in json.dumps(SCHEMA)


@pytest.mark.parametrize("path", [tree.ROOT / "examples" / "toolforge.yaml"], ids=str)
def test_the_schema_for_editors_takes_the_example(path: Any) -> None:
    jsonschema.validate(yaml.safe_load(path.read_text()), SCHEMA)


# Rules between fields and what needs more than a pattern are for `ptd config validate`.
SEEN_IN_THE_EDITOR = (
    "a port that is too high",
    "no replicas",
    "a cpu that is a number",
    "no cpu at all",
    "a command that is not there",
    "a command that is empty",
    "mail at a moment that is none",
    "publishing another path",
    "a schedule with four fields",
    "a ref that is an option",
    "a repository without a ref",
    "a version that is not known",
    "no components",
    "a name with capital letters",
    "a kind of component that is none",
    "a scheduled component without a schedule",
)


@pytest.mark.parametrize("name", SEEN_IN_THE_EDITOR)
def test_the_editor_shows_a_mistake_while_it_is_typed(name: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(MISTAKES[name][0]), SCHEMA)


def test_the_editor_shows_a_slip_of_the_pen() -> None:
    data = surroundings()
    data["components"]["web"]["run"]["prot"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, SCHEMA)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_every_example_of_the_docs_is_accepted(path: Any) -> None:
    assert config.load(path.read_text()).errors == ()
