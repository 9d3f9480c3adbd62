"""Two and three whole controllers for one Lease, and everything that can befall the one that leads.

Checked on what really arrived at the neighbours: nothing is done twice, nobody acts longer than ten
seconds after its last renewal, no two act in turns, and somebody leads again in time.
"""

import asyncio
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from controller.app.control import Leadership
from controller.metrics import LeaderMetrics
from controller.models.tooldeployment import State
from controller.runtime import leader
from controller.store.calls import Calls
from controller.store.leases import Leases
from tests import builders
from tests.faults import scenarios, timeline, trials
from tests.faults.candidates import TERMS, done_twice, leading
from tests.faults.conftest import Tried
from tests.faults.oracle import result_of
from tests.faults.tape import Entry
from tests.faults.world import CLOCKS, Life, World, opened

LEASE = "/apis/coordination.k8s.io/v1/namespaces/default/leases/push-to-deploy"
SUCCESSION = 20.0  # seconds from a loss to the next leader
FENCE = TERMS.renew_deadline.total_seconds()
ORDERLY = 3.0  # seconds from a stop whose work has ended to the next leader
MISFORTUNES = ("killed", "cut off", "503", "refused", "silence", "lease deleted", "stopped")
_ANSWERS = {"503": "503", "refused": "reset", "silence": "silence"}


@dataclass(frozen=True)
class Case:
    """What befalls the leader of so many, for so long, the first replica's clock being wrong."""

    how: str
    replicas: int
    seed: int

    @property
    def seconds(self) -> float:
        """How long the trouble lasts: shorter than the fence, longer, and much longer."""
        return (5.0, 20.0, 60.0)[self.seed % 3]

    @property
    def skew(self) -> timedelta:
        """How wrong the first clock is."""
        return timedelta(minutes=(0, 5, -5)[self.seed // 3 % 3])


def candidate(skew: timedelta) -> Callable[[World, Calls, str], Leadership]:
    """What makes candidates, of which the first has a wrong clock."""

    def make(_: World, calls: Calls, identity: str) -> Leadership:
        wrong = skew if identity == "life-1" else timedelta()
        clocks = leader.Clocks(CLOCKS.monotonic, lambda: CLOCKS.utc() + wrong, random.random)
        leases = Leases(calls, "default", "push-to-deploy", TERMS.request)
        return leader.Leadership(
            leases, identity, clocks, LeaderMetrics(CollectorRegistry()), TERMS
        )

    return make


def play(case: Case) -> list[str]:
    """What went wrong in a case."""
    wrong: list[str] = []

    async def main() -> None:
        lead = candidate(case.skew)
        async with opened((), lead=lead, heads=scenarios.heads()) as world:
            for _ in range(case.replicas - 1):
                await world.start()
            await leading(world)
            acting = asyncio.create_task(_burst(world))
            await asyncio.sleep(random.Random(case.seed).uniform(0.1, 8))
            wrong.extend(await _befall(world, await leading(world), case))
            await acting
            await world.ended(900)
            wrong.extend(await _ended_well(world))
            wrong.extend(_nobody_acts_too_long(world.tape.entries))
            wrong.extend(_no_two_act(world))

    timeline.run(main, case.seed)
    return wrong


async def _burst(world: World) -> None:
    """Three deployments, the last of another commit."""
    await world.configure(scenarios.config())
    for name in ("d1", "d2"):
        await world.deploy(name)
        await asyncio.sleep(1)
    world.heads["main"] = builders.NEWER
    await world.deploy("d3")


async def _befall(world: World, old: Life, case: Case) -> list[str]:
    """Let it happen, wait until somebody leads, and heal it; answers what took too long."""
    begun = timeline.seconds()
    match case.how:
        case "killed":
            world.kill(old)
            await world.start()
        case "stopped":
            old.task.cancel()
            await asyncio.wait([old.task])
            begun = timeline.seconds()
        case "lease deleted":
            await world.ask("DELETE", LEASE)
        case _:
            old.wire.cut = case.how == "cut off"
            old.wire.ill = _ANSWERS.get(case.how, "")
            old.wire.sever()
    healing = asyncio.create_task(_heal(old, case.seconds))
    await asyncio.sleep(0)
    if case.how in ("killed", "stopped") or case.seconds > SUCCESSION:
        others = [life for life in world.lives if life is not old]
        while not any(life.control.may_act() for life in others):
            await asyncio.sleep(0.1)
            if timeline.seconds() - begun > SUCCESSION + 10:
                break
    took = timeline.seconds() - begun
    await healing
    allowed = ORDERLY if case.how == "stopped" else SUCCESSION
    return [f"nobody led for {took:.1f} s"] if took > allowed else []


async def _heal(old: Life, seconds: float) -> None:
    await asyncio.sleep(seconds)
    old.wire.cut, old.wire.ill = False, ""
    old.wire.sever()


async def _ended_well(world: World) -> list[str]:
    """Every deployment is good, and what each commit needed was done once."""
    result = await result_of(world, 300)
    ends = {ends[0] for ends in result.world["deployments"].values()}
    wrong = [*result.broken, *done_twice(world)]
    if ends != {State.SUCCESSFUL.value}:
        wrong.append(f"ends: {result.world['deployments']}")
    return wrong


def _nobody_acts_too_long(entries: list[Entry]) -> list[str]:
    """Whoever changes something has renewed within the fence; it may go on for one request."""
    renewed: dict[int, float] = {}
    wrong = []
    for entry in entries:
        if "/leases" in entry.path and entry.verb in ("PUT", "POST"):
            if entry.done and (entry.sent or {}).get("spec", {}).get("holderIdentity"):
                renewed[entry.life] = entry.at
        elif entry.changes and entry.at - renewed.get(entry.life, -FENCE) > FENCE:
            wrong.append(
                f"{entry} of life {entry.life}, which renewed at {renewed.get(entry.life)}"
            )
    return wrong


def _no_two_act(world: World) -> list[str]:
    """A life that comes back after another has acted has taken the Lease again in between."""
    takings = [
        (entry.at, entry.life)
        for entry in world.tape.entries
        if "/leases" in entry.path and entry.done and entry.verb in ("PUT", "POST")
    ]
    changes = [entry for entry in world.tape.entries if entry.changes and entry.done]
    wrong = []
    for before, after in itertools.pairwise(changes):
        if before.life != after.life:
            fresh = any(life == after.life and at >= before.at - FENCE for at, life in takings)
            wrong += [] if fresh else [f"{after} of life {after.life} after life {before.life}"]
    return wrong


@pytest.mark.parametrize("how", MISFORTUNES)
def test_whatever_befalls_the_leader_nothing_is_done_twice_and_somebody_leads(
    how: str, tried: Tried
) -> None:
    seeds = range(36) if trials.WHOLE else (MISFORTUNES.index(how),)
    cases = [Case(how, replicas, seed) for replicas in (2, 3) for seed in seeds]
    wrong = {case: found for case in cases if (found := play(case))}
    tried("misfortunes of leaders", len(cases), wrong)
    assert wrong == {}


def test_a_controller_that_acts_without_renewing_is_noticed() -> None:
    """The checks above can fail."""

    async def main() -> None:
        async with opened((), heads=scenarios.heads()) as world:
            await world.start()
            await _burst(world)
            await world.ended()
            entries = world.tape.entries
            entries[0].life = 1
            assert _nobody_acts_too_long(entries) != [] or _no_two_act(world) != []

    timeline.run(main)
