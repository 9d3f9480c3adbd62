"""The generated schemas on the embedded control plane: an object made by hand gets our answers."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from controller import config
from controller.local import crd, tables
from controller.local.structural import Structural
from controller.models import crds
from tests.repo import tree
from tests.unit.config.mistakes import MISTAKES
from tests.unit.config.texts import EXAMPLES, GOOD

DEFINITIONS = {it["spec"]["names"]["kind"]: it for it in crds.definitions()}
SCHEMAS = {
    kind: Structural(it["spec"]["versions"][0]["schema"]["openAPIV3Schema"], resets=("status",))
    for kind, it in DEFINITIONS.items()
}
CONFIGS = {
    "the example": (tree.ROOT / "examples" / "toolforge.yaml").read_text(),
    "a small one": GOOD,
} | {path.stem: path.read_text() for path in sorted(EXAMPLES.glob("*.yaml"))}

# What a schema cannot afford or know: the controller says it, on the object.
LEFT_TO_THE_CONTROLLER = {
    "a memory in thousandths of a byte",
    "a command with an open quotation mark",
    "a key without a value",
    "a schedule with a step on a range",
    "a schedule with a range that runs backwards",
    "a schedule with names in a range",
    "a schedule with the name of a month",
    "a schedule with an hour that does not exist",
    "a schedule with a step of zero",
    "a schedule with a name that is not known",
    "a repository with git's own helper protocol",
    "a repository on this machine",
    "a repository by its directory",
    "credentials that would be readable on their way",
    "a password in the repository",
    "a query in the repository",
    "a repository without a host",
    "a repository with a port that is none",
    "a range of versions with a comma",
    "a range of versions without one",
    "a ref policy of an unknown kind",
    "a ref policy of both kinds",
    "a ref that is a number",
    "a ref that leaves its place",
    "a tag pattern that no tag can match",
    "a tag pattern without a wildcard",
    "a ref with an empty part",
    "a ref that git would take for a lock",
    "polling too often",
    "polling too seldom",
    "a circle of components, said once and with its path",
}
# No object can say these: they are mistakes of a text.
ONLY_IN_TEXTS = {"the same component twice", "both spellings of one name"}


def tool_config(spec: Any, name: str = "demo-config") -> dict[str, Any]:
    return made("ToolConfig", spec, name)


def made(kind: str, spec: Any, name: str = "d1") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "tool-demo"}
    api = "components-api.toolforge.org/v1"
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": copy.deepcopy(spec)}


def refusals(obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
    """What the control plane says to a write; `obj` becomes what it would store."""
    schema = SCHEMAS[obj["kind"]]
    schema.prune(obj)
    schema.default(obj)
    return [str(error) for error in schema.validate(obj, old)]


@pytest.mark.parametrize("text", CONFIGS.values(), ids=CONFIGS.keys())
def test_a_good_config_is_stored_exactly_as_it_was_sent(text: str) -> None:
    spec = config.load(text).stored
    obj = tool_config(spec)
    assert refusals(obj) == []
    assert obj["spec"] == spec


@pytest.mark.parametrize("name", [name for name in MISTAKES if name not in ONLY_IN_TEXTS])
def test_a_mistake_is_refused_unless_a_schema_cannot_know(name: str) -> None:
    refused = refusals(tool_config(yaml.safe_load(MISTAKES[name][0])))
    assert bool(refused) == (name not in LEFT_TO_THE_CONTROLLER), refused


def test_a_refusal_has_the_words_of_validate() -> None:
    data = yaml.safe_load(MISTAKES["publishing without a port"][0])
    assert refusals(tool_config(data)) == [
        "spec.components[web].run: Invalid value: publish requires port to be set"
    ]


def test_a_build_from_nothing_is_refused() -> None:
    data = yaml.safe_load(GOOD)
    data["components"]["web"]["build"] = {}
    assert refusals(tool_config(data)) == [
        "spec.components[web].build: Invalid value: A build has a repository and a ref, or "
        "reuse_from"
    ]


def test_a_config_under_another_name_would_never_be_read_and_is_refused() -> None:
    [refused] = refusals(tool_config(config.load(GOOD).stored, name="demo"))
    assert refused.endswith("another name would never be read")


def test_unknown_fields_are_left_out() -> None:
    spec = config.load(GOOD).stored
    obj = tool_config(spec | {"x": 1})
    assert (refusals(obj), obj["spec"]) == ([], spec)


def test_an_empty_spec_deploys_and_shows_who_asked() -> None:
    obj = made("ToolDeployment", {})
    assert refusals(obj) == []
    assert obj["spec"] == {"trigger": {"kind": "manual"}}


ASKED = {
    "description": "x",
    "force_run": True,
    "trigger": {"kind": "poll", "commits": {"web": "a" * 40}},
}
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "nothing": (ASKED, ASKED, True),
    "asking to cancel": (ASKED, ASKED | {"cancel": True}, True),
    "asking to cancel after saying not to": (ASKED | {"cancel": False}, {"cancel": True}, False),
    "taking a cancel back": (ASKED | {"cancel": True}, ASKED | {"cancel": False}, False),
    "taking a cancel away": (ASKED | {"cancel": True}, ASKED, False),
    "another description": (ASKED, ASKED | {"description": "y"}, False),
    "a force that was not asked for": (ASKED, ASKED | {"force_build": True}, False),
    "another commit": (
        ASKED,
        ASKED | {"trigger": {"kind": "poll", "commits": {"web": "b" * 40}}},
        False,
    ),
    "a status, which would make it history": (ASKED, ASKED | {"status": "failed"}, False),
    "history, which the older service may still write": (
        {"status": "running", "description": "x"},
        {"status": "failed", "description": "y", "builds": {"web": {"build_status": "failed"}}},
        True,
    ),
}


@pytest.mark.parametrize(("old", "new", "allowed"), CHANGES.values(), ids=CHANGES.keys())
def test_of_a_deployment_only_cancel_can_change(
    old: dict[str, Any], new: dict[str, Any], allowed: bool
) -> None:
    before, after = made("ToolDeployment", old), made("ToolDeployment", new)
    assert refusals(before) == []
    assert (refusals(after, before) == []) == allowed


def test_an_object_of_the_older_service_is_stored_whole() -> None:
    spec = {
        "deploy_id": "20250703-075322-5zxh2hip26",
        "creation_time": "20250703-075322",
        "builds": {"web": {"build_id": "no-build-needed", "build_status": "skipped"}},
        "runs": {"web": {"run_status": "successful"}},
        "tool_config": {"components": {"web": {"odd": True}}},
        "status": "successful",
        "long_status": "Finished",
        "force_build": False,
        "force_run": False,
        "trigger": {"kind": "manual"},
    }
    obj = made("ToolDeployment", spec)
    assert refusals(obj) == []
    assert obj["spec"] == spec


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_control_plane_accepts_the_definition(kind: str) -> None:
    definition = copy.deepcopy(DEFINITIONS[kind])
    crd.default(definition)
    assert list(map(str, crd.check(definition, None))) == []


NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SEEN = {"creationTimestamp": "2026-11-21T11:58:00Z"}


def printed(obj: dict[str, Any]) -> dict[str, Any]:
    """What `kubectl get` shows of an object: column → cell."""
    version = DEFINITIONS[obj["kind"]]["spec"]["versions"][0]
    shown = tables.table([obj], tables.columns_of(version), {}, "None", NOW)
    names = [column["name"] for column in shown["columnDefinitions"]]
    return dict(zip(names, shown["rows"][0]["cells"], strict=True))


def test_kubectl_shows_a_deployment_with_what_matters() -> None:
    obj = made("ToolDeployment", {})
    refusals(obj)
    obj["metadata"] |= SEEN
    obj["status"] = {"status": "running", "commit": "35b594f5d4", "message": "Building web"}
    assert printed(obj) == {
        "Name": "d1",
        "Status": "running",
        "Trigger": "manual",
        "Age": "2m",
        "Commit": "35b594f5d4",
        "Message": "Building web",
    }


def test_kubectl_shows_whether_a_config_is_valid() -> None:
    obj = tool_config(yaml.safe_load(CONFIGS["the example"]))
    obj["metadata"] |= SEEN
    condition = {"type": "Valid", "status": "False", "message": "no component `wbe`"}
    obj["status"] = {"conditions": [{"type": "Ready", "status": "True"}, condition]}
    assert printed(obj) == {
        "Name": "demo-config",
        "Auto-Deploy": True,
        "Interval": "30s",
        "Valid": "False",
        "Age": "2m",
        "Message": "no component `wbe`",
    }
