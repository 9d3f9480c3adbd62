"""CustomResourceDefinitions that are odd: none of them may end the control plane."""

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
