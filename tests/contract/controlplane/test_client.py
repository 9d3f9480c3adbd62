"""The client library that the controller uses, through the kubeconfig that it would be given."""

import datetime
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import pytest
from kubernetes.aio import client, config, watch

from tests.support import controlplane

T = TypeVar("T")


def there(value: T | None) -> T:
    """A part that the library's types call optional, and that is there."""
    assert value is not None
    return value


@pytest.fixture
async def api(control_plane: controlplane.Access) -> AsyncIterator[client.ApiClient]:
    untyped: Any = config
    found = await untyped.new_client_from_config(str(control_plane.kubeconfig))
    yield found
    await found.close()


async def test_custom_objects(api: client.ApiClient, widgets: controlplane.Widgets) -> None:
    # The library's types say no more than `object` of a custom resource.
    custom: Any = client.CustomObjectsApi(api)
    where = (widgets.group, "v1", widgets.namespace, "widgets")
    made = await custom.create_namespaced_custom_object(*where, widgets.widget("one", size=4))
    assert made["spec"] == {"size": 4}
    made["spec"] = {"size": 5}
    replaced = await custom.replace_namespaced_custom_object(*where, "one", made)
    assert replaced["spec"] == {"size": 5}
    with pytest.raises(client.ApiException) as conflict:
        await custom.replace_namespaced_custom_object(*where, "one", made)
    assert (conflict.value.status, conflict.value.reason) == (409, "Conflict")
    status = {"status": {"phase": "Done"}}
    patched = await custom.patch_namespaced_custom_object_status(
        *where, "one", status, _content_type="application/merge-patch+json"
    )
    assert patched["status"] == {"phase": "Done"}
    listed = await custom.list_namespaced_custom_object(*where, field_selector="metadata.name=one")
    assert [each["spec"] for each in listed["items"]] == [{"size": 5}]
    await custom.delete_namespaced_custom_object(*where, "one")
    assert (await custom.list_namespaced_custom_object(*where))["items"] == []


async def test_typed_objects(api: client.ApiClient, widgets: controlplane.Widgets) -> None:
    core, namespace = client.CoreV1Api(api), widgets.namespace
    secret = client.V1Secret(
        metadata=client.V1ObjectMeta(name="s"), string_data={"token": "abc"}, type="Opaque"
    )
    made = await core.create_namespaced_secret(namespace, secret)
    assert made.data == {"token": "YWJj"}
    read = await core.read_namespaced_secret("s", namespace)
    assert there(read.metadata).resource_version == there(made.metadata).resource_version
    config_map = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="c"), data={"a": "b"})
    await core.create_namespaced_config_map(namespace, config_map)
    changed = await core.patch_namespaced_config_map(
        "c", namespace, {"data": {"a": None, "b": "c"}}
    )
    assert changed.data == {"b": "c"}
    await core.delete_namespaced_secret("s", namespace)
    found = await core.list_namespaced_secret(namespace)
    assert found.items == []
    assert there((await core.read_namespace(namespace)).status).phase == "Active"


async def test_a_lease_is_taken_renewed_and_lost(
    api: client.ApiClient, widgets: controlplane.Widgets
) -> None:
    leases, namespace = client.CoordinationV1Api(api), widgets.namespace
    now = datetime.datetime(2026, 1, 1, 0, 0, 0, 123456, tzinfo=datetime.UTC)
    spec = client.V1LeaseSpec(
        holder_identity="one", lease_duration_seconds=15, acquire_time=now, renew_time=now
    )
    body = client.V1Lease(metadata=client.V1ObjectMeta(name="l"), spec=spec)
    made = await leases.create_namespaced_lease(namespace, body)
    assert there(made.spec).renew_time == now
    first = await leases.read_namespaced_lease("l", namespace)
    second = await leases.read_namespaced_lease("l", namespace)
    there(first.spec).renew_time = now + datetime.timedelta(seconds=5)
    renewed = await leases.replace_namespaced_lease("l", namespace, first)
    assert there(renewed.spec).renew_time == now + datetime.timedelta(seconds=5)
    there(second.spec).holder_identity = "two"
    with pytest.raises(client.ApiException) as conflict:
        await leases.replace_namespaced_lease("l", namespace, second)
    assert conflict.value.status == 409


async def test_the_librarys_watch(api: client.ApiClient, widgets: controlplane.Widgets) -> None:
    # The library's types say no more than `object` of a custom resource.
    custom: Any = client.CustomObjectsApi(api)
    where = (widgets.group, "v1", widgets.namespace, "widgets")
    start = (await widgets.list())["metadata"]["resourceVersion"]
    await widgets.create("one")
    await widgets.patch("one", {"spec": {"size": 4}})
    found = []
    untyped: Any = watch
    async with untyped.Watch() as watcher:
        stream = watcher.stream(
            custom.list_namespaced_custom_object,
            *where,
            resource_version=start,
            timeout_seconds=5,
        )
        async for event in stream:
            found.append((event["type"], event["object"]["metadata"]["name"]))
            if len(found) == 2:
                watcher.stop()
                break
    assert found == [("ADDED", "one"), ("MODIFIED", "one")]


async def test_events_in_both_groups(api: client.ApiClient, widgets: controlplane.Widgets) -> None:
    now = datetime.datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=datetime.UTC)
    event = client.EventsV1Event(
        metadata=client.V1ObjectMeta(generate_name="one-"),
        event_time=now,
        regarding=client.V1ObjectReference(kind="Widget", name="one", namespace=widgets.namespace),
        action="Build",
        reason="Built",
        note="built it",
        type="Normal",
        reporting_controller="example.com/test",
        reporting_instance="one",
    )
    made = await client.EventsV1Api(api).create_namespaced_event(widgets.namespace, event)
    found = await client.CoreV1Api(api).list_namespaced_event(
        widgets.namespace, field_selector="involvedObject.name=one"
    )
    assert [(there(each.metadata).name, each.message) for each in found.items] == [
        (there(made.metadata).name, "built it")
    ]


async def test_definitions_and_versions(
    api: client.ApiClient, widgets: controlplane.Widgets
) -> None:
    definitions = client.ApiextensionsV1Api(api)
    name = f"widgets.{widgets.group}"
    found = await definitions.read_custom_resource_definition(name)
    conditions = {each.type: each.status for each in there(there(found.status).conditions)}
    assert conditions["Established"] == "True"
    assert int((await client.VersionApi(api).get_code()).minor.rstrip("+")) >= 30
    groups = await client.ApisApi(api).get_api_versions()
    assert widgets.group in {each.name for each in groups.groups}
