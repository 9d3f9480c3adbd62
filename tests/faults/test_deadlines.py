"""Services that never answer, answer nonsense or lose what they were given: it ends all the same.

Test 22 of the programme. From some moment on one kind of request of one service is in trouble, and
stays so beyond the deployment's deadline. Then the service is well again, and the next deployment
must find nothing in its way.
"""

import asyncio
import itertools
import random
from datetime import timedelta

import pytest

from controller.models.reasons import Owner, Reason
from controller.models.tooldeployment import Failure, State, ToolDeployment
from tests import builders
from tests.faults import scenarios, timeline, trials
from tests.faults.conftest import Tried
from tests.faults.oracle import result_of
from tests.faults.tape import Fault
from tests.faults.world import POLICY, TOOL, World, opened

AFTER_ITS_DEADLINE = timedelta(seconds=60)
EVER = 10**9
REQUESTS = [("GET", "/builds"), ("POST", "/builds"), ("PUT", "/cancel")]
REQUESTS += [("GET", "/jobs"), ("PATCH", "/jobs")]
ANSWERS = ("silence", "reset", "503", "garbage", "wrong", "404")
MOMENTS = (0.0, 1.0, 3.0, 4.5, 6.0)
REFS = ("main", "hang")
TROUBLE = [*itertools.product(REQUESTS, ANSWERS, MOMENTS, REFS)]
FOUND = [
    (("GET", "/jobs"), "reset", 6.0, "hang"),
    (("PUT", "/cancel"), "503", 3.0, "hang"),
    (("POST", "/builds"), "wrong", 0.0, "main"),
    (("GET", "/builds"), "silence", 4.5, "hang"),
]
CASES = [*FOUND, *random.Random(1).sample(TROUBLE, 196 if trials.WHOLE else 8)]
PARTS = 4
LOST = [step / 2 for step in range(20 if trials.WHOLE else 2)]


def ends(trouble: tuple[Fault, ...], moment: float, ref: str, forgets: bool = False) -> list[str]:
    """What is wrong with how a deployment ends that meets this, and with the one after it."""
    wrong: list[str] = []

    async def main() -> None:
        async with opened((), heads=scenarios.heads(), policy=POLICY) as world:
            await world.configure(scenarios.config(ref=ref))
            await world.deploy("d1")
            await asyncio.sleep(moment)
            world.tape.plan = trouble
            if forgets:
                world.builds.runs.clear()
            await world.ended((POLICY.deployment_timeout + 2 * AFTER_ITS_DEADLINE).total_seconds())
            (found,) = await world.deployments()
            wrong.extend(_end(found))
            world.tape.plan = ()
            wrong.extend(await _next_is_well(world))

    try:
        timeline.run(main)
    except AssertionError as stuck:
        wrong.append(str(stuck))
    return wrong


def _end(found: ToolDeployment) -> list[str]:
    """In time, and with a reason for people."""
    status = found.status
    if status.status is State.SUCCESSFUL:
        return []  # it needed no such request any more
    wrong = []
    if status.status not in (State.FAILED, State.TIMED_OUT):
        wrong.append(f"ended as {status.status}")
    if status.failure is None or not (status.failure.message and status.failure.hint):
        wrong.append(f"no reason: {status.failure}")
    if status.deadline is None or status.finished_at is None:
        wrong.append("no deadline or no end")
    elif status.finished_at > status.deadline + AFTER_ITS_DEADLINE:
        wrong.append(f"ended {status.finished_at - status.deadline} after its deadline")
    return wrong


async def _next_is_well(world: World) -> list[str]:
    """The service is well again: nothing of the first stands in the way, or goes on."""
    await world.configure(scenarios.config())
    await world.deploy("d2")
    await world.ended()
    second = (await world.deployments())[-1]
    wrong = (await result_of(world, 120)).broken
    if second.status.status is not State.SUCCESSFUL:
        wrong.append(f"the next: {second.status.status}: {second.status.message}")
    if going := world.builds.running(TOOL):
        wrong.append(f"{going} builds go on")
    return wrong


@pytest.mark.parametrize("part", range(PARTS))
def test_whatever_a_service_does_a_deployment_ends_by_its_deadline(tried: Tried, part: int) -> None:
    cases = CASES[part::PARTS]
    wrong = {}
    for (verb, path), how, moment, ref in cases:
        fault = Fault("refused", how=how, verbs=(verb,), path=path, times=EVER)
        if bad := ends((fault,), moment, ref):
            wrong[f"{verb} {path}: {how} from {moment} s on, {ref}"] = bad
    tried("services in trouble to the end", len(cases), wrong)
    assert wrong == {}


def test_a_build_that_the_service_forgets_ends_its_deployment(tried: Tried) -> None:
    wrong = {moment: bad for moment in LOST if (bad := ends((), moment, "hang", forgets=True))}
    tried("builds forgotten", len(LOST), wrong)
    assert wrong == {}


def test_who_ends_too_late_or_without_a_word_is_noticed() -> None:
    """The tests above can fail."""
    nothing = builders.deployment("d1", status=builders.started())
    assert len(_end(nothing)) == 3
    status = nothing.status
    failure = Failure(reason=Reason.BUILD_LOST, owner=Owner.PLATFORM, message="m", hint="h")
    ended = {"status": State.TIMED_OUT, "failure": failure, "deadline": builders.NOW}
    late = {"finished_at": builders.NOW + AFTER_ITS_DEADLINE + timedelta(seconds=1)}
    found = nothing.model_copy(update={"status": status.model_copy(update=ended | late)})
    assert _end(found) == ["ended 0:01:01 after its deadline"]
