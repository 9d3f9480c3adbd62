"""Objects over HTTP: writes that do not get lost, pages that fit together, things that go."""

import asyncio
import json
from typing import Any

import pytest

from tests.support import controlplane

Object = dict[str, Any]

MERGE = "application/merge-patch+json"


async def eventually_gone(access: controlplane.Access, path: str) -> None:
    """Wait until an object is not there any more."""
    for _ in range(400):
        if (await access.ask("GET", path)).status == 404:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"{path} is still there")


async def test_of_two_updates_of_one_version_the_second_is_refused(
    widgets: controlplane.Widgets,
) -> None:
    body = await widgets.create("one", size=1)
    body["spec"]["size"] = 2
    answers = await asyncio.gather(
        *(widgets.access.ask("PUT", f"{widgets.path}/one", body) for _ in range(2))
    )
    # The same content twice: one writes, the other finds nothing to do or is told to look again.
    assert min(each.status for each in answers) == 200
    body["spec"]["size"] = 3
    late = await widgets.access.ask("PUT", f"{widgets.path}/one", body)
    assert (late.status, late.body["reason"]) == (409, "Conflict")


async def test_true_becomes_one_though_python_holds_them_equal(
    widgets: controlplane.Widgets,
) -> None:
    await widgets.create("one")
    await widgets.patch("one", {"status": {"done": True}}, "/status")
    answer = await widgets.patch("one", {"status": {"done": 1}}, "/status?fieldManager=counter")
    assert answer.raw.count(b'"done":1') == 1
    owners = {entry["manager"] for entry in answer.body["metadata"]["managedFields"]}
    assert "counter" in owners


async def test_counting_with_versions_loses_no_count(widgets: controlplane.Widgets) -> None:
    await widgets.create("counter", size=1)
    path = f"{widgets.path}/counter"

    async def count() -> None:
        while True:
            body = (await widgets.access.ask("GET", path)).body
            body["spec"]["size"] += 1
            answer = await widgets.access.ask("PUT", path, body)
            if answer.status == 200:
                return
            assert answer.status == 409, answer.raw

    await asyncio.gather(*(count() for _ in range(20)))
    assert (await widgets.access.ask("GET", path)).body["spec"]["size"] == 21


async def test_of_many_creations_of_one_name_one_succeeds(widgets: controlplane.Widgets) -> None:
    answers = await asyncio.gather(
        *(
            widgets.access.ask("POST", widgets.path, widgets.widget("one", size=number + 1))
            for number in range(10)
        )
    )
    assert sorted(each.status for each in answers) == [201] + [409] * 9


async def test_versions_only_rise(widgets: controlplane.Widgets) -> None:
    versions = []
    for number in range(5):
        versions.append((await widgets.create(f"w{number}"))["metadata"]["resourceVersion"])
        answer = await widgets.patch(f"w{number}", {"spec": {"size": 9}})
        versions.append(answer.body["metadata"]["resourceVersion"])
        await widgets.access.ask("DELETE", f"{widgets.path}/w{number}")
        versions.append((await widgets.list())["metadata"]["resourceVersion"])
    numbers = [int(each) for each in versions]
    assert numbers == sorted(set(numbers))


async def test_pages_show_the_list_as_it_was_at_the_first(widgets: controlplane.Widgets) -> None:
    for number in range(7):
        await widgets.create(f"w{number}")
    first = await widgets.list("?limit=3")
    await widgets.create("w10")
    await widgets.access.ask("DELETE", f"{widgets.path}/w4")
    names = [each["metadata"]["name"] for each in first["items"]]
    token = first["metadata"]["continue"]
    while token:
        page = await widgets.list(f"?limit=3&continue={token}")
        names += [each["metadata"]["name"] for each in page["items"]]
        token = page["metadata"].get("continue")
    assert names == [f"w{number}" for number in range(7)]


