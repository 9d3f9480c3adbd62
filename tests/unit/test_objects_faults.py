"""The object watcher under every fault of lists and watches: no storm, no loss, no silence."""

import asyncio
import itertools
from typing import Any

import pytest

from tests.support import fakekube
from tests.support.fakekube import ALWAYS
from tests.support.reflected import WHERE, now, world
from tests.support.virtualtime import virtual_time


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
