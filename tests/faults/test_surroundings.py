"""What happens around the controller: objects deleted under it, a clock that is wrong."""

import asyncio
from datetime import timedelta

import pytest

from controller.models.tooldeployment import State
from tests.faults import scenarios, timeline, trials
from tests.faults.conftest import Tried
from tests.faults.oracle import differences, result_of
from tests.faults.scenarios import Scenario
from tests.faults.world import World, opened

MOMENTS = [step / 4 for step in range(0, 40, 1 if trials.WHOLE else 5)]
CANCELS = 400 if trials.WHOLE else 40


def test_a_deployment_deleted_under_the_controller_leaves_it_quiet(tried: Tried) -> None:
    def at(moment: float) -> None:
        async def main() -> None:
            async with opened((), heads=scenarios.heads()) as world:
                await world.configure(scenarios.config())
                await world.deploy("d1")
                await asyncio.sleep(moment)
                await world.delete("d1")
                result = await result_of(world, 300)
                assert result.broken == [], moment
                await scenarios.deploy(world, "d2")
                (found,) = await world.deployments()
                assert found.status.status == State.SUCCESSFUL
                built = [e.sent["image_name"] for e in world.tape.done("builds", "POST")]
                assert sorted(set(built)) == sorted(built), "what was built is used again"

        timeline.run(main)

    for moment in MOMENTS:
        at(moment)
    tried("deletions", len(MOMENTS))


@pytest.mark.parametrize("part", range(4))
def test_cancel_at_any_moment_ends_soon_and_changes_no_job_later(tried: Tried, part: int) -> None:
    """Once, twice and three times; test 21 of the programme."""

    def at(moment: float, times: int) -> None:
        async def main() -> None:
            async with opened((), heads=scenarios.heads()) as world:
                await world.configure(scenarios.config())
                await world.deploy("d1")
                await asyncio.sleep(moment)
                before = timeline.seconds()
                in_time, *_ = [await world.cancel("d1") for _ in range(times)]
                await world.ended(30)
                (found,) = await world.deployments()
                expected = State.CANCELLED if in_time else State.SUCCESSFUL
                assert found.status.status == expected, (moment, found.status.message)
                changed = [e for e in world.tape.done("jobs", "PATCH") if e.at > before + 5]
                assert changed == []
                assert (await result_of(world, 300)).broken == []
                assert world.builds.running("demo") == 0

        timeline.run(main)

    numbers = range(part, CANCELS, 4)
    for number in numbers:
        at(10 * number / CANCELS, 1 + number // 4 % 3)
    tried("cancels", len(numbers))


@pytest.mark.parametrize("hours", [-24, -1, 1, 24])
@pytest.mark.parametrize(
    "scenario",
    [scenarios.first, scenarios.new_commit, scenarios.failing_build],
    ids=lambda scenario: scenario.__name__,
)
def test_a_clock_that_is_wrong_changes_nothing(scenario: Scenario, hours: int) -> None:
    expected = trials.reference(scenario).result

    async def play(world: World) -> None:
        await scenario(world)
        found = await result_of(world, 60)
        assert differences(expected, found, 0) == []

    async def main() -> None:
        skew = timedelta(hours=hours)
        async with opened((), **scenarios.fields(scenario), skew=skew) as world:
            await play(world)

    timeline.run(main)
