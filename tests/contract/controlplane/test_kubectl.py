"""The real kubectl, as people use it."""

import asyncio
import json
import pathlib
from collections.abc import AsyncIterator

import pytest

from tests.support import controlplane, kubectl

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def run(widgets: controlplane.Widgets) -> AsyncIterator[kubectl.Kubectl]:
    found = kubectl.Kubectl(widgets.access, widgets.namespace)
    yield found
    found.close()


def manifest(widgets: controlplane.Widgets, name: str, **spec: object) -> str:
    return json.dumps(widgets.widget(name, **spec))


def rows(out: str) -> list[list[str]]:
    """A table's cells, without the ages."""
    return [line.split()[:-1] for line in out.splitlines()]


async def test_create_get_describe_delete(
    run: kubectl.Kubectl, widgets: controlplane.Widgets
) -> None:
    kind = f"widget.{widgets.group}"
    made = await run.ok("create", "-f", "-", text=manifest(widgets, "one", size=4))
    assert made == f"{kind}/one created\n"
    again = await run.run("create", "-f", "-", text=manifest(widgets, "one"))
    assert again.code == 1
    assert "(AlreadyExists)" in again.err
    assert rows(await run.ok("get", f"widgets.{widgets.group}")) == [
        ["NAME", "SIZE", "PHASE"],
        ["one", "4"],
    ]
    assert await run.ok("get", kind, "-o", "name") == f"{kind}/one\n"
    shown = json.loads(await run.ok("get", kind, "one", "-o", "json"))
    assert shown["spec"] == {"size": 4}
    assert await run.ok("get", kind, "one", "-o", "jsonpath={.spec.size}") == "4"
    described = await run.ok("describe", kind, "one")
    assert "Size:  4" in described
    assert "Events:" in described
    gone = await run.ok("delete", kind, "one")
    assert gone.startswith(f'{kind} "one" deleted')
    missing = await run.run("get", kind, "one")
    assert f'widgets.{widgets.group} "one" not found' in missing.err


async def test_describe_shows_the_objects_events(
    run: kubectl.Kubectl, widgets: controlplane.Widgets
) -> None:
    body = await widgets.create("one")
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "one.1"},
        "involvedObject": {
            "apiVersion": f"{widgets.group}/v1",
            "kind": "Widget",
            "name": "one",
            "namespace": widgets.namespace,
            "uid": body["metadata"]["uid"],
        },
        "reason": "Built",
        "message": "built it",
        "type": "Normal",
        "source": {"component": "test"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 1,
    }
    await run.ok("create", "-f", "-", text=json.dumps(event))
    described = await run.ok("describe", f"widget.{widgets.group}", "one")
    assert "Built" in described
    assert "built it" in described
    listed = await run.ok("get", "events")
    assert "widget/one" in listed
    assert "built it" in await run.ok("events", "--for", f"widget.{widgets.group}/one")


async def test_apply_creates_changes_and_takes_away(
    run: kubectl.Kubectl, widgets: controlplane.Widgets
) -> None:
    kind = f"widget.{widgets.group}"
    first = manifest(widgets, "one", size=4, note="a")
    assert await run.ok("apply", "-f", "-", text=first) == f"{kind}/one created\n"
    assert await run.ok("apply", "-f", "-", text=first) == f"{kind}/one unchanged\n"
    changed = manifest(widgets, "one", size=5)
    assert (await run.run("diff", "-f", "-", text=changed)).code == 1
    assert await run.ok("apply", "-f", "-", text=changed) == f"{kind}/one configured\n"
    shown = json.loads(await run.ok("get", kind, "one", "-o", "json"))
    assert shown["spec"] == {"size": 5}
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b, c: d}\n"
    assert await run.ok("apply", "-f", "-", text=config) == "configmap/c created\n"
    config = config.replace(", c: d", "")
    assert await run.ok("apply", "-f", "-", text=config) == "configmap/c configured\n"
    assert await run.ok("get", "configmap", "c", "-o", "jsonpath={.data}") == '{"a":"b"}'


async def test_apply_on_the_server_names_the_conflict(
    run: kubectl.Kubectl, widgets: controlplane.Widgets
) -> None:
    kind = f"widget.{widgets.group}"
    apply = ("apply", "--server-side", "-f", "-", "--field-manager")
    first = manifest(widgets, "one", size=4)
    assert await run.ok(*apply, "first", text=first) == f"{kind}/one serverside-applied\n"
    second = manifest(widgets, "one", size=5)
    refused = await run.run(*apply, "second", text=second)
    assert refused.code == 1
    assert 'conflict with "first"' in refused.err
    assert ".spec.size" in refused.err
    await run.ok(*apply, "second", "--force-conflicts", text=second)
    assert await run.ok("get", kind, "one", "-o", "jsonpath={.spec.size}") == "5"


