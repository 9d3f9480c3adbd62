"""CustomResourceDefinitions that are odd, change, or have several versions."""

import asyncio
import json
from typing import Any

import pytest

from tests.support import controlplane

Object = dict[str, Any]

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE = "application/merge-patch+json"


async def test_a_version_that_does_not_say_that_it_is_served_is_not(
    widgets: controlplane.Widgets,
) -> None:
    definition = controlplane.widget_definition(f"other.{widgets.group}")
    (version,) = definition["spec"]["versions"]
    del version["served"]
    second = {**version, "name": "v2", "served": True, "storage": None}
    definition["spec"]["versions"].append(second)
    answer = await widgets.access.ask("POST", DEFINITIONS, definition)
    assert answer.status == 201, answer.raw
    told = [(v["name"], v["served"], v["storage"]) for v in answer.body["spec"]["versions"]]
    assert told == [("v1", False, True), ("v2", True, False)]
    await widgets.create("one")


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": [{}]},
        {"conditions": [{"type": "Established"}]},
        {"acceptedNames": {"plural": None}},
        {"acceptedNames": {"plural": None, "kind": None}, "storedVersions": None},
    ],
)
async def test_a_status_that_says_too_little_leaves_the_kind_served(
    widgets: controlplane.Widgets, status: Object
) -> None:
    path = f"{DEFINITIONS}/widgets.{widgets.group}/status"
    answer = await widgets.access.ask("PATCH", path, {"status": status}, kind=MERGE)
    assert answer.status < 500, answer.raw
    await widgets.served()
    await widgets.create("one")


async def test_a_definition_that_is_not_served_goes_with_its_objects(
    widgets: controlplane.Widgets,
) -> None:
    await widgets.create("one")
    path = f"{DEFINITIONS}/widgets.{widgets.group}"
    patch = [{"op": "replace", "path": "/spec/versions/0/served", "value": False}]
    answer = await widgets.access.ask("PATCH", path, patch, kind="application/json-patch+json")
    assert answer.status == 200, answer.raw
    assert (await widgets.access.ask("DELETE", path)).status == 200
    for _ in range(400):
        if (await widgets.access.ask("GET", path)).status == 404:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the definition is still there")


@pytest.mark.parametrize(
    ("field", "told"),
    [
        (None, "properties[odd].type: Required value: must not be empty for specified object"),
        ({"type": "array", "items": [{"type": "string"}]}, "items must be a schema object"),
        (
            {
                "type": "array",
                "items": [{"type": "object"}],
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["a"],
            },
            "items must be a schema object",
        ),
        (
            {
                "type": "object",
                "properties": {"l": {"type": "array", "items": [{"type": "string"}]}},
                "allOf": [{"properties": {"l": {"items": {"minLength": 1}}}}],
            },
            "items must be a schema object",
        ),
    ],
)
async def test_a_schema_that_is_none_is_refused_by_name(
    widgets: controlplane.Widgets, field: Any, told: str
) -> None:
    definition = controlplane.widget_definition(f"other.{widgets.group}")
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"]["odd"] = field
    answer = await widgets.access.ask("POST", DEFINITIONS, definition)
    assert answer.status in (400, 422), answer.raw
    assert told in answer.body["message"]


class Versions:
    """A kind in two versions with one scope; v2, in which objects are stored, has `extra` too."""

    def __init__(self, widgets: controlplane.Widgets) -> None:
        self.access = widgets.access
        self.group = f"two.{widgets.group}"
        self.definition = f"{DEFINITIONS}/widgets.{self.group}"
        self._namespace = widgets.namespace

    def path(self, version: str) -> str:
        return f"/apis/{self.group}/{version}/namespaces/{self._namespace}/widgets"

    async def made(self) -> None:
        definition = controlplane.widget_definition(self.group)
        (second,) = definition["spec"]["versions"]
        first = {**json.loads(json.dumps(second)), "storage": False}
        properties = second["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        properties["extra"] = {"type": "string"}
        definition["spec"]["versions"] = [first, {**second, "name": "v2"}]
        answer = await self.access.ask("POST", DEFINITIONS, definition)
        assert answer.status == 201, answer.raw
        for _ in range(200):
            if (await self.access.ask("GET", self.path("v2"))).status == 200:
                break
            await asyncio.sleep(0.05)
        body = {"apiVersion": f"{self.group}/v2", "kind": "Widget", "metadata": {"name": "one"}}
        body["spec"] = {"extra": "e", "size": 2}
        answer = await self.access.ask("POST", self.path("v2"), body)
        assert answer.status == 201, answer.raw

    async def seen(self, version: str) -> tuple[str, Object]:
        """How a version has the one object, alone and in the list: its version and its spec."""
        one = (await self.access.ask("GET", f"{self.path(version)}/one")).body
        (listed,) = (await self.access.ask("GET", self.path(version))).body["items"]
        assert one == listed
        return one["apiVersion"].rpartition("/")[2], one["spec"]

    async def change(self, patch: Object) -> None:
        answer = await self.access.ask("PATCH", self.definition, patch, kind=MERGE)
        assert answer.status == 200, answer.raw


async def test_a_version_shows_what_its_schema_has_and_takes_nothing_from_another(
    widgets: controlplane.Widgets,
) -> None:
    kind = Versions(widgets)
    await kind.made()
    assert await kind.seen("v1") == ("v1", {"size": 2})
    await kind.change({"spec": {"names": {"shortNames": ["other"]}}})
    assert await kind.seen("v1") == ("v1", {"size": 2})
    assert await kind.seen("v2") == ("v2", {"size": 2, "extra": "e"})


async def test_everybody_who_uses_a_deprecated_version_is_warned(
    widgets: controlplane.Widgets,
) -> None:
    kind = Versions(widgets)
    await kind.made()
    versions = (await kind.access.ask("GET", kind.definition)).body["spec"]["versions"]
    versions[0] |= {"deprecated": True}
    await kind.change({"spec": {"versions": versions}})
    path, group = kind.path("v1"), kind.group
    told = [f'299 - "{group}/v1 Widget is deprecated; use {group}/v2 Widget"']
    body = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "two"}}
    for method, where, sent in (
        ("GET", path, None),
        ("GET", f"{path}/one", None),
        ("GET", f"{path}?watch=1&timeoutSeconds=1", None),
        ("POST", path, body),
        ("DELETE", f"{path}/two", None),
    ):
        answer = await kind.access.ask(method, where, sent)
        assert (method, where, answer.warnings) == (method, where, told)
    assert (await kind.access.ask("GET", kind.path("v2"))).warnings == []
    versions[0] |= {"deprecationWarning": "use another one"}
    await kind.change({"spec": {"versions": versions}})
    assert (await kind.access.ask("GET", path)).warnings == ['299 - "use another one"']


async def test_what_was_stored_in_another_version_is_shown_in_the_one_that_is_asked_for(
    widgets: controlplane.Widgets,
) -> None:
    kind = Versions(widgets)
    await kind.made()
    versions = (await kind.access.ask("GET", kind.definition)).body["spec"]["versions"]
    changed = [{**version, "storage": version["name"] == "v1"} for version in versions]
    await kind.change({"spec": {"versions": changed}})
    assert await kind.seen("v2") == ("v2", {"size": 2, "extra": "e"})
    assert await kind.seen("v1") == ("v1", {"size": 2})
