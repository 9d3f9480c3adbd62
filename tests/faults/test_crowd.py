"""Fifty deployments of one tool and many tools at once, with cancels at any moment. Test 20.

`PTD_SEED=7 python -m pytest tests/faults/test_crowd.py` plays the crowd of seed 7.
"""

import asyncio
import math
import os
import random

import pytest

from controller.models.tooldeployment import State
from tests.faults import crowd, timeline, trials
from tests.faults.conftest import Tried
from tests.faults.crowd import Crowd
from tests.faults.world import POLICY, opened

pytestmark = pytest.mark.timeout(300)

MANY, FEW = 200, 20  # tools beside the busy one; many in one crowd of ten
TOOLS = MANY if trials.WHOLE else FEW
PARTS, EACH = (20, 25) if trials.WHOLE else (1, 2)
COMPARED = 5 if trials.WHOLE else 1
NAMED = os.environ.get("PTD_SEED", "")


def play(seed: int) -> list[str]:
    """What is wrong with the crowd of a seed."""
    wrong: list[str] = []

    async def main() -> None:
        chance, tools = random.Random(seed), MANY if seed % 10 == 0 else FEW
        async with opened((crowd.SLOW,), Crowd, tools=tools + 1) as world:
            assert isinstance(world, Crowd)
            await world.settle()
            watching = asyncio.create_task(crowd.watch(world, wrong))
            await crowd.live(world, chance)
            await crowd.end(world)
            watching.cancel()
            wrong.extend(await crowd.wrong(world))

    timeline.run(main, seed)
    return [f"PTD_SEED={seed}", *wrong] if wrong else []


@pytest.mark.parametrize("part", range(PARTS))
def test_a_crowd_is_served_in_turn_whoever_cancels(part: int, tried: Tried) -> None:
    seeds = [int(NAMED)] if NAMED else range(part * EACH + 1, (part + 1) * EACH + 1)
    for seed in seeds:
        wrong = play(seed)
        assert not wrong, "\n".join(wrong)
    tried("crowds with cancels", len(seeds))


def slowest_start(seed: int, *, stuck: bool) -> float:
    """Seconds from creation to start of the slowest hundredth, beside a tool that is stuck."""
    waits: list[float] = []

    async def main() -> None:
        async with opened((crowd.SLOW,), Crowd, tools=TOOLS + 1) as world:
            assert isinstance(world, Crowd)
            await world.settle()
            world.fake.endless_builds.add(world.tips[crowd.BUSY][-1].commit)
            if stuck:
                await world.wish(crowd.BUSY)
            await asyncio.sleep(20)
            others = world.names_of_tools()[1:]
            random.Random(seed).shuffle(others)
            names = [await world.wish(tool) for tool in others]
            begun = await crowd.all_begun(world)
            waits.extend(begun[name] - world.wishes[name].at for name in names)
            states = [one.status.status for one in await world.deployments(crowd.BUSY)]
            assert states == [State.RUNNING] * stuck

    timeline.run(main, seed)
    return sorted(waits)[math.ceil(len(waits) * 0.99) - 1]


def test_a_tool_whose_build_never_ends_delays_nobody(tried: Tried) -> None:
    look = POLICY.look_at_builds.total_seconds()
    for seed in range(1, COMPARED + 1):
        alone, beside = (slowest_start(seed, stuck=stuck) for stuck in (False, True))
        assert beside < alone * 1.1 + look, f"{alone:.1f} s, but {beside:.1f} s beside it"
    tried("crowds beside a stuck build", COMPARED)
