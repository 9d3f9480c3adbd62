"""Killed while old deployments are forgotten: the newest 25 stay, and every unfinished one.

Test 23 of the programme: a tool with deployments in all states (some made by the older service),
and a controller that begins with them and dies again and again in the middle of the deletions.
"""

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from controller.models.meta import API_VERSION, namespace_of
from controller.models.tooldeployment import State
from tests.faults import scenarios, timeline, trials
from tests.faults.conftest import Tried
from tests.faults.oracle import result_of
from tests.faults.tape import Entry, Fault, Plan
from tests.faults.world import POLICY, TOOL, World, opened

KILLS = 20  # of each seed
SEEDS = range(1, 16) if trials.WHOLE else range(1, 2)
MANY, OURS_UNFINISHED, HISTORY = (200, 4, 3) if trials.WHOLE else (70, 4, 3)
PATH = f"/apis/{API_VERSION}/namespaces/{namespace_of(TOOL)}/tooldeployments"


@dataclass
class Made:
    """The names of what was there before the controller came, oldest first."""

    finished: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    history: list[str] = field(default_factory=list)


async def make(world: World, chance: random.Random) -> Made:
    """Finished ones of ours and of the older service in any order, and some that still wait."""
    made = Made()
    what = ["finished"] * MANY + ["history"] * HISTORY
    chance.shuffle(what)
    for number, kind in enumerate(what):
        name = f"20261101-{number:06}-{kind:0<10}"
        old = {"status": "successful", "deploy_id": name} if kind == "history" else {}
        await _post(world, name, old)
        if kind == "finished":
            await _end(world, name, chance.choice([s.value for s in State if s.final]))
        (made.history if kind == "history" else made.finished).append(name)
        await asyncio.sleep(chance.choice((0, 0, 1)))  # several within a second, too
    for number in range(OURS_UNFINISHED):
        await world.deploy(f"waits {number}")
        made.unfinished.append(world.names[f"waits {number}"])
    return made


async def _post(world: World, name: str, spec: dict[str, Any]) -> None:
    body = {"apiVersion": API_VERSION, "kind": "ToolDeployment", "metadata": {"name": name}}
    await world.ask("POST", PATH, body | {"spec": spec})


async def _end(world: World, name: str, state: str) -> None:
    status = {"status": state, "finished_at": timeline.now().isoformat()}
    await world.ask("PATCH", f"{PATH}/{name}/status", {"status": status}, "merge")


def kills(chance: random.Random) -> Plan:
    """One in each life that follows, when some deletions are on their way and others are not.

    Deletions go side by side: those before it are carried out, those after it never arrive. When
    the last life is killed, by an answer, all are on their way.
    """
    most = (MANY - POLICY.retained) // KILLS  # so that something is left for the last life
    kinds = ["crash before"] * (KILLS - 1) + ["crash unanswered"]
    return tuple(
        Fault(kind, chance.randint(1, most), life=2 + n, verbs=("DELETE",), path="/tooldeployments")
        for n, kind in enumerate(kinds)
    )


def twice(deletions: list[Entry]) -> list[str]:
    """Who was deleted more than once."""
    names = [entry.path.rpartition("/")[2] for entry in deletions]
    return sorted({name for name in names if names.count(name) > 1})


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_while_it_forgets_it_keeps_the_newest_and_the_unfinished(
    tried: Tried, seed: int
) -> None:
    chance = random.Random(seed)

    async def main() -> None:
        async with opened(heads=scenarios.heads()) as world:
            world.kill(world.lives[0])
            await world.configure(scenarios.config(ref="hang"))
            made = await make(world, chance)
            world.tape.plan = kills(chance)
            await world.start()
            await asyncio.sleep(60)  # the first of them builds and builds
            assert len(world.lives) == 2 + KILLS, world.tape.met
            kept = [one.name for one in await world.deployments()]
            newest = made.finished[-POLICY.retained :]
            assert sorted(kept) == sorted(made.history + newest + made.unfinished)
            assert twice(world.tape.done("kube", "DELETE", "/tooldeployments")) == []
            for name in list(world.names):
                await world.cancel(name)
            await world.ended()
            assert (await result_of(world, 120)).broken == []
            ours = [d for d in await world.deployments() if d.name not in made.history]
            assert len(ours) == POLICY.retained

    timeline.run(main, seed)
    tried("kills while forgetting", KILLS)


def test_who_is_deleted_twice_is_noticed() -> None:
    """The test above can fail."""
    paths = [f"{PATH}/a", f"{PATH}/b", f"{PATH}/a"]
    assert twice([Entry(n, 0, 1, "kube", "DELETE", path) for n, path in enumerate(paths)]) == ["a"]
