"""What goes wrong in today's service with real builds and jobs, on the stand-ins of both services.

The numbers are those of docs/weaknesses.md; what other tests show already is not repeated here.
"""

from datetime import timedelta
from typing import Any

from controller.backends.base import JobPhase
from controller.models.reasons import Reason
from controller.models.toolconfig import ToolConfigSpec
from controller.models.tooldeployment import BuildStatus, RunStatus, State
from controller.reconcile.observed import Policy
from tests import builders
from tests.flow.toolforge_world import flow
from tests.support.toolforge.faults import Fault

REFS = {"main": builders.COMMIT, "fail": "f" * 40, "hang": "e" * 40}
POLICY = Policy(settle_time=timedelta(seconds=2), start_timeout=timedelta(seconds=40))
START = r"^POST /v1/tool/demo/builds$"
DEPLOYMENT = "20261121-120000-aaaaaaaaaa"


def fields(**components: Any) -> dict[str, Any]:
    return {"config": builders.config(**components), "refs": dict(REFS), "policy": POLICY}


def twenty(odd: dict[str, Any]) -> ToolConfigSpec:
    """Twenty components, of which one is different; most use the build of another."""
    some: dict[str, Any] = {f"c{n}": builders.component() for n in range(3)}
    some |= {f"c{n}": builders.scheduled(f"c{n % 3}") for n in range(3, 19)}
    return builders.config(**some, odd=builders.component(**odd))


async def test_of_twenty_components_one_build_fails_and_no_job_is_touched() -> None:
    async with flow(**(fields() | {"config": twenty({"ref": "fail"})})) as world:
        world.deploy(DEPLOYMENT)
        await world.run(600)
        status = world.status(DEPLOYMENT)
        jobs = await world.toolforge.jobs.list(builders.TOOL)
    assert (status.status, status.reason) == (State.FAILED, Reason.BUILD_FAILED)
    assert status.failure is not None
    assert (status.failure.component, jobs) == ("odd", [])
    assert {run.run_status for run in status.runs.values()} == {RunStatus.SKIPPED}
    assert world.builds.running(builders.TOOL) == 0


async def test_of_twenty_components_one_crashes_and_the_others_stay_up() -> None:
    async with flow(**(fields() | {"config": twenty({"command": "crash"})})) as world:
        world.deploy(DEPLOYMENT)
        await world.run(600)
        status = world.status(DEPLOYMENT)
        jobs = {job.name: job.status.phase for job in await world.toolforge.jobs.list("demo")}
    assert (status.status, status.reason) == (State.FAILED, Reason.CRASH_LOOP)
    assert status.failure is not None
    assert status.failure.component == "odd"
    assert {name: run.run_status for name, run in status.runs.items()} == {
        name: RunStatus.FAILED if name == "odd" else RunStatus.SUCCESSFUL for name in status.runs
    }
    assert (len(status.runs), len(jobs)) == (20, 20)
    up = {JobPhase.UP, JobPhase.INSTALLED}
    assert [name for name, phase in jobs.items() if phase not in up] == ["odd"]


async def test_w11_a_build_that_is_refused_is_asked_for_once_and_ends_the_deployment() -> None:
    async with flow(**fields()) as world:
        text = "Deprecated version are not supported anymore (the deadline was until x UTC)"
        world.builds.faults.add(Fault(START, 400, f'{{"error": ["{text}"]}}', times=1_000))
        world.deploy(DEPLOYMENT)
        await world.run(600)
        calls = world.builds.faults.calls(START)
    status = world.status(DEPLOYMENT)
    assert (status.status, status.reason, calls) == (State.FAILED, Reason.BUILD_REFUSED, 1)
    assert text in status.long_status


async def test_w12_a_commit_as_a_ref_fails_with_words_and_starts_nothing() -> None:
    async with flow(**fields(web=builders.component(ref="a" * 40))) as world:
        world.refs["a" * 40] = "a" * 40
        world.deploy(DEPLOYMENT)
        await world.run(600)
        calls = world.builds.faults.calls(START)
    status = world.status(DEPLOYMENT)
    assert (status.status, status.reason, calls) == (State.FAILED, Reason.BUILD_REFUSED, 0)
    assert "is a bare commit" in status.long_status


async def test_w16_a_build_that_has_not_begun_is_pending_and_is_stopped_by_a_cancel() -> None:
    async with flow(**fields(web=builders.component(ref="hang"))) as world:
        world.builds.pace.pending = 60
        world.deploy(DEPLOYMENT)
        await world.run(10)
        shown = world.status(DEPLOYMENT).builds["web"].build_status
        world.cancel(DEPLOYMENT)
        await world.run(60)
        state = world.status(DEPLOYMENT).status
    assert (shown, state) == (BuildStatus.PENDING, State.CANCELLED)
    assert world.builds.running(builders.TOOL) == 0


async def test_w19_a_look_at_any_number_of_builds_is_one_request() -> None:
    async with flow(**fields(a=builders.component(), b=builders.component())) as world:
        world.deploy(DEPLOYMENT)
        await world.run(600)
        before = world.builds.faults.calls("")
        await world.toolforge.builds.list(builders.TOOL)
    assert world.builds.faults.calls("") == before + 1


async def test_w48_a_service_that_allows_no_build_at_all_is_told_and_ends_at_the_deadline() -> None:
    async with flow(**fields()) as world:
        world.builds.limits.parallel = 0
        world.deploy(DEPLOYMENT)
        await world.run(60)
        waiting = world.status(DEPLOYMENT)
        await world.run(7200)
        calls = world.builds.faults.calls(START)
    ended = world.status(DEPLOYMENT)
    assert (waiting.status, waiting.reason) == (State.RUNNING, Reason.BUILD_QUEUE_FULL)
    assert (ended.status, calls < 400) == (State.TIMED_OUT, True)
    assert "0 out of 0 max" in ended.long_status


async def test_w48_more_builds_than_the_service_allows_take_turns() -> None:
    five: dict[str, Any] = {f"c{n}": builders.component() for n in range(5)}
    async with flow(**fields(**five)) as world:
        world.deploy(DEPLOYMENT)
        await world.run(600)
    assert (world.status(DEPLOYMENT).status, world.builds.started) == (State.SUCCESSFUL, 5)
