"""The object watcher against every fault that was measured, in virtual time.

Each fault lasts for a while and ends. Then: few requests while it lasted, the cache equals the
server soon after it ended, and the tool was woken.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from controller.metrics import WatchMetrics
from controller.store.feed import Feed
from controller.store.kinds import DEPLOYMENTS
from tests.support import fakekube, kubeclient
from tests.support.fakekube import ALWAYS, FakeKube
from tests.support.virtualtime import virtual_time
from watchers.cache import Cache
from watchers.objects import Pace, Reflector

WHERE = "components-api.toolforge.org/v1/tooldeployments"


@dataclass
class World:
    kube: FakeKube
    cache: Cache
    reflector: Reflector
    woken: list[str]
    registry: CollectorRegistry
    shown: list[set[tuple[str, str]]]  # what the cache held at each wake

    def put(self, name: str, tool: str = "x", *, quietly: bool = False, **other: Any) -> None:
        """Create or change a deployment on the server."""
        body = {"metadata": {"name": name, "namespace": f"tool-{tool}"}, **other}
        self.kube.store(WHERE, body, quietly=quietly)

    def versions(self) -> dict[tuple[str, str], str]:
        """What the cache holds."""
        return {
            (each.metadata.namespace, each.name): each.metadata.resource_version
            for each in self.cache.unfinished()
        }

    def truth(self) -> dict[tuple[str, str], str]:
        """What the server holds."""
        return {
            key[1:]: stored["metadata"]["resourceVersion"]
            for key, stored in self.kube.objects.items()
        }

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"kind": DEPLOYMENTS.plural, **labels})

    def since(self, moment: float) -> list[float]:
        """When requests came, counted from `moment`."""
        return [seen.at - moment for seen in self.kube.requests if seen.at >= moment]


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def world(*, listed: bool = True) -> AsyncIterator[World]:
    """A server with two deployments and a reflector that has seen them."""
    woken: list[str] = []
    shown: list[set[tuple[str, str]]] = []
    registry = CollectorRegistry()

    def wake(tool: str) -> None:
        woken.append(tool)
        shown.append(set(made.versions()))

    async with FakeKube() as kube, kubeclient.calls_to(kube.url) as calls:
        cache = Cache(wake)
        pace = Pace(clock=asyncio.get_running_loop().time, random=lambda: 0.5)
        reflector = Reflector(DEPLOYMENTS, Feed(calls), cache, WatchMetrics(registry), pace)
        made = World(kube, cache, reflector, woken, registry, shown)
        made.put("d1")
        made.put("d2", tool="y")
        task = asyncio.create_task(reflector.run())
        try:
            if listed:
                await asyncio.wait_for(reflector.synced.wait(), 10)
                await asyncio.sleep(0.5)
                woken.clear()
            yield made
        finally:
            task.cancel()
            await asyncio.wait({task})
        assert task.cancelled(), task.exception()
        sessions = calls.connection.watches.rest_client.pool_manager
        assert not (sessions and sessions.connector._acquired), "a connection is left behind"


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


def status_line(**body: Any) -> dict[str, Any]:
    return {"type": "ERROR", "object": {"kind": "Status", **body}}


HALF = '{"type":"MODIFIED","object":{"metadata":{"name":"d1"'
FOREIGN = {"type": "RENAMED", "object": {"metadata": {"resourceVersion": "200"}}}
WATCH_FAULTS: dict[str, fakekube.Answer] = {
    "429 in plain text": fakekube.text_answer(429, "Too many requests\nplease\nwait"),
    "404 in plain text": fakekube.text_answer(404, "404 page not found"),
    "403": fakekube.status(403, "Forbidden"),
    "503 in HTML": fakekube.text_answer(503, "<html>\n<body>\n", "text/html"),
    "500 Status": fakekube.status(500),
    "500 Status, pretty-printed": fakekube.status(500, indent=2),
    "an empty 200": fakekube.lines(),
    "a cut connection": fakekube.reset,
    "a cut in the middle of a line": fakekube.lines(HALF),
    "a reset in the middle of a line": fakekube.lines(HALF, end="reset"),
    "a line that is no JSON": fakekube.lines("nonsense\n"),
    "a line that is no object": fakekube.lines("[1]\n"),
    "an empty line": fakekube.lines("\n"),
    "an event without an object": fakekube.lines({"type": "ADDED"}),
    "an event whose object is text": fakekube.lines({"type": "ADDED", "object": "x"}),
    "an event without a version": fakekube.lines({"type": "ADDED", "object": {"metadata": {}}}),
    "an event of an unknown type": fakekube.lines(FOREIGN),
    "a line of five megabytes": fakekube.lines("x" * 5_000_000 + "\n"),
    "ERROR 500": fakekube.lines(status_line(code=500, reason="InternalError")),
    "ERROR without a code": fakekube.lines(status_line()),
    "410 as status": fakekube.status(410, "Expired"),
    "410 as a line": fakekube.lines(fakekube.expired()),
    "410 as a line without a reason": fakekube.lines(fakekube.expired(None)),
    "an expired version without a code": fakekube.lines(status_line(reason="Expired")),
    "a black hole": fakekube.silence,
    "silence after the headers": fakekube.lines(end="silence"),
}
LIST_FAULTS: dict[str, fakekube.Answer] = {
    "429 in plain text": fakekube.text_answer(429, "Too many requests"),
    "404 in plain text": fakekube.text_answer(404, "404 page not found"),
    "403": fakekube.status(403, "Forbidden"),
    "503 in HTML": fakekube.text_answer(503, "<html>", "text/html"),
    "500 Status, pretty-printed": fakekube.status(500, indent=2),
    "410": fakekube.status(410, "Expired"),
    "an empty 200": fakekube.lines(),
    "a list without a version": fakekube.text_answer(200, '{"items": []}'),
    "half a list": fakekube.text_answer(200, '{"items": ['),
    "a cut connection": fakekube.reset,
    "a black hole": fakekube.silence,
}
FAULTS = [("WATCH", *row) for row in WATCH_FAULTS.items()] + [
    ("LIST", *row) for row in LIST_FAULTS.items()
]


@pytest.mark.parametrize(
    ("verb", "fault"),
    [(verb, fault) for verb, _, fault in FAULTS],
    ids=[f"{verb.lower()} answered with {name}" for verb, name, _ in FAULTS],
)
@virtual_time
async def test_a_fault_is_survived_without_a_storm_of_requests(
    verb: str, fault: fakekube.Answer
) -> None:
    async with world() as w:
        w.kube.fail(verb, fault, ALWAYS)
        w.kube.forget_history() if verb == "LIST" else None
        w.kube.version += 1  # so that the version of the watch is too old for the LIST rows
        w.kube.oldest = w.kube.version if verb == "LIST" else 0
        w.kube.cut()
        began = now()
        await asyncio.sleep(60)
        w.put("d1", spec={"cancel": True})
        w.put("d3")
        await asyncio.sleep(180)
        times = w.since(began)
        again = fault is fakekube.reset  # aiohttp asks once more when a used connection is cut
        assert len([at for at in times if at <= 10]) <= 5 + again
        assert len([at for at in times if 120 <= at < 240]) <= 9
        w.kube.heal()
        w.kube.cut()
        await asyncio.sleep(75)
        assert w.versions() == w.truth()
        assert "x" in w.woken
        assert w.metric("ptd_resync_differences_total") == 0
        w.put("d4")
        await asyncio.sleep(0.1)
        assert w.versions() == w.truth()


@virtual_time
async def test_the_first_list_may_fail_and_is_tried_until_it_works() -> None:
    async with world(listed=False) as w:
        w.kube.fail("LIST", fakekube.status(503), times=3)
        await asyncio.wait_for(w.reflector.synced.wait(), 10)
        assert w.versions() == w.truth()


@virtual_time
async def test_no_request_is_made_before_retry_after() -> None:
    async with world() as w:
        w.kube.fail("WATCH", fakekube.text_answer(429, "busy", headers={"Retry-After": "100"}))
        w.kube.cut()
        began = now()
        await asyncio.sleep(200)
        first, second = w.since(began)[:2]
        assert 100 <= second - first <= 121


@virtual_time
async def test_pauses_double_up_to_the_longest_and_begin_anew_after_health() -> None:
    async with world() as w:
        await asyncio.sleep(20)
        w.kube.fail("WATCH", fakekube.status(500), times=8)
        w.kube.cut()
        await asyncio.sleep(400)
        watches = [seen.at for seen in w.kube.verbs("WATCH")]
        gaps = [round(later - sooner, 2) for sooner, later in itertools.pairwise(watches[1:])]
        assert gaps == [round(p * 1.1, 2) for p in (1.6, 3.2, 6.4, 12.8, 25.6, 30, 30, 30)]
        w.kube.cut()
        cut = now()
        await asyncio.sleep(5)
        assert round(w.kube.verbs("WATCH")[-1].at - cut, 2) == 0.88


@virtual_time
async def test_a_version_that_is_too_old_leads_to_a_list_that_wakes_every_tool() -> None:
    async with world() as w:
        await asyncio.sleep(30)
        w.put("d1", quietly=True)
        w.kube.remove(WHERE, "tool-y", "d2", quietly=True)
        w.put("d3", tool="z", quietly=True)
        w.kube.forget_history()
        w.kube.cut()
        await asyncio.sleep(10)
        assert w.versions() == w.truth()
        assert sorted(set(w.woken)) == ["x", "y", "z"]
        assert w.metric("ptd_watch_restarts_total", cause="expired") == 1


EXPIRED = [name for name in WATCH_FAULTS if "410" in name or "expired" in name]


@pytest.mark.parametrize("name", EXPIRED)
@virtual_time
async def test_each_form_of_410_leads_to_a_list(name: str) -> None:
    async with world() as w:
        w.kube.fail("WATCH", WATCH_FAULTS[name])
        w.kube.cut()
        await asyncio.sleep(10)
        assert len(w.kube.verbs("LIST")) == 2


@virtual_time
async def test_a_server_that_forgets_every_version_is_asked_four_times_in_ten_seconds() -> None:
    async with world() as w:
        await asyncio.sleep(30)
        w.kube.fail("WATCH", fakekube.lines(fakekube.expired()), ALWAYS)
        w.kube.expire()
        began = now()
        await asyncio.sleep(10)
        assert [seen.verb for seen in w.kube.requests if seen.at >= began] == [
            "LIST",
            "WATCH",
            "LIST",
            "WATCH",
        ]


@virtual_time
async def test_a_silent_half_open_watch_is_noticed_within_75_seconds() -> None:
    async with world() as w:
        w.kube.mute()
        w.put("d3")
        await asyncio.sleep(75)
        assert w.woken == ["x"]
        assert w.metric("ptd_watch_restarts_total", cause="silent") == 1


@virtual_time
async def test_no_connection_is_left_behind_by_watches_that_end() -> None:
    async with world() as w:
        for _ in range(20):
            w.kube.cut()
            await asyncio.sleep(40)
        sessions = w.reflector._feed._calls.connection.watches.rest_client
        assert len(sessions.pool_manager.connector._acquired) == 1
        assert len(w.kube._watches) == 1


@virtual_time
async def test_a_comparison_counts_and_repairs_what_a_watch_has_lost() -> None:
    async with world() as w:
        w.put("d1", quietly=True)
        w.put("d3", quietly=True)
        w.kube.remove(WHERE, "tool-y", "d2", quietly=True)
        await asyncio.sleep(620)
        assert w.versions() == w.truth()
        assert w.metric("ptd_resync_differences_total") == 3
        assert sorted(w.woken) == ["x", "x", "y"]


@virtual_time
async def test_a_comparison_does_not_count_what_is_on_its_way() -> None:
    async with world() as w:
        w.kube.fail("LIST", _list_of_the_past(w))
        assert await w.reflector.compare() == 0


@virtual_time
async def test_a_comparison_does_not_raise_what_died_while_it_was_made() -> None:
    """A full list in between has forgotten the grave."""
    async with world() as w:
        w.kube.fail("LIST", _list_before_a_death(w))
        assert await w.reflector.compare() == 0
        assert w.versions() == w.truth() == {}


def _list_before_a_death(w: World) -> fakekube.Answer:
    """Answers a list; then everything in it is deleted, and the watch has to begin anew."""

    async def answer(request: Any) -> Any:
        w.put("d1", spec={"cancel": True})
        listed = w.kube._list(request, WHERE, "")
        w.kube.remove(WHERE, "tool-x", "d1")
        w.kube.remove(WHERE, "tool-y", "d2")
        w.kube.forget_history()
        w.kube.oldest = w.kube.version = w.kube.version + 1
        w.kube.cut()
        return listed

    return answer


def _list_of_the_past(w: World) -> fakekube.Answer:
    """Answers a list of now, then lets the watch tell of a change and of a deletion."""

    async def answer(request: Any) -> Any:
        w.put("d1", spec={"cancel": True})
        listed = w.kube._list(request, WHERE, "")
        w.kube.remove(WHERE, "tool-y", "d2")
        w.put("d5")
        return listed

    return answer


@virtual_time
async def test_a_comparison_that_fails_is_made_the_next_time() -> None:
    async with world() as w:
        w.put("d1", quietly=True)
        w.kube.fail("LIST", fakekube.status(500))
        await asyncio.sleep(620)
        assert w.metric("ptd_resync_differences_total") == 0
        await asyncio.sleep(620)
        assert w.metric("ptd_resync_differences_total") == 1


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
