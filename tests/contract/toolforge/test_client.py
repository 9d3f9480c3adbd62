"""The HTTP client: time limits, broken connections, strange answers, what is recorded."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from controller.backends.base import JobSpec
from controller.backends.toolforge import client
from controller.errors import Terminal, Transient
from controller.models.toolconfig import ContinuousRun
from tests.support.toolforge.faults import Fault
from tests.support.toolforge.world import Toolforge, toolforge


async def test_a_service_that_does_not_answer_is_left_after_the_time_limit() -> None:
    async with toolforge(timeout=timedelta(seconds=0.05)) as world:
        world.builds.faults.add(Fault("GET", status=200, seconds=0.5))
        with pytest.raises(Transient, match="builds-api did not answer within"):
            await world.backend.builds.list("demo")
        assert world.recorded == [("builds", "GET", "timeout")]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        # The connection may have been an old one, so that a read is tried on a second.
        (Fault("GET", times=2), r"jobs-api cannot be reached \(ServerDisconnectedError\)"),
        (Fault("GET", status=503, body="no server"), "no server"),
        (Fault("GET", status=200, body="<html>"), "an answer without a usable 'jobs'"),
        (Fault("GET", status=302, headers={"Location": "http://elsewhere/"}), "status 302"),
    ],
    ids=["broken off", "no service behind the gateway", "a page of a proxy", "a redirect"],
)
async def test_trouble_on_the_way_may_pass(world: Toolforge, fault: Fault, words: str) -> None:
    world.jobs.faults.add(fault)
    with pytest.raises(Transient, match=words):
        await world.backend.jobs.list("demo")
    assert list(await world.backend.jobs.list("demo")) == []


async def test_a_pause_that_is_asked_for_is_passed_on(world: Toolforge) -> None:
    world.jobs.faults.add(Fault("GET", status=429, headers={"Retry-After": "7"}))
    with pytest.raises(Transient) as error:
        await world.backend.jobs.list("demo")
    assert error.value.after == timedelta(seconds=7)


async def test_every_request_is_recorded_with_service_verb_and_code(world: Toolforge) -> None:
    world.jobs.faults.add(Fault("GET", times=2))
    with pytest.raises(Transient):
        await world.backend.jobs.list("demo")
    await world.backend.builds.list("demo")
    await world.backend.jobs.delete("demo", "nothing")
    assert world.recorded == [
        ("jobs", "GET", "error"),
        ("builds", "GET", 200),
        ("jobs", "DELETE", 404),
    ]


async def test_names_cannot_leave_their_part_of_the_path(world: Toolforge) -> None:
    await world.backend.jobs.delete("demo", "../../other/jobs/web")
    assert world.jobs.faults.seen == ["DELETE /v1/tool/demo/jobs/..%2F..%2Fother%2Fjobs%2Fweb"]
    spec = JobSpec("../x", "image", ContinuousRun(command="x"))
    with pytest.raises(Terminal, match="Invalid job name"):
        await world.backend.jobs.apply("demo", spec)
    assert {path.partition("?")[0] for path in world.jobs.faults.seen[1:]} == {
        "GET /v1/tool/demo/jobs/..%2Fx",
        "PATCH /v1/tool/demo/jobs/",
    }


async def test_a_log_that_comes_in_drops_is_left_after_the_time_limit() -> None:
    async def drops() -> AsyncIterator[str]:
        while True:
            yield "drop"
            await asyncio.sleep(0.01)

    with pytest.raises(Transient, match=r"the log did not end within 0\.1 s"):
        await client.tail(drops(), timedelta(seconds=0.1))
