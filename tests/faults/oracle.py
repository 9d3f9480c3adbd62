"""What may not differ from the run without faults, whatever went wrong in between.

End states and effects are compared, never logs: builds started and cancelled, jobs changed,
restarted and removed, objects created and deleted. Then there must be silence.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller.models.tooldeployment import State, ToolDeployment
from tests.faults import timeline
from tests.faults.tape import Entry
from tests.faults.world import TOOL, World
from watchers.decide import RECORD_CHECKS_EVERY

EXTRA_PATCHES = 3  # for each fault
ON_ITS_WAY = 1.0  # virtual seconds in which what was begun before the silence may still arrive
PATIENCE = 30.0  # virtual seconds later than the reference, for each fault


@dataclass
class Result:
    """How a run ended."""

    world: dict[str, Any]
    effects: dict[str, Any]
    restarts: Mapping[str, int]
    patches: int
    seconds: float
    changes: int
    broken: list[str] = field(default_factory=list)
    differed: list[str] = field(default_factory=list)


async def result_of(world: World, silence: float) -> Result:
    """Everything that is compared; waits `silence` virtual seconds for writes that may not come."""
    seconds = timeline.seconds()
    found = await world.deployments()
    changes = len(world.tape.changes)
    result = Result(
        world={},
        effects=_effects(world, found),
        restarts=dict(world.jobs.tool(TOOL).started),
        patches=len(_status_patches(world)),
        seconds=seconds - world.began,
        changes=changes,
        broken=[*_states(world), *_turns(found)],
    )
    await asyncio.sleep(silence)
    result.world = _world(world, found)
    after = [entry for entry in world.tape.changes[changes:] if entry.at > seconds + ON_ITS_WAY]
    later = [entry for entry in after if "/toolconfigs" not in entry.path]
    recorded = len(after) - len(later)
    if recorded > 1 + silence / RECORD_CHECKS_EVERY.total_seconds():
        result.broken.append(f"{recorded} writes of the poller")
    asked = [e for e in world.tape.entries if e.at > seconds + PATIENCE and e.neighbour != "kube"]
    result.broken += [f"not silent: {entry}" for entry in (*later, *asked)]
    result.broken += [f"{life.name} met {life.bugs()} bugs" for life in world.lives if life.bugs()]
    result.differed += [
        f"the cache of {life.name} differed" for life in world.lives if life.differences()
    ]
    return result


def differences(
    expected: Result, found: Result, faults: int, restarts: int = 0, patience: float = PATIENCE
) -> list[str]:
    """What a run with so many faults did that it may not.

    So many `restarts` more may be, and so many seconds of `patience` more for each fault.
    """
    wrong = list(found.broken)
    for part in ("world", "effects"):
        was, now = getattr(expected, part), getattr(found, part)
        wrong += [f"{key}: {now[key]} and not {was[key]}" for key in was if now[key] != was[key]]
    wrong += _restarts(expected.restarts, found.restarts, restarts)
    if found.patches > expected.patches + EXTRA_PATCHES * faults:
        wrong.append(f"{found.patches} patches of status and not {expected.patches}")
    if found.seconds > expected.seconds + patience * faults:
        wrong.append(f"done after {found.seconds} s and not {expected.seconds} s")
    return wrong


def _restarts(was: Mapping[str, int], now: Mapping[str, int], more: int) -> list[str]:
    return [
        f"restarts of {name}: {now.get(name, 0)} and not {was.get(name, 0)}"
        for name in sorted({*was, *now})
        if not was.get(name, 0) <= now.get(name, 0) <= was.get(name, 0) + more
    ]


def _world(world: World, found: list[ToolDeployment]) -> dict[str, Any]:
    names = _names(world, found)
    jobs = world.jobs.tool(TOOL)
    jobs.cluster.advance(timeline.now())
    commits = {
        run.digest(): f"{run.parameters['image_name']} {run.commit}"
        for run in world.builds.runs.get(TOOL, [])
    }
    return {
        "deployments": {
            names[d.name]: (
                d.status.status.value,
                d.status.reason and d.status.reason.value,
                names.get(d.status.superseded_by, d.status.superseded_by),
                {name: build.commit for name, build in d.status.builds.items()},
                {name: run.run_status.value for name, run in d.status.runs.items()},
            )
            for d in found
        },
        "jobs": {
            name: (
                job.model_dump(mode="json", exclude_unset=True, exclude={"imagename"}),
                commits.get(job.imagename.partition("@")[2], job.imagename),
            )
            for name, job in jobs.stored.items()
        },
        "pods": {
            name: [pod.command for pod in deployment.alive()]
            for name, deployment in jobs.cluster.deployments.items()
        },
        "builds that go on": world.builds.running(TOOL),
    }


def _effects(world: World, found: list[ToolDeployment]) -> dict[str, Any]:
    tape = world.tape
    changed = [e for e in tape.done("jobs", "PATCH") if (e.body or {}).get("job_changed")]
    return {
        "builds started": sorted(
            (entry.sent["image_name"], entry.sent.get("ref"))
            for entry in tape.done("builds", "POST", "/builds")
        ),
        "builds cancelled": len(tape.done("builds", "PUT", "/cancel")),
        "jobs changed": Counter(entry.sent["name"] for entry in changed),
        "jobs removed": Counter(entry.path for entry in tape.done("jobs", "DELETE")),
        "created": len(tape.done("kube", "POST", "/tooldeployments")),
        "deleted": len(tape.done("kube", "DELETE", "/tooldeployments")),
        "deployments": len(found),
    }


def _names(world: World, found: list[ToolDeployment]) -> dict[str, str]:
    """Names hold the time, which may differ."""
    given = {name: alias for alias, name in world.names.items()}
    return {
        d.name: given.get(d.name, f"{d.spec.trigger.kind.value} {number}")
        for number, d in enumerate(found)
    }


def _status_patches(world: World) -> list[Entry]:
    return [
        entry
        for entry in world.tape.done("kube", "PATCH", "/tooldeployments")
        if entry.path.endswith("/status")
    ]


def _states(world: World) -> list[str]:
    """Final states never change, and what was observed never falls."""
    wrong, ends, seen = [], dict[str, str](), dict[str, int]()
    for entry in _status_patches(world):
        uid = entry.body["metadata"]["uid"]
        status = entry.body["status"]
        state, generation = status["status"], status.get("observed_generation") or 0
        if ends.get(uid, state) != state:
            wrong.append(f"a final state changed: {ends[uid]} to {state} by {entry}")
        if generation < seen.get(uid, 0):
            wrong.append(f"the observed generation fell by {entry}")
        seen[uid] = generation
        if State(state).final:
            ends[uid] = state
    return wrong


def by_start(found: Sequence[ToolDeployment]) -> list[ToolDeployment]:
    """Those that have begun, in the order in which they did."""
    return sorted(
        (d for d in found if d.status.started_at is not None),
        key=lambda d: d.status.started_at,  # type: ignore[arg-type, return-value]
    )


def _turns(found: list[ToolDeployment]) -> list[str]:
    """One deployment of a tool at a time, in order."""
    worked = by_start(found)
    return [
        f"{later.name} began before {earlier.name} had ended"
        for earlier, later in itertools.pairwise(worked)
        if earlier.status.finished_at is None
        or later.status.started_at is None
        or later.status.started_at < earlier.status.finished_at
    ]
