"""Watches over HTTP: complete, in order, resumable, and never ahead of what a list shows."""

import asyncio
from typing import Any

from tests.support import controlplane

Object = dict[str, Any]


def seen(events: list[Object]) -> list[tuple[str, str]]:
    """(type, name) of each event."""
    return [(each["type"], each["object"]["metadata"]["name"]) for each in events]


def version(body: Object) -> str:
    found: str = body["metadata"]["resourceVersion"]
    return found


async def test_a_watch_from_a_list_shows_every_later_change_once_and_in_order(
    widgets: controlplane.Widgets,
) -> None:
    start = version(await widgets.list())
    query = f"?watch=1&resourceVersion={start}&timeoutSeconds=20"
    async with widgets.access.watch(widgets.path + query) as events:
        names = [f"w{number:03}" for number in range(60)]
        await asyncio.gather(*(widgets.create(name) for name in names))
        found = [await events.next() for _ in names]
    versions = [int(version(each["object"])) for each in found if each]
    assert sorted(seen([each for each in found if each])) == [("ADDED", name) for name in names]
    assert versions == sorted(versions)


async def test_a_watch_can_be_resumed_at_every_event(widgets: controlplane.Widgets) -> None:
    start = version(await widgets.list())
    await widgets.create("one")
    await widgets.patch("one", {"spec": {"size": 4}})
    await widgets.access.ask("DELETE", f"{widgets.path}/one")
    query = "?watch=1&timeoutSeconds=1&resourceVersion="
    async with widgets.access.watch(f"{widgets.path}{query}{start}") as events:
        everything = await events.rest()
    assert seen(everything) == [("ADDED", "one"), ("MODIFIED", "one"), ("DELETED", "one")]
    for position, event in enumerate(everything):
        at = version(event["object"])
        async with widgets.access.watch(f"{widgets.path}{query}{at}") as events:
            assert await events.rest() == everything[position + 1 :]


async def test_what_a_watch_shows_a_list_shows_too(widgets: controlplane.Widgets) -> None:
    start = version(await widgets.list())
    query = f"?watch=1&resourceVersion={start}&timeoutSeconds=20"
    async with widgets.access.watch(widgets.path + query) as events:
        for number in range(10):
            creation = asyncio.create_task(widgets.create(f"w{number}"))
            event = await events.next()
            assert event is not None
            listed = await widgets.list()
            assert int(version(listed)) >= int(version(event["object"]))
            assert event["object"]["metadata"]["name"] in {
                each["metadata"]["name"] for each in listed["items"]
            }
            await creation


async def test_a_selector_turns_coming_and_going_into_added_and_deleted(
    widgets: controlplane.Widgets,
) -> None:
    start = version(await widgets.list())
    await widgets.create("one", {"app": "a"}, color="red")
    await widgets.patch("one", {"metadata": {"labels": {"app": "b"}}})
    await widgets.patch("one", {"metadata": {"labels": {"app": "a"}}})
    await widgets.patch("one", {"spec": {"color": "blue"}})
    query = f"?watch=1&timeoutSeconds=1&resourceVersion={start}"
    async with widgets.access.watch(f"{widgets.path}{query}&labelSelector=app%3Da") as events:
        kinds = [kind for kind, _ in seen(await events.rest())]
        assert kinds == ["ADDED", "DELETED", "ADDED", "MODIFIED"]
    by_field = f"{widgets.path}{query}&fieldSelector=spec.color%3Dred"
    async with widgets.access.watch(by_field) as events:
        kinds = [kind for kind, _ in seen(await events.rest())]
        assert kinds == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]


async def test_initial_events_end_with_a_bookmark(widgets: controlplane.Widgets) -> None:
    for name in ("a", "b"):
        await widgets.create(name)
    query = (
        "?watch=1&timeoutSeconds=5&sendInitialEvents=true&allowWatchBookmarks=true"
        "&resourceVersionMatch=NotOlderThan"
    )
    async with widgets.access.watch(widgets.path + query) as events:
        first = [await events.next() for _ in range(3)]
        await widgets.create("c")
        after = await events.next()
    assert [each["type"] for each in first if each] == ["ADDED", "ADDED", "BOOKMARK"]
    mark = first[2]["object"]["metadata"] if first[2] else {}
    assert mark["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert after is not None
    assert seen([after]) == [("ADDED", "c")]
    assert int(version(after["object"])) > int(mark["resourceVersion"])


async def test_a_watch_of_all_namespaces_sees_them_all(widgets: controlplane.Widgets) -> None:
    other = controlplane.Widgets(widgets.access, widgets.group, await widgets.access.namespace())
    start = version(await widgets.list())
    await widgets.create("one")
    await other.create("two")
    path = f"/apis/{widgets.group}/v1/widgets?watch=1&timeoutSeconds=1&resourceVersion={start}"
    async with widgets.access.watch(path) as events:
        assert seen(await events.rest()) == [("ADDED", "one"), ("ADDED", "two")]


async def test_a_watch_ends_after_the_time_that_the_client_names(
    widgets: controlplane.Widgets,
) -> None:
    start = asyncio.get_running_loop().time()
    async with widgets.access.watch(f"{widgets.path}?watch=1&timeoutSeconds=1") as events:
        assert await events.rest() == []
    assert 0.9 < asyncio.get_running_loop().time() - start < 5


async def test_many_watchers_all_see_the_same(widgets: controlplane.Widgets) -> None:
    start = version(await widgets.list())
    query = f"?watch=1&resourceVersion={start}&timeoutSeconds=30"

    async def watch() -> list[tuple[str, str]]:
        async with widgets.access.watch(widgets.path + query) as events:
            return seen([each for _ in range(20) if (each := await events.next())])

    watchers = [asyncio.create_task(watch()) for _ in range(20)]
    for number in range(10):
        await widgets.create(f"w{number}")
        await widgets.patch(f"w{number}", {"spec": {"size": 5}})
    found = await asyncio.gather(*watchers)
    assert all(each == found[0] for each in found)
    assert len(found[0]) == 20


async def test_a_watch_of_one_object_by_its_path_shows_no_other(
    widgets: controlplane.Widgets,
) -> None:
    start = version(await widgets.list())
    for name in ("one", "two"):
        await widgets.create(name)
    path = f"{widgets.path}/one?watch=1&timeoutSeconds=1&resourceVersion={start}"
    async with widgets.access.watch(path) as events:
        assert seen(await events.rest()) == [("ADDED", "one")]


async def test_a_bookmark_comes_before_the_end_when_the_client_takes_them(
    widgets: controlplane.Widgets,
) -> None:
    await widgets.create("one")
    start = version(await widgets.list())
    query = f"?watch=1&resourceVersion={start}&timeoutSeconds=3"
    async with widgets.access.watch(f"{widgets.path}{query}&allowWatchBookmarks=true") as events:
        found = await events.rest()
    assert {each["type"] for each in found} == {"BOOKMARK"}
    assert all(int(version(each["object"])) >= int(start) for each in found)
