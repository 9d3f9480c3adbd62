"""Several controllers for one Lease: how a life takes part, and which of them leads."""

import asyncio
import random
from collections import Counter

from prometheus_client import CollectorRegistry

from controller.app.control import Leadership
from controller.metrics import LeaderMetrics
from controller.runtime import leader
from controller.store.calls import Calls
from controller.store.leases import Leases
from tests.faults import timeline
from tests.faults.world import CLOCKS, TOOL, Life, World

TERMS = leader.Terms()


def candidate(_: World, calls: Calls, identity: str) -> Leadership:
    """What `controller.app.cluster` makes."""
    leases = Leases(calls, "default", "push-to-deploy", TERMS.request)
    clocks = leader.Clocks(CLOCKS.monotonic, CLOCKS.utc, random.random)
    metrics = LeaderMetrics(CollectorRegistry())
    return leader.Leadership(leases, identity, clocks, metrics, TERMS)


def leads(life: Life) -> bool:
    """Whether this life acts at the moment."""
    return not (life.wire.dead or life.wire.cut) and life.control.may_act()


async def leading(world: World) -> Life:
    """The life that leads, as soon as there is one."""
    end = timeline.seconds() + 60
    while timeline.seconds() < end:
        for life in world.lives:
            if leads(life):
                return life
        await asyncio.sleep(0.25)
    raise AssertionError("nobody leads")


def done_twice(world: World) -> list[str]:
    """Builds, changes and starts of jobs beyond one for each commit."""
    built = Counter(
        (run.parameters["image_name"], run.parameters["source_url"], run.commit)
        for run in world.builds.runs.get(TOOL, [])
    )
    wrong = [f"{what} was built {count} times" for what, count in built.items() if count > 1]
    changes = [e for e in world.tape.done("jobs", "PATCH") if (e.body or {}).get("job_changed")]
    changed = Counter((entry.sent["name"], entry.sent["imagename"]) for entry in changes)
    wrong += [f"{what} was changed {count} times" for what, count in changed.items() if count > 1]
    images = Counter(name for name, _ in changed)
    return wrong + [
        f"{name} was started {count} times for {images[name]} images"
        for name, count in world.jobs.tool(TOOL).started.items()
        if count > images[name]
    ]
