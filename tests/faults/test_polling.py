"""Polling through everything at once: pushes, webhooks, crashes, leader changes. Test 24 to 27."""

import asyncio
import random

from tests.faults import timeline, town, trials
from tests.faults.candidates import candidate
from tests.faults.conftest import Tried
from tests.faults.tape import Fault, Plan
from tests.faults.town import Town
from tests.faults.world import opened

PUSHES, TOOLS, CRASHES = (4800, 200, 60) if trials.WHOLE else (160, 40, 6)


def crashes(chance: random.Random) -> Plan:
    """A controller dies at some of the writes of polling; answers get lost at others."""
    faults = []
    for verb, path, most in (
        ("POST", "/tooldeployments", PUSHES),
        ("PATCH", "-config/status", PUSHES),
    ):
        for at in sorted(chance.sample(range(1, most), CRASHES)):
            kind = chance.choice(("crash before", "crash unanswered", "crash after", "lost"))
            faults.append(Fault(kind, at, "reset", verbs=(verb,), path=path))
    return tuple(faults)


def test_every_new_commit_becomes_exactly_one_deployment(tried: Tried) -> None:
    chance = random.Random(24)
    counted: list[int] = []

    async def work() -> None:
        async with opened(crashes(chance), Town, lead=candidate, tools=TOOLS) as world:
            assert isinstance(world, Town)
            await world.start()
            watching = asyncio.create_task(world.watch_leaders())
            await world.settle()
            troubling = asyncio.create_task(town.trouble(world, chance))
            await town.live(world, PUSHES, chance)
            troubling.cancel()
            await town.end(world)
            watching.cancel()
            assert await world.wrong() == []
            counted.extend(
                (
                    sum(map(len, world.tips.values())),
                    sum(map(len, world.made().values())),
                    len(world.lives),
                )
            )

    timeline.run(work)
    tried("pushes", counted[0])
    tried("deployments for them", counted[1])
    tried("lives of controllers", counted[2])
