"""Several controllers, one Lease: whoever dies, is cut off or replaced, nothing is doubled."""

import asyncio
import random
from collections.abc import Awaitable, Callable

from tests import builders
from tests.faults import scenarios, timeline, trials
from tests.faults.candidates import candidate, done_twice, leading
from tests.faults.conftest import Tried
from tests.faults.oracle import result_of
from tests.faults.tape import Entry
from tests.faults.world import World, opened

ROUNDS = 40 if trials.WHOLE else 4


def play(work: Callable[[World], Awaitable[None]], seed: int = 1) -> None:
    """A world with two candidates."""

    async def main() -> None:
        async with opened((), lead=candidate, heads=scenarios.heads()) as world:
            await world.start()
            await work(world)

    timeline.run(main, seed)


def effects(world: World) -> list[Entry]:
    """What changed something, in order."""
    return [entry for entry in world.tape.changes if entry.done]


async def burst(world: World) -> None:
    """Four deployments at once, two of which build."""
    await world.configure(scenarios.config())
    for name in ("d1", "d2"):
        await world.deploy(name)
        await asyncio.sleep(1)
    world.heads["main"] = builders.NEWER
    for name in ("d3", "d4"):
        await world.deploy(name)
        await asyncio.sleep(1)


async def once_each(world: World) -> list[str]:
    """What is wrong with how it ended: everything good, and what each commit needed done once."""
    await world.ended(900)
    result = await result_of(world, 300)
    ends = {ends[0] for ends in result.world["deployments"].values()}
    wrong = [*result.broken, *done_twice(world)]
    if ends != {"successful"}:
        wrong.append(f"ends: {result.world['deployments']}")
    return wrong


def test_the_loser_does_nothing() -> None:
    async def work(world: World) -> None:
        first = await leading(world)
        await burst(world)
        assert await once_each(world) == []
        assert {entry.life for entry in effects(world)} == {first.wire.life}

    play(work)


def test_killing_leaders_in_a_loop_during_a_burst_loses_and_doubles_nothing(tried: Tried) -> None:
    def rounds(seed: int) -> None:
        chance = random.Random(seed)

        async def work(world: World) -> None:
            await leading(world)
            acting = asyncio.create_task(burst(world))
            for _ in range(4):
                await asyncio.sleep(chance.uniform(0.2, 12))
                world.kill(await leading(world))
                await world.start()
            await acting
            assert await once_each(world) == []

        play(work, seed)

    for seed in range(1, ROUNDS + 1):
        rounds(seed)
    tried("leaders killed", 4 * ROUNDS)


def test_a_leader_that_is_cut_off_stops_before_another_begins(tried: Tried) -> None:
    async def work(world: World) -> None:
        await leading(world)
        await burst(world)
        for _ in range(ROUNDS):
            old = await leading(world)
            cut_at = timeline.seconds()
            old.wire.cut = True
            old.wire.sever()
            new = await leading(world)
            assert new is not old
            assert not old.control.may_act(), "two lead at once"
            assert timeline.seconds() - cut_at <= 20
            old.wire.cut = False
            await asyncio.sleep(5)
        assert await once_each(world) == []

    play(work)
    tried("partitions", ROUNDS)


def test_at_no_moment_may_two_act() -> None:
    async def work(world: World) -> None:
        acting = asyncio.create_task(burst(world))
        for number in range(400):
            may = [life.name for life in world.lives if life.control.may_act()]
            assert len(may) <= 1, f"{may} at {timeline.seconds()}"
            if number % 60 == 20:
                cut = await leading(world)
                cut.wire.cut = True
                cut.wire.sever()
            if number % 60 == 50:
                for life in world.lives:
                    life.wire.cut = False
            await asyncio.sleep(0.5)
        await acting
        assert await once_each(world) == []

    play(work)


def test_a_rolling_update_loses_nothing(tried: Tried) -> None:
    async def work(world: World) -> None:
        await leading(world)
        acting = asyncio.create_task(burst(world))
        for _ in range(ROUNDS):
            await asyncio.sleep(3)
            old = await leading(world)
            await world.start()
            stopped_at = timeline.seconds()
            old.task.cancel()  # as SIGTERM does
            await asyncio.wait([old.task])
            await leading(world)
            assert timeline.seconds() - stopped_at <= 6
        await acting
        assert await once_each(world) == []

    play(work)
    tried("leaders replaced", ROUNDS)


def test_two_that_both_act_are_noticed() -> None:
    """The tests above can fail."""

    async def main() -> None:
        async with opened((), heads=scenarios.heads()) as world:
            await world.start()
            await burst(world)
            await world.ended()
            assert {entry.life for entry in effects(world)} == {1, 2}

    timeline.run(main)
