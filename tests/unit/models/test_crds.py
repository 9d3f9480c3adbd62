"""The custom resource definitions: complete and bounded."""

from collections.abc import Iterator
from typing import Any

from controller.models import crds

DEFINITIONS = {it["spec"]["names"]["kind"]: it for it in crds.definitions()}
FORBIDDEN = {"$ref", "anyOf", "oneOf", "allOf", "title", "examples", "const", "$defs", "nullable"}


UNTYPED = "ToolConfig.spec.components[].build.ref"  # a text, or an object


def schema_of(kind: str) -> dict[str, Any]:
    root: dict[str, Any] = DEFINITIONS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return root


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], f"{path}[]")


NODES = {
    f"{kind}{path}": node
    for kind in DEFINITIONS
    for path, node in nodes(schema_of(kind))
    if path not in (".apiVersion", ".kind", ".metadata")
}


def test_every_place_has_a_type_and_nothing_that_kubernetes_refuses() -> None:
    build = "ToolConfig.spec.components[].build"
    found = {path: there for path, node in NODES.items() if (there := FORBIDDEN & node.keys())}
    # The one rule that CEL cannot say; a junctor may hold what is required, and no types.
    assert found == {build: {"anyOf"}}
    assert NODES[build]["anyOf"] == [
        {"required": ["ref"]},
        {"not": {"required": ["repository"]}},
    ]
    assert [path for path, node in NODES.items() if "type" not in node] == [UNTYPED]
    assert NODES[UNTYPED]["x-kubernetes-preserve-unknown-fields"] is True


def test_everything_that_can_grow_has_a_limit() -> None:
    limits = {"string": "maxLength", "array": "maxItems"}
    unlimited = [
        path
        for path, node in NODES.items()
        if limits.get(node.get("type", "string"), "type") not in node
        and not {"enum", "format"} & node.keys()
    ]
    maps = [
        path
        for path, node in NODES.items()
        if "additionalProperties" in node and "maxProperties" not in node
    ]
    assert (unlimited, maps) == ([], [])


def test_only_the_trigger_has_defaults_so_that_a_config_comes_back_as_it_was_sent() -> None:
    assert {path: node["default"] for path, node in NODES.items() if "default" in node} == {
        "ToolDeployment.spec.trigger": {},
        "ToolDeployment.spec.trigger.kind": "manual",
    }


def test_both_shapes_of_a_component_are_one_object() -> None:
    component = NODES["ToolConfig.spec.components[]"]
    assert component["required"] == ["build", "run"]
    assert component["properties"]["component_type"]["enum"] == ["continuous", "scheduled"]
    assert component["properties"]["run"]["required"] == ["command"]
    assert {"port", "schedule"} <= component["properties"]["run"]["properties"].keys()
    assert {"repository", "reuse_from"} <= component["properties"]["build"]["properties"].keys()


def test_columns_answer_what_people_ask_first() -> None:
    columns = {
        kind: [it["name"] for it in definition["spec"]["versions"][0]["additionalPrinterColumns"]]
        for kind, definition in DEFINITIONS.items()
    }
    assert columns == {
        "ToolConfig": ["Auto-Deploy", "Interval", "Valid", "Age", "Message"],
        "ToolDeployment": ["Status", "Trigger", "Age", "Commit", "Message"],
    }


def test_the_words_of_a_field_are_part_of_its_schema() -> None:
    assert NODES["ToolDeployment.spec.cancel"] == {
        "description": "Stop it. Can be set while it is not finished, and not unset.",
        "type": "boolean",
    }
