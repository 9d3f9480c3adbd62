"""The object watcher keeps the cache equal to the server, in virtual time."""

import asyncio
from typing import Any

from aiohttp import web

from controller.store.kinds import DEPLOYMENTS
from tests.support import fakekube
from tests.support.reflected import WHERE, world
from tests.support.virtualtime import virtual_time


@virtual_time
async def test_the_first_list_fills_the_cache_and_wakes_every_tool() -> None:
    async with world(listed=False) as w:
        await asyncio.wait_for(w.reflector.synced.wait(), 10)
        assert (w.versions(), sorted(set(w.woken))) == (w.truth(), ["x", "y"])
        assert "resourceVersion" not in w.kube.verbs("LIST")[0].query


@virtual_time
async def test_the_watch_begins_at_the_lists_version_with_bookmarks() -> None:
    async with world() as w:
        (watch,) = w.kube.verbs("WATCH")
        wanted = {"resourceVersion": "102", "allowWatchBookmarks": "true", "timeoutSeconds": "450"}
        assert wanted.items() <= watch.query.items()


@virtual_time
async def test_changes_reach_the_cache_and_wake_their_tool_at_once() -> None:
    async with world() as w:
        w.put("d3")
        w.put("d1", spec={"cancel": True})
        w.kube.remove(WHERE, "tool-y", "d2")
        await asyncio.sleep(0.1)
        assert (w.versions(), w.woken) == (w.truth(), ["x", "x", "y"])


@virtual_time
async def test_a_long_list_comes_in_pages() -> None:
    async with world(listed=False) as w:
        for number in range(500):
            w.put(f"n{number}")
        await asyncio.wait_for(w.reflector.synced.wait(), 10)
        assert len(w.versions()) == 502
        assert [seen.query.get("continue") for seen in w.kube.verbs("LIST")] == [
            None,
            "200",
            "400",
        ]


def slow_page(number: int) -> fakekube.Answer:
    """A page of one deployment that takes its time; another follows."""
    metadata = {"namespace": "tool-x", "name": f"n{number}", "uid": f"u{number}"}
    metadata |= {"resourceVersion": "2", "creationTimestamp": "2026-01-01T00:00:00Z"}

    async def answer(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(12)
        more = {"resourceVersion": "2", "continue": "1"}
        return web.json_response({"metadata": more, "items": [{"metadata": metadata, "spec": {}}]})

    return answer


@virtual_time
async def test_a_list_that_takes_minutes_is_no_silence() -> None:
    async with world(listed=False) as w:
        for number in range(20):
            w.kube.fail("LIST", slow_page(number))
        await asyncio.sleep(200)
        assert not w.reflector.synced.is_set()
        assert w.reflector.age.total_seconds() <= 13


@virtual_time
async def test_an_idle_hour_costs_one_watch_in_each_server_timeout_and_finds_no_difference() -> (
    None
):
    async with world() as w:
        await asyncio.sleep(3600)
        assert (len(w.kube.verbs("WATCH")), len(w.kube.verbs("LIST"))) == (8, 6)
        assert w.reflector.age.total_seconds() <= 61
        assert w.metric("ptd_resync_differences_total") == 0
        assert w.woken == []


@virtual_time
async def test_a_watch_that_the_server_ends_goes_on_from_the_newest_version_seen() -> None:
    async with world() as w:
        w.put("d3")
        await asyncio.sleep(30)
        w.kube.cut()
        await asyncio.sleep(5)
        w.put("d4")
        await asyncio.sleep(0.1)
        assert w.versions() == w.truth()
        assert [seen.query["resourceVersion"] for seen in w.kube.verbs("WATCH")] == ["102", "103"]
        assert len(w.kube.verbs("LIST")) == 1


@virtual_time
async def test_bookmarks_move_the_version_that_a_watch_goes_on_from() -> None:
    async with world() as w:
        w.kube.version = 500
        w.kube.bookmark()
        await asyncio.sleep(30)
        w.kube.cut()
        await asyncio.sleep(5)
        assert w.kube.verbs("WATCH")[-1].query["resourceVersion"] == "500"


@virtual_time
async def test_an_event_with_an_older_version_never_moves_the_watch_back() -> None:
    async with world(listed=False) as w:
        old = {"metadata": {"name": "d9", "namespace": "tool-x", "uid": "u9"}}
        old["metadata"] |= {
            "resourceVersion": "7",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }
        w.kube.fail("WATCH", fakekube.lines({"type": "ADDED", "object": old}))
        await asyncio.sleep(5)
        assert [seen.query["resourceVersion"] for seen in w.kube.verbs("WATCH")] == ["102", "102"]


@virtual_time
async def test_our_own_write_is_not_undone_by_a_list_from_before_it() -> None:
    async with world() as w:

        async def slow(request: Any) -> Any:
            listed = w.kube._list(request, WHERE, "")
            under_way.set()
            await asyncio.sleep(5)
            return listed

        under_way = asyncio.Event()
        w.kube.fail("LIST", slow)
        w.kube.forget_history()
        w.kube.version += 1
        w.kube.oldest = w.kube.version
        w.kube.cut()
        await under_way.wait()
        body = {"metadata": {"name": "ours", "namespace": "tool-x"}}
        w.cache.wrote(DEPLOYMENTS.plural, w.kube.store(WHERE, body))
        deleted = w.kube.objects[(WHERE, "tool-y", "d2")]["metadata"]["uid"]
        w.put("d2", tool="y", spec={"cancel": True})
        w.kube.remove(WHERE, "tool-y", "d2")
        w.cache.deleted(DEPLOYMENTS.plural, "tool-y", "d2", deleted)
        w.shown.clear()
        await asyncio.sleep(10)
        w.put("d1", spec={"cancel": True})
        await asyncio.sleep(1)
        assert w.shown
        assert all(each == {("tool-x", "d1"), ("tool-x", "ours")} for each in w.shown)


@virtual_time
async def test_an_unreadable_object_does_not_stop_the_watch() -> None:
    async with world() as w:
        w.put("bad", status={"status": "odd"})
        w.put("d3")
        await asyncio.sleep(0.1)
        assert ("tool-x", "d3") in w.versions()
        assert w.metric("ptd_objects_unreadable") == 1
