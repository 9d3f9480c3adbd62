"""A crowd: one tool with many deployments beside many tools with one each, cancelled at random.

Beside `town`: nobody follows a repository here, every deployment is asked for by the test, which
remembers what it wished for. `wrong` is the oracle of the programme's test 20; it reads what passed
on the wires, for most of the deployments are forgotten by then.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from controller.backends.base import Build, BuildState
from controller.models.meta import API_VERSION, namespace_of
from controller.models.reasons import Reason
from controller.models.tooldeployment import State, ToolDeployment, Trigger
from controller.store import kinds
from tests import builders
from tests.faults import convergence, oracle, timeline
from tests.faults.tape import Fault
from tests.faults.town import Town
from tests.support.fakebackend import FakeBackend, FakeBuilds, image_of

BUSY = "t0"  # the tool with many deployments
TRIGGERS = (Trigger.MANUAL, Trigger.API, Trigger.POLL, Trigger.POLL)
MANY = 50
SPAN = 120.0  # seconds in which they are asked for
SOON = timedelta(seconds=5)  # after a cancel nothing begins any more
QUIET = 120.0
# Every request takes a while: so workers are what is scarce, and cancels meet half-done work.
ANSWERS_AFTER = 0.2
SLOW = Fault("slow", verbs=("GET", "PATCH"), path="/tool", times=10**9, seconds=ANSWERS_AFTER)
_GROUP = f"/apis/{API_VERSION}"


@dataclass
class Wish:
    """A deployment, as the one who asked for it knows it."""

    tool: str
    trigger: Trigger
    at: float
    cancelled: datetime | None = None


class _DistantBuilds(FakeBuilds):
    """A build service that is asked over a network."""

    async def list(self, tool: str) -> list[Build]:
        """All builds, newest first."""
        await asyncio.sleep(ANSWERS_AFTER)
        return await super().list(tool)


@dataclass
class Crowd(Town):
    """A town in which builds and starts take a while, and what was asked for in it."""

    wishes: dict[str, Wish] = field(default_factory=dict)  # by the deployment's name, in order

    def __post_init__(self) -> None:
        super().__post_init__()
        self.fake = FakeBackend(timeline.now)
        self.fake.builds = _DistantBuilds(self.fake)

    async def settle(self) -> None:
        """Every tool gets its namespace, a commit, and a config that follows nothing."""
        for tool in self.names_of_tools():
            body = {"apiVersion": "v1", "kind": "Namespace"}
            name = {"metadata": {"name": namespace_of(tool)}}
            await self.ask("POST", "/api/v1/namespaces", body | name)
            await self.push(tool)
            web = builders.component(self.url_of(tool))
            await self.configure(builders.config(web=web), tool)

    async def wish(self, tool: str, trigger: Trigger = Trigger.MANUAL) -> str:
        """Ask for a deployment of what the branch shows now; answers its name."""
        commits = {"web": self.tips[tool][-1].commit} if trigger.automatic else {}
        alias, at = f"wish {len(self.names)}", timeline.seconds()
        await self.deploy(alias, tool, trigger={"kind": trigger.value, "commits": commits})
        self.wishes[self.names[alias]] = Wish(tool, trigger, at)
        return self.names[alias]

    async def withdraw(self, name: str) -> None:
        """Cancel; one that has ended already is none of the cancelled."""
        wish = self.wishes[name]
        path = f"{_GROUP}/namespaces/{namespace_of(wish.tool)}/tooldeployments/{name}"
        try:
            found = await self.ask("PATCH", path, {"spec": {"cancel": True}}, "merge")
        except AssertionError:
            return  # forgotten, or refused because it has ended
        if not State(found.get("status", {}).get("status", "pending")).final:
            wish.cancelled = timeline.now()

    def last_written(self) -> dict[str, ToolDeployment]:
        """Every deployment as the controller left it, in the order in which they were asked for."""
        written = {e.body["metadata"]["name"]: e.body for e in oracle._status_patches(self)}
        known = {"apiVersion": API_VERSION, "kind": "ToolDeployment"}
        return {
            name: kinds.DEPLOYMENTS.read(known | written[name])
            for name in self.wishes
            if name in written
        }

    def begun(self) -> dict[str, float]:
        """When work on a deployment began, in that order."""
        begun: dict[str, float] = {}
        for entry in oracle._status_patches(self):
            if entry.body["status"].get("started_at"):
                begun.setdefault(entry.body["metadata"]["name"], entry.at)
        return begun


async def live(crowd: Crowd, chance: random.Random) -> None:
    """Everybody comes; one in three changes their mind."""
    coming = [(_moment(chance, SPAN), BUSY, chance.choice(TRIGGERS)) for _ in range(MANY)]
    others = crowd.names_of_tools()[1:]
    coming += [(_moment(chance, SPAN / 4), tool, chance.choice(TRIGGERS)) for tool in others]
    began = timeline.seconds()
    async with asyncio.TaskGroup() as cancels:
        for moment, tool, trigger in sorted(coming):
            await asyncio.sleep(max(0.0, began + moment - timeline.seconds()))
            if chance.random() < 0.5:
                await crowd.push(tool)
            name = await crowd.wish(tool, trigger)
            if chance.random() < 0.3:
                patience = chance.uniform(0, chance.choice((1.0, 8.0, 60.0)))
                cancels.create_task(_cancel_after(crowd, name, patience))


async def watch(crowd: Crowd, wrong: list[str]) -> None:
    """Until cancelled, see to it that no tool has more than one deployment under way."""
    while True:
        for tool in crowd.names_of_tools():
            building = {build.deployment for build in crowd.fake.live_builds(tool)}
            wrong += [f"{tool} builds for {sorted(building)}"] if len(building) > 1 else []
        found = await crowd.deployments(BUSY)
        active = [d.name for d in found if d.status.started_at and not d.final]
        wrong += [f"{active} are under way"] if len(active) > 1 else []
        await asyncio.sleep(2)


async def end(crowd: Crowd, seconds: float = 3600) -> None:
    """Wait until everything has ended."""
    until = timeline.seconds() + seconds
    while going := [d.name for d in await everything(crowd) if not d.final]:
        assert timeline.seconds() < until, f"stuck: {going}"
        await asyncio.sleep(10)


async def all_begun(crowd: Crowd, seconds: float = 1200) -> dict[str, float]:
    """Wait until work on everything has begun; answers when it did."""
    until = timeline.seconds() + seconds
    while len(begun := crowd.begun()) < len(crowd.wishes):
        assert timeline.seconds() < until, f"{len(crowd.wishes) - len(begun)} have not begun"
        await asyncio.sleep(5)
    return begun


async def everything(crowd: Crowd) -> list[ToolDeployment]:
    """The deployments of all tools that are stored."""
    listed = await crowd.ask("GET", f"{_GROUP}/tooldeployments")
    known = {"apiVersion": API_VERSION, "kind": "ToolDeployment"}
    return [kinds.DEPLOYMENTS.read(known | item) for item in listed["items"]]


async def wrong(crowd: Crowd) -> list[str]:
    """The invariants, when all has ended; then there must be silence."""
    found = oracle._states(crowd) + convergence._deleted_unfinished(crowd)
    found += [f"{life.name} met {life.bugs()} bugs" for life in crowd.lives if life.bugs()]
    written, changes = crowd.last_written(), len(crowd.tape.changes)
    found += [f"nothing became of {name}" for name in crowd.wishes if name not in written]
    found += [bad for name, one in written.items() for bad in _end(crowd, name, one)]
    by_tool = defaultdict[str, list[ToolDeployment]](list)
    for name, one in written.items():
        by_tool[crowd.wishes[name].tool].append(one)
    for tool, of_tool in by_tool.items():
        found += oracle._turns(of_tool)
        found += [bad async for bad in _builds(crowd, tool)]
        found += await _job(crowd, tool, of_tool)
    found += _order(crowd)
    await asyncio.sleep(QUIET)
    found += [f"not silent: {entry}" for entry in crowd.tape.changes[changes:]]
    kept = Counter(one.metadata.namespace for one in await everything(crowd))
    return found + [
        f"{count} of {tool} are kept"
        for tool, count in kept.items()
        if count > crowd.policy.retained
    ]


def _end(crowd: Crowd, name: str, one: ToolDeployment) -> Iterator[str]:
    """Cancelled is who was cancelled; superseded is a poll by a newer one; the rest succeed."""
    wish, status = crowd.wishes[name], one.status
    if wish.cancelled is not None:
        expected: tuple[Any, ...] = (State.CANCELLED, Reason.CANCELLED)
    elif status.superseded_by:
        by = crowd.wishes[status.superseded_by]
        expected = (State.CANCELLED, Reason.SUPERSEDED)
        if not (wish.trigger.automatic and by.trigger.automatic and wish.tool == by.tool):
            yield f"{name} ({wish}) gave way to {by}"
        if status.superseded_by < name or status.started_at is not None:
            yield f"{name} gave way to {status.superseded_by}, although it was begun or newer"
    else:
        expected = (State.SUCCESSFUL, Reason.DEPLOYED)
        if status.started_at is None:
            yield f"{name} succeeded without having begun"
    if (status.status, status.reason) != expected:
        yield f"{name} ({wish}) ended as {status.status} {status.reason}: {status.message}"
    if status.deadline and status.finished_at and status.finished_at > status.deadline:
        yield f"{name} ended after its deadline"


async def _builds(crowd: Crowd, tool: str) -> AsyncIterator[str]:
    """Each commit was built once, for the tool's own deployments, and not after a cancel."""
    builds = await crowd.fake.builds.list(tool)
    good = Counter(build.commit for build in builds if build.state != BuildState.CANCELLED)
    for commit, count in good.items():
        if count > 1:
            yield f"{tool} built {commit} {count} times"
    for build in builds:
        wish = crowd.wishes[build.deployment]
        if wish.tool != tool:
            yield f"{tool} has a build of {build.deployment}"
        if wish.cancelled is not None and build.created_at > wish.cancelled + SOON:
            yield f"{build.id} was started after its cancel"


async def _job(crowd: Crowd, tool: str, found: Sequence[ToolDeployment]) -> list[str]:
    """What runs is what the last one brought, if that was the last to touch anything."""
    begun = [one for one in found if one.status.started_at is not None]
    if not begun or begun[-1].status.status != State.SUCCESSFUL:
        return []
    image = image_of("web", begun[-1].status.builds["web"].commit)
    running = [job.spec and job.spec.image for job in await crowd.fake.jobs.list(tool)]
    return [] if running == [image] else [f"{tool} runs {running} and not {image}"]


def _order(crowd: Crowd) -> list[str]:
    """Whatever began did so in the order of the wishes of its tool."""
    found, last = [], dict[str, str]()
    for name in crowd.begun():
        tool = crowd.wishes[name].tool
        if name < last.get(tool, ""):
            found.append(f"{last[tool]} began before {name}, which came first")
        last[tool] = name
    return found


def _moment(chance: random.Random, span: float) -> float:
    """Half of all come at once."""
    return chance.choice((0.0, chance.uniform(0, span)))


async def _cancel_after(crowd: Crowd, name: str, patience: float) -> None:
    await asyncio.sleep(patience)
    await crowd.withdraw(name)