async def test_a_deleted_namespace_takes_everything_in_it_along(
    widgets: controlplane.Widgets,
) -> None:
    await widgets.create("one")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
    path = f"/api/v1/namespaces/{widgets.namespace}"
    assert (await widgets.access.ask("POST", f"{path}/secrets", secret)).status == 201
    left = await widgets.access.ask("DELETE", path)
    assert left.body["status"]["phase"] == "Terminating"
    await eventually_gone(widgets.access, path)
    assert (await widgets.list())["items"] == []
    assert (await widgets.access.ask("GET", f"{path}/secrets/s")).status == 404


async def test_a_namespace_waits_for_finalizers_and_takes_nothing_new(
    widgets: controlplane.Widgets,
) -> None:
    await widgets.create("held")
    await widgets.patch("held", {"metadata": {"finalizers": ["example.com/hold"]}})
    path = f"/api/v1/namespaces/{widgets.namespace}"
    await widgets.access.ask("DELETE", path)
    refused = await widgets.access.ask("POST", widgets.path, widgets.widget("new"))
    assert (refused.status, refused.body["reason"]) == (403, "Forbidden")
    assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    for _ in range(200):
        held = (await widgets.access.ask("GET", f"{widgets.path}/held")).body["metadata"]
        if "deletionTimestamp" in held:
            break
        await asyncio.sleep(0.02)
    assert (await widgets.access.ask("GET", path)).status == 200
    await widgets.patch("held", {"metadata": {"finalizers": None}})
    await eventually_gone(widgets.access, path)


async def test_a_deleted_definition_takes_its_objects_along(
    widgets: controlplane.Widgets,
) -> None:
    await widgets.create("one")
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{widgets.group}"
    assert (await widgets.access.ask("DELETE", path)).status == 200
    await eventually_gone(widgets.access, path)
    for _ in range(400):
        if (await widgets.access.ask("GET", widgets.path)).status == 404:
            break
        await asyncio.sleep(0.02)
    assert (await widgets.access.ask("GET", widgets.path)).status == 404


def owned(name: str, owner: Object, **more: Any) -> Object:
    """A ConfigMap with an owner."""
    reference = {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        **more,
    }
    metadata = {"name": name, "ownerReferences": [reference]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_what_is_owned_goes_with_its_owner(
    widgets: controlplane.Widgets, policy: str
) -> None:
    owner = await widgets.create("owner")
    path = f"/api/v1/namespaces/{widgets.namespace}/configmaps"
    body = owned("child", owner, blockOwnerDeletion=True)
    assert (await widgets.access.ask("POST", path, body)).status == 201
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy}
    await widgets.access.ask("DELETE", f"{widgets.path}/owner", options)
    await eventually_gone(widgets.access, f"{path}/child")
    await eventually_gone(widgets.access, f"{widgets.path}/owner")


async def test_orphans_stay_and_lose_their_reference(widgets: controlplane.Widgets) -> None:
    owner = await widgets.create("owner")
    path = f"/api/v1/namespaces/{widgets.namespace}/configmaps"
    assert (await widgets.access.ask("POST", path, owned("child", owner))).status == 201
    options = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Orphan"}
    await widgets.access.ask("DELETE", f"{widgets.path}/owner", options)
    await eventually_gone(widgets.access, f"{widgets.path}/owner")
    child = (await widgets.access.ask("GET", f"{path}/child")).body
    assert "ownerReferences" not in child["metadata"]


async def test_an_events_two_forms_are_one_object(widgets: controlplane.Widgets) -> None:
    regarding = {"kind": "Widget", "name": "one", "namespace": widgets.namespace}
    event = {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "regarding": regarding,
        "note": "hello",
        "reason": "Said",
        "action": "Say",
        "type": "Normal",
        "reportingController": "example.com/test",
        "reportingInstance": "one",
    }
    path = f"/namespaces/{widgets.namespace}/events"
    made = await widgets.access.ask("POST", f"/apis/events.k8s.io/v1{path}", event)
    assert made.status == 201, made.raw
    core = (await widgets.access.ask("GET", f"/api/v1{path}/e")).body
    assert (core["message"], core["involvedObject"]) == ("hello", regarding)
    listed = (
        await widgets.access.ask(
            "GET", f"/apis/events.k8s.io/v1{path}?fieldSelector=regarding.name%3Done"
        )
    ).body
    assert [each["note"] for each in listed["items"]] == ["hello"]


