"""Polling through everything at once: pushes, webhooks, crashes, leader changes. Test 24 to 27."""

import asyncio
import random
from typing import Any

import pytest

from tests.faults import gittown, timeline, town, trials
from tests.faults.candidates import candidate
from tests.faults.conftest import Tried
from tests.faults.gittown import GitTown
from tests.faults.tape import Fault, Plan
from tests.faults.town import Town
from tests.faults.world import opened

pytestmark = pytest.mark.timeout(300)

PUSHES, TOOLS = (4800, 200) if trials.WHOLE else (160, 40)
GIT_PUSHES, GIT_TOOLS = (400, 20) if trials.WHOLE else (20, 5)


def crashes(chance: random.Random, pushes: int) -> Plan:
    """A controller dies at some of the writes of polling; answers get lost at others."""
    faults = []
    for verb, path in (
        ("POST", "/tooldeployments"),
        ("PATCH", "-config/status"),
    ):
        for at in sorted(chance.sample(range(1, pushes), max(3, pushes // 100))):
            kind = chance.choice(("crash before", "crash unanswered", "crash after", "lost"))
            faults.append(Fault(kind, at, "reset", verbs=(verb,), path=path))
    return tuple(faults)


def play(kind: type[Town], pushes: int, tried: Tried, **fields: Any) -> None:
    """So many pushes in a town, and everything that can happen to controllers meanwhile."""
    chance = random.Random(24)
    counts: list[int] = []

    async def work() -> None:
        async with gittown.hosting() as host:
            if kind is GitTown:
                fields["host"] = host
            async with opened(crashes(chance, pushes), kind, lead=candidate, **fields) as world:
                assert isinstance(world, Town)
                await world.start()
                watching = asyncio.create_task(world.watch_leaders())
                await world.settle()
                troubling = asyncio.create_task(town.trouble(world, chance))
                await town.live(world, pushes, chance)
                troubling.cancel()
                await town.end(world)
                watching.cancel()
                assert await world.wrong() == []
                counts.extend(
                    [
                        *(sum(map(len, of.values())) for of in (world.tips, world.made())),
                        len(world.lives),
                    ]
                )

    timeline.run(work)
    for what, count in zip(
        (
            "pushes",
            "deployments for them",
            "lives",
        ),
        counts,
        strict=True,
    ):
        tried(f"{what} ({kind.__name__})", count)


def test_every_new_commit_becomes_exactly_one_deployment(tried: Tried) -> None:
    play(Town, PUSHES, tried, tools=TOOLS)


def test_every_new_commit_in_a_real_repository_becomes_exactly_one_deployment(tried: Tried) -> None:
    play(GitTown, GIT_PUSHES, tried, tools=GIT_TOOLS)