async def test_an_object_moves_from_client_side_to_server_side_apply(
    run: kubectl.Kubectl, widgets: controlplane.Widgets
) -> None:
    kind = f"widget.{widgets.group}"
    text = manifest(widgets, "one", size=4, color="red")
    await run.ok("apply", "-f", "-", text=text)
    await run.ok("apply", "--server-side", "-f", "-", text=text)
    shown = await run.ok("get", kind, "one", "-o", "json", "--show-managed-fields")
    owners = [
        (entry["manager"], entry["operation"])
        for entry in json.loads(shown)["metadata"]["managedFields"]
    ]
    assert owners == [("kubectl", "Apply"), ("kubectl-last-applied", "Apply")]
    # What is left out of the configuration goes: nobody else owns it any more.
    text = manifest(widgets, "one", size=5)
    await run.ok("apply", "--server-side", "-f", "-", text=text)
    shown = await run.ok("get", kind, "one", "-o", "json")
    assert json.loads(shown)["spec"] == {"size": 5}


async def test_a_mistake_is_named_with_its_field(
    run: kubectl.Kubectl, widgets: controlplane.Widgets
) -> None:
    unknown = await run.run("create", "-f", "-", text=manifest(widgets, "one", colour="red"))
    assert unknown.code == 1
    assert 'unknown field "spec.colour"' in unknown.err
    wrong = await run.run("create", "-f", "-", text=manifest(widgets, "one", size=0))
    assert "spec.size in body should be greater than or equal to 1" in wrong.err
    warned = await run.run(
        "create", "--validate=warn", "-f", "-", text=manifest(widgets, "one", colour="red")
    )
    assert warned.code == 0
    assert 'Warning: unknown field "spec.colour"' in warned.err


async def test_edit_patch_label_annotate_replace(
    run: kubectl.Kubectl, widgets: controlplane.Widgets, tmp_path: pathlib.Path
) -> None:
    kind = f"widget.{widgets.group}"
    await widgets.create("one", size=4)
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/size: 4/size: 6/" "$1"\n')
    editor.chmod(0o700)
    assert await run.ok("edit", kind, "one", editor=str(editor)) == f"{kind}/one edited\n"
    assert await run.ok("get", kind, "one", "-o", "jsonpath={.spec.size}") == "6"
    await run.ok("patch", kind, "one", "--type", "merge", "-p", '{"spec":{"size":7}}')
    operation = '[{"op":"replace","path":"/spec/size","value":8}]'
    await run.ok("patch", kind, "one", "--type", "json", "-p", operation)
    await run.ok(
        "patch",
        kind,
        "one",
        "--subresource=status",
        "--type",
        "merge",
        "-p",
        '{"status":{"phase":"Done"}}',
    )
    assert await run.ok("label", kind, "one", "app=x") == f"{kind}/one labeled\n"
    assert await run.ok("annotate", kind, "one", "why=because") == f"{kind}/one annotated\n"
    assert rows(await run.ok("get", kind, "-l", "app=x")) == [
        ["NAME", "SIZE", "PHASE"],
        ["one", "8", "Done"],
    ]
    assert "No resources found" in (await run.run("get", kind, "-l", "app=y")).err
    shown = json.loads(await run.ok("get", kind, "one", "-o", "json"))
    shown["spec"]["size"] = 9
    assert await run.ok("replace", "-f", "-", text=json.dumps(shown)) == f"{kind}/one replaced\n"


async def test_get_and_watch_shows_changes_as_they_come(
    run: kubectl.Kubectl, widgets: controlplane.Widgets
) -> None:
    await widgets.create("one", size=1)
    process = await run.start("get", f"widget.{widgets.group}", "--watch")
    assert process.stdout is not None
    async with asyncio.timeout(kubectl.SECONDS):
        head, first = await process.stdout.readline(), await process.stdout.readline()
        await widgets.patch("one", {"status": {"phase": "Done"}}, "/status")
        second = await process.stdout.readline()
    process.terminate()
    await process.communicate()
    assert [line.decode().split()[:-1] for line in (head, first, second)] == [
        ["NAME", "SIZE", "PHASE"],
        ["one", "1"],
        ["one", "1", "Done"],
    ]


