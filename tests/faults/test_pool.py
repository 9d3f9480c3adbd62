"""Many slow calls at once keep neither a watch nor the Lease from its socket."""

import asyncio
import contextlib

from controller.errors import EdgeError
from controller.models.meta import config_name
from controller.store import kinds
from tests.builders import TOOL
from tests.faults import scenarios, timeline, trials
from tests.faults.candidates import candidate, leading
from tests.faults.conftest import Tried
from tests.faults.tape import Fault
from tests.faults.world import Life, World, opened

CALLS = 200
ROUNDS = 20 if trials.WHOLE else 1
SLOW = 14.0  # seconds for each: just within the limit of a call
LONGEST = 30.0


async def _call(life: Life) -> float:
    """How long one call takes, whatever comes of it."""
    began = timeline.seconds()
    with contextlib.suppress(EdgeError):
        await life.control.store.look(kinds.CONFIGS, TOOL, config_name(TOOL), "")
    return timeline.seconds() - began


def test_two_hundred_slow_calls_hold_up_neither_watch_nor_lease(tried: Tried) -> None:
    slow = Fault("slow", verbs=("GET",), path="/toolconfigs/", times=100_000, seconds=SLOW)

    async def main() -> None:
        async with opened((slow,), lead=candidate, heads=scenarios.heads()) as world:
            await world.configure(scenarios.config())
            life = await leading(world)
            for number in range(ROUNDS):
                calls = asyncio.gather(*(_call(life) for _ in range(CALLS)))
                await asyncio.sleep(1)
                await world.deploy(f"d{number}")
                await _seen(world, life, f"d{number}")
                while not calls.done():
                    assert life.control.may_act(), f"the Lease was lost in round {number}"
                    await asyncio.sleep(0.5)
                assert max(await calls) <= LONGEST

    timeline.run(main)
    tried("slow calls at once", CALLS * ROUNDS)


async def _seen(world: World, life: Life, name: str) -> None:
    """The watch shows a new object within a second."""
    await asyncio.sleep(1)
    known = {one.name for one in life.control.cache.deployments(TOOL)[0]}
    assert world.names[name] in known
