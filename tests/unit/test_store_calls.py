"""Requests to a server with faults: failures by name, credentials, sockets."""

import asyncio
from datetime import timedelta

import pytest

from controller.store import errors
from controller.store.kinds import DEPLOYMENTS
from controller.store.objects import Store
from tests.support import fakekube, kubeclient
from tests.support.storing import NOW, world
from tests.support.virtualtime import virtual_time

FAILURES: list[tuple[str, fakekube.Answer, type[Exception], float | None]] = [
    ("401", fakekube.status(401, "Unauthorized"), errors.Unauthorized, None),
    ("403", fakekube.status(403, "Forbidden"), errors.Forbidden, None),
    ("404", fakekube.status(404, "NotFound"), errors.NotFound, None),
    ("404 of a kind that is not served", fakekube.text_answer(404, "no"), errors.NotFound, None),
    ("409 of a version", fakekube.status(409, "Conflict"), errors.Conflict, None),
    ("409 of a name", fakekube.status(409, "AlreadyExists"), errors.AlreadyExists, None),
    ("410", fakekube.status(410, "Expired"), errors.Gone, None),
    ("422", fakekube.status(422, "Invalid"), errors.Invalid, None),
    ("413", fakekube.text_answer(413, "too large"), errors.Invalid, None),
    (
        "429 in plain text",
        fakekube.text_answer(429, "Too many", headers={"Retry-After": "3"}),
        errors.Unavailable,
        3,
    ),
    (
        "429 with a Retry-After of a year",
        fakekube.text_answer(429, "x", headers={"Retry-After": "31536000"}),
        errors.Unavailable,
        300,
    ),
    (
        "503 with a date",
        fakekube.text_answer(503, "x", headers={"Retry-After": "Fri, 01 May 2026 12:00:00 GMT"}),
        errors.Unavailable,
        None,
    ),
    ("500 pretty-printed", fakekube.status(500, indent=2), errors.Faulty, None),
    ("503 in HTML", fakekube.text_answer(503, "<html>", "text/html"), errors.Unavailable, None),
    ("504", fakekube.status(504, "Timeout"), errors.Unavailable, None),
    ("a cut connection", fakekube.reset, errors.Unavailable, None),
    ("200 that is no JSON", fakekube.text_answer(200, "{"), errors.Unavailable, None),
    ("200 with a JSON list", fakekube.text_answer(200, "[]"), errors.Unavailable, None),
    ("an answer that is cut", fakekube.lines("{", end="reset"), errors.Unavailable, None),
    ("a black hole", fakekube.silence, errors.Unavailable, None),
    ("an answer that stops", fakekube.lines("{", end="silence"), errors.Unavailable, None),
]


@pytest.mark.parametrize(
    ("answer", "error", "after"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES]
)
@virtual_time
async def test_failures_have_names(
    answer: fakekube.Answer, error: type[Exception], after: float | None
) -> None:
    async with world() as w:
        w.kube.fail("GET", answer, times=2)
        started = asyncio.get_running_loop().time()
        with pytest.raises(error) as caught:
            await w.store.get(DEPLOYMENTS, "x", "d1")
        assert asyncio.get_running_loop().time() - started <= 10.001
        waits = getattr(caught.value, "after", None)
        assert (waits.total_seconds() if waits else None) == after


@virtual_time
async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with kubeclient.calls_to("http://127.0.0.1:9") as calls:
        with pytest.raises(errors.Unavailable, match="no connection"):
            await Store(calls, lambda: NOW, "me").get(DEPLOYMENTS, "x", "d1")


@virtual_time
async def test_the_token_that_arrives_is_the_one_of_the_file_within_a_minute() -> None:
    current = ["one"]
    async with world(token=lambda: current[0], reread=timedelta(seconds=60)) as w:
        await w.deployment()
        current[0] = "two"
        await w.store.list(DEPLOYMENTS, "x")
        await asyncio.sleep(60)
        await w.store.list(DEPLOYMENTS, "x")
        sent = [seen.headers["Authorization"] for seen in w.kube.requests]
        assert sent == ["Bearer one", "Bearer one", "Bearer two"]


@virtual_time
async def test_after_a_401_the_token_is_read_again_and_the_request_made_once_more() -> None:
    current = ["old"]
    async with world(token=lambda: current[0]) as w:
        w.kube.tokens = {"Bearer new"}
        current[0] = "new"
        await w.deployment()
        assert [seen.headers["Authorization"] for seen in w.kube.requests] == [
            "Bearer old",
            "Bearer new",
        ]


@virtual_time
async def test_a_401_with_the_same_token_is_not_tried_again() -> None:
    async with world() as w:
        w.kube.tokens = set()
        with pytest.raises(errors.Unavailable, match="401"):
            await w.deployment()
        assert len(w.kube.requests) == 1


@virtual_time
async def test_requests_are_counted_by_verb_and_code() -> None:
    async with world() as w:
        await w.deployment()
        w.kube.fail("GET", fakekube.silence)
        with pytest.raises(errors.Unavailable):
            await w.store.get(DEPLOYMENTS, "x", "d1")
        counted = {
            (sample.labels["verb"], sample.labels["code"]): sample.value
            for metric in w.registry.collect()
            for sample in metric.samples
            if sample.name == "ptd_control_plane_request_seconds_count"
        }
        assert counted == {("POST", "201"): 1, ("GET", "timeout"): 1}


@virtual_time
async def test_slow_calls_do_not_take_the_sockets_of_watches() -> None:
    async with world() as w:
        w.kube.fail("GET", fakekube.silence, times=200)
        slow = [
            asyncio.create_task(w.store.get(DEPLOYMENTS, "x", f"d{number}"))
            for number in range(200)
        ]
        await asyncio.sleep(1)
        calls = w.store._calls
        async with calls.stream(
            calls.watches.list_custom_object_for_all_namespaces_without_preload_content,
            *(*DEPLOYMENTS.path, DEPLOYMENTS.plural),
            within=timedelta(seconds=5),
            watch=True,
        ) as response:
            assert response.status == 200
        ended = await asyncio.gather(*slow, return_exceptions=True)
        assert {type(each) for each in ended} == {errors.Unavailable}
        assert asyncio.get_running_loop().time() < 1_000 + 30