async def test_wait_returns_when_the_condition_is_there(
    run: kubectl.Kubectl, widgets: controlplane.Widgets
) -> None:
    await widgets.create("one")
    waiting = asyncio.create_task(
        run.ok("wait", f"widget.{widgets.group}/one", "--for=condition=Ready", "--timeout=20s")
    )
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await widgets.patch(
        "one", {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}, "/status"
    )
    assert await waiting == f"widget.{widgets.group}/one condition met\n"
    deleted = asyncio.create_task(
        run.ok("wait", f"widget.{widgets.group}/one", "--for=delete", "--timeout=20s")
    )
    await asyncio.sleep(2)  # on a busy machine kubectl needs a while until it has asked
    await widgets.access.ask("DELETE", f"{widgets.path}/one")
    assert await deleted == f"widget.{widgets.group}/one condition met\n"


async def test_discovery_explains_what_there_is(
    run: kubectl.Kubectl, widgets: controlplane.Widgets
) -> None:
    listed = await run.ok("api-resources", "--api-group", widgets.group, "--no-headers")
    assert listed.split() == ["widgets", "wd", f"{widgets.group}/v1", "true", "Widget"]
    names = await run.ok("api-resources", "-o", "name")
    for name in ("namespaces", "secrets", "configmaps", "leases.coordination.k8s.io"):
        assert name in names.split()
    assert f"{widgets.group}/v1" in (await run.ok("api-versions")).split()
    explained = await run.ok("explain", f"widgets.{widgets.group}.spec")
    assert "FIELD: spec <Object>" in explained
    assert "size" in explained
    assert "A widget." in await run.ok("explain", f"widgets.{widgets.group}")
    assert "stringData" in await run.ok("explain", "secret")
    await widgets.create("one")
    assert "one" in await run.ok("get", "gadgetry")


async def test_secrets_namespaces_and_definitions(
    run: kubectl.Kubectl, widgets: controlplane.Widgets
) -> None:
    made = await run.ok("create", "secret", "generic", "s", "--from-literal=token=abc")
    assert made == "secret/s created\n"
    assert rows(await run.ok("get", "secret")) == [["NAME", "TYPE", "DATA"], ["s", "Opaque", "1"]]
    assert "token:  3 bytes" in await run.ok("describe", "secret", "s")
    await run.ok("create", "configmap", "c", "--from-literal=a=b")
    assert rows(await run.ok("get", "configmap", "c")) == [["NAME", "DATA"], ["c", "1"]]
    shown = await run.ok("get", "namespace", widgets.namespace)
    assert rows(shown) == [["NAME", "STATUS"], [widgets.namespace, "Active"]]
    assert "Status:       Active" in await run.ok("describe", "namespace", widgets.namespace)
    name = f"widgets.{widgets.group}"
    established = await run.ok("wait", "crd", name, "--for=condition=Established")
    assert established.endswith("condition met\n")
    assert name in await run.ok("get", "crd")
    assert await run.ok("auth", "can-i", "create", name) == "yes\n"
    assert "Username" in await run.ok("auth", "whoami")
    assert await run.ok("delete", "secret,configmap", "--all") != ""
    assert (await run.ok("delete", "namespace", widgets.namespace)).startswith("namespace ")


async def test_a_definition_is_applied_and_changed(
    run: kubectl.Kubectl, widgets: controlplane.Widgets
) -> None:
    definition = controlplane.widget_definition(f"other.{widgets.group}")
    name = definition["metadata"]["name"]
    text = json.dumps(definition)
    kind = "customresourcedefinition.apiextensions.k8s.io"
    assert await run.ok("apply", "-f", "-", text=text) == f"{kind}/{name} created\n"
    assert await run.ok("apply", "-f", "-", text=text) == f"{kind}/{name} unchanged\n"
    version = definition["spec"]["versions"][0]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["extra"] = {"type": "string"}
    assert await run.ok("apply", "-f", "-", text=json.dumps(definition)) == (
        f"{kind}/{name} configured\n"
    )
    applied = await run.ok("apply", "--server-side", "--force-conflicts", "-f", "-", text=text)
    assert applied == f"{kind}/{name} serverside-applied\n"
    await run.ok("delete", "crd", name)


@pytest.mark.parametrize("how", [["apply"], ["create"], ["apply", "--server-side"]])
async def test_a_kind_that_is_not_there_is_told_as_such(
    run: kubectl.Kubectl, widgets: controlplane.Widgets, how: list[str]
) -> None:
    body = widgets.widget("one") | {"kind": "Wigdet"}
    done = await run.run(*how, "-f", "-", text=json.dumps(body))
    assert done.code == 1
    assert f'no matches for kind "Wigdet" in version "{widgets.group}/v1"' in done.err
