"""What must hold whatever happens (the invariants), and what must be so once nothing goes wrong.

Used by the tests of random walks; works on any world, without a reference run.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from controller.models.meta import tool_of
from controller.models.tooldeployment import State, ToolDeployment
from tests.faults import oracle, timeline
from tests.faults.tape import Entry
from tests.faults.walks import TOOLS, Walk
from tests.faults.world import World
from watchers.decide import RECORD_CHECKS_EVERY

LATE = timedelta(seconds=60)  # after its deadline
UNSEEN = timedelta(seconds=700)  # a lost event is found by a comparison list
SETTLED = 180.0  # seconds: a poll may bring one more


async def broken_now(walk: Walk) -> list[str]:
    """The invariants, at any moment."""
    world = walk.world
    wrong = oracle._states(world)
    for tool in TOOLS:
        found = await world.deployments(tool)
        wrong += oracle._turns(found)
        wrong += [] if walk.unseen else _queue_jumpers(found)
        wrong += [] if tool in walk.forced else _doubled_builds(world, tool)
    wrong += _deleted_unfinished(world)
    wrong += _foreign(world, walk.touched)
    wrong += [f"{life.name} met {life.bugs()} bugs" for life in world.lives if life.bugs()]
    return wrong


async def broken_at_the_end(walk: Walk, silence: float) -> list[str]:
    """Everything has ended in time; jobs are those of the last success; then there is silence."""
    world, calmed = walk.world, timeline.now()
    await _all_ended(world)
    await asyncio.sleep(UNSEEN.total_seconds() if walk.unseen else SETTLED)
    await _all_ended(world)
    wrong = await broken_now(walk)
    for tool in TOOLS:
        found = await world.deployments(tool)
        wrong += [late for d in found if (late := _late(d, calmed))]
        wrong += _kept(found, world.policy.retained)
        wrong += [] if tool in walk.deleted else _jobs(world, tool, found)
    return wrong + await _noises(world, silence)


async def _all_ended(world: World) -> None:
    for tool in TOOLS:
        end = timeline.seconds() + 4 * 3600
        while going := [d for d in await world.deployments(tool) if not d.final]:
            said = {d.name: (d.status.status.value, d.status.message) for d in going}
            assert timeline.seconds() < end, f"stuck: {said}"
            await asyncio.sleep(5)


async def _noises(world: World, silence: float) -> list[str]:
    """The poller looks at git and notes its last check; nothing else is written, nobody asked."""
    before, entries = timeline.seconds(), len(world.tape.entries)
    await asyncio.sleep(silence)
    later = world.tape.entries[entries:]
    polled = [e for e in later if e.changes and "/toolconfigs" in e.path]
    loud = [e for e in later if e.changes and e not in polled]
    asked = [e for e in later if e.neighbour != "kube" and e.at > before]
    wrong = [f"not silent: {entry}" for entry in (*loud, *asked)]
    if len(polled) > len(TOOLS) * (1 + silence / RECORD_CHECKS_EVERY.total_seconds()):
        wrong.append(f"{len(polled)} writes of the poller")
    return wrong


def _queue_jumpers(found: Sequence[ToolDeployment]) -> list[str]:
    """First come, first served; polls may be superseded, but then they never begin."""
    begun = oracle.by_start(found)
    return [
        f"{later.name} began before {earlier.name}, which came first"
        for later, earlier in itertools.pairwise(begun)
        if later.metadata.creation_timestamp > earlier.metadata.creation_timestamp
    ]


def _doubled_builds(world: World, tool: str) -> list[str]:
    live = Counter(
        (run.parameters["image_name"], run.parameters["source_url"], run.commit)
        for run in world.builds.runs.get(tool, [])
        if run.ended_at(world.builds.clock()) is None
    )
    return [f"two live builds of {what}" for what, count in live.items() if count > 1]


def _deleted_unfinished(world: World) -> list[str]:
    """Only what has ended is cleared away."""
    ended = {
        entry.body["metadata"]["uid"]
        for entry in world.tape.done("kube", "PATCH", "/tooldeployments")
        if State(entry.body.get("status", {}).get("status", "pending")).final
    }
    return [
        f"deleted before its end: {entry}"
        for entry in world.tape.done("kube", "DELETE", "/tooldeployments")
        if entry.sent["preconditions"]["uid"] not in ended
    ]


def _foreign(world: World, tools: Iterable[str]) -> list[str]:
    known = set(tools)
    return [
        f"written for {tool}: {entry}"
        for entry in world.tape.changes
        if (tool := _tool(entry)) is not None and tool not in known
    ]


def _tool(entry: Entry) -> str | None:
    parts = entry.path.partition("?")[0].split("/")
    if "namespaces" in parts:
        return tool_of(parts[parts.index("namespaces") + 1])
    return parts[parts.index("tool") + 1] if "tool" in parts else None


def _late(deployment: ToolDeployment, calmed: datetime) -> str:
    status = deployment.status
    if status.deadline is None or status.finished_at is None:
        return ""
    if status.finished_at <= max(status.deadline, calmed + UNSEEN) + LATE:
        return ""
    return f"{deployment.name} ended {status.finished_at - status.deadline} after its deadline"


def _kept(found: Sequence[ToolDeployment], most: int) -> list[str]:
    return [f"{len(found)} are kept"] if len(found) > most else []


def _jobs(world: World, tool: str, found: Sequence[ToolDeployment]) -> list[str]:
    """What runs is what the last one brought, if that was the last to touch anything."""
    begun = [d for d in found if d.status.started_at is not None]
    if not begun or begun[-1].status.status != State.SUCCESSFUL:
        return []
    last, stored = begun[-1], world.jobs.tool(tool).stored
    config = last.status.tool_config
    assert config is not None
    wrong = [f"no job {name} of {last.name}" for name in config.components if name not in stored]
    images = {run.digest(): run.commit for run in world.builds.runs.get(tool, [])}
    for name, record in last.status.builds.items():
        if record.commit and name in stored:
            runs = images.get(stored[name].imagename.partition("@")[2])
            if runs != record.commit:
                wrong.append(f"{name} of {tool} runs {runs} and not {record.commit}")
    return wrong