async def test_an_update_of_an_immutable_name_or_uid_is_refused(
    widgets: controlplane.Widgets,
) -> None:
    await widgets.create("one")
    wrong = await widgets.patch(
        "one", {"metadata": {"uid": "00000000-0000-0000-0000-000000000000"}}
    )
    assert wrong.status == 409
    wrong = await widgets.patch("one", {"metadata": {"name": "two"}})
    assert wrong.status in (400, 422)
    assert (await widgets.access.ask("GET", f"{widgets.path}/two")).status == 404


async def test_a_json_patch_that_fails_leaves_the_object_alone(
    widgets: controlplane.Widgets,
) -> None:
    before = await widgets.create("one", size=5)
    patch = [
        {"op": "replace", "path": "/spec/size", "value": 6},
        {"op": "test", "path": "/spec/size", "value": 7},
    ]
    answer = await widgets.access.ask(
        "PATCH", f"{widgets.path}/one", patch, kind="application/json-patch+json"
    )
    assert answer.status == 422
    assert (await widgets.access.ask("GET", f"{widgets.path}/one")).body == before


async def test_a_body_that_is_too_large_is_refused(widgets: controlplane.Widgets) -> None:
    body = json.dumps(widgets.widget("large", note="x" * (3 * 1024 * 1024 + 1))).encode()
    answer = await widgets.access.ask("POST", widgets.path, body)
    assert answer.status in (413, 422, 500)
    assert (await widgets.access.ask("GET", f"{widgets.path}/large")).status == 404


async def test_a_request_without_the_token_learns_nothing(
    control_plane: controlplane.Access,
) -> None:
    for token in ("", "Bearer ", "Bearer wrong", "Basic YTpi"):
        answer = await control_plane.ask("GET", "/api/v1/secrets", headers={"Authorization": token})
        assert answer.status in (401, 403)
        assert answer.body["kind"] == "Status"


async def test_a_newer_schema_counts_for_what_was_stored_before(
    widgets: controlplane.Widgets,
) -> None:
    before = await widgets.create("one", note="kept")
    definition = controlplane.widget_definition(widgets.group)
    version = definition["spec"]["versions"][0]
    properties = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    properties["extra"] = {"type": "string", "default": "new"}
    path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{widgets.group}"
    changed = await widgets.access.ask("PATCH", path, {"spec": definition["spec"]}, kind=MERGE)
    assert changed.status == 200, changed.raw
    wanted = before | {"spec": {**before["spec"], "extra": "new"}}
    for _ in range(100):
        after = (await widgets.access.ask("GET", f"{widgets.path}/one")).body
        if after == wanted:
            break
        await asyncio.sleep(0.05)
    assert after == wanted
    assert (await widgets.list())["items"] == [wanted]


async def test_generated_names_differ(widgets: controlplane.Widgets) -> None:
    body = widgets.widget("")
    body["metadata"] = {"generateName": "gen-"}
    answers = await asyncio.gather(
        *(widgets.access.ask("POST", widgets.path, body) for _ in range(20))
    )
    names = {each.body["metadata"]["name"] for each in answers}
    assert len(names) == 20
    assert all(name.startswith("gen-") and len(name) == 9 for name in names)


async def test_a_namespace_can_be_let_go_through_finalize(
    control_plane: controlplane.Access,
) -> None:
    name = await control_plane.namespace()
    path = f"/api/v1/namespaces/{name}"
    held = {"metadata": {"finalizers": ["example.com/hold"]}}
    assert (await control_plane.ask("PATCH", path, held, kind=MERGE)).status == 200
    marked = (await control_plane.ask("DELETE", path)).body
    marked["spec"] = {}
    marked["metadata"].pop("resourceVersion")
    assert (await control_plane.ask("PUT", f"{path}/finalize", marked)).status == 200
    still = (await control_plane.ask("GET", path)).body
    assert still["metadata"]["finalizers"] == ["example.com/hold"]
    let_go = {"metadata": {"finalizers": None}}
    assert (await control_plane.ask("PATCH", path, let_go, kind=MERGE)).status == 200
    await eventually_gone(control_plane, path)


async def test_whoever_is_told_that_a_name_is_taken_can_read_what_took_it(
    control_plane: controlplane.Access,
) -> None:
    secrets = f"/api/v1/namespaces/{await control_plane.namespace()}/secrets"

    async def make(name: str) -> int:
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
        made = await control_plane.ask("POST", secrets, body)
        return (await control_plane.ask("GET", f"{secrets}/{name}")).status - made.status

    found = [await asyncio.gather(*(make(f"s{n}") for _ in range(4))) for n in range(20)]
    assert [sorted(each) for each in found] == [[200 - 409] * 3 + [200 - 201]] * 20


async def test_a_namespace_goes_whatever_its_objects_hold(widgets: controlplane.Widgets) -> None:
    access, namespace = widgets.access, f"/api/v1/namespaces/{widgets.namespace}"
    body = {"metadata": {"name": "one"}, "data": {"deletionTimestamp": "never"}}
    assert (await access.ask("POST", f"{namespace}/configmaps", body)).status == 201
    assert (await access.ask("DELETE", namespace)).status == 200
    await eventually_gone(access, namespace)


async def test_what_is_only_named_like_a_deletion_ends_nothing(
    widgets: controlplane.Widgets,
) -> None:
    access, group = widgets.access, f"other.{widgets.group}"
    namespace = f"/api/v1/namespaces/{widgets.namespace}"
    patch = {"metadata": {"annotations": {"deletionTimestamp": "never"}}}
    assert (await access.ask("PATCH", namespace, patch, kind=MERGE)).status == 200
    definition = controlplane.widget_definition(group)
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"]["deletionTimestamp"] = {"type": "string"}
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert (await access.ask("POST", path, definition)).status == 201
    other = controlplane.Widgets(access, group, widgets.namespace)
    await other.served()
    await other.create("one")
    await widgets.create("one")
    labels = {"metadata": {"labels": {"a": "b"}}}
    await access.ask("PATCH", namespace, labels, kind=MERGE)
    await access.ask("PATCH", f"{path}/widgets.{group}", labels, kind=MERGE)
    await asyncio.sleep(0.3)
    assert [len((await each.list())["items"]) for each in (widgets, other)] == [1, 1]


@pytest.mark.parametrize("spec", [{"finalizers": ["example.com/a"]}, "text", ["item"]])
@pytest.mark.parametrize("policy", ["Background", "Foreground", "Orphan"])
async def test_an_object_goes_whatever_its_spec_is(
    widgets: controlplane.Widgets, spec: Any, policy: str
) -> None:
    access, group = widgets.access, f"other.{widgets.group}"
    definition = controlplane.widget_definition(group)
    (version,) = definition["spec"]["versions"]
    free = {"x-kubernetes-preserve-unknown-fields": True}
    version |= {"selectableFields": None, "additionalPrinterColumns": None}
    version["schema"] = {"openAPIV3Schema": {"type": "object", "properties": {"spec": free}}}
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert (await access.ask("POST", path, definition)).status == 201
    other = controlplane.Widgets(access, group, widgets.namespace)
    await other.served()
    answer = await access.ask("POST", other.path, {**other.widget("one"), "spec": spec})
    assert (answer.status, answer.body["spec"]) == (201, spec)
    gone = f"{other.path}/one?propagationPolicy={policy}"
    assert (await access.ask("DELETE", gone)).status == 200
    await eventually_gone(access, f"{other.path}/one")
