"""Random walks: what users do and what goes wrong, in any order, from one number.

A walk acts on two tools of a `World`, makes faults of every kind for the requests to come, and
kills the controller; then the faults end. `convergence` says what must hold at each step and at
the end. The same seed is the same walk.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from controller.models.meta import namespace_of
from controller.models.toolconfig import Component
from controller.models.tooldeployment import ToolDeployment
from tests import builders
from tests.faults import timeline
from tests.faults.tape import Fault
from tests.faults.world import World

TOOLS = ("demo", "other")
COMMITS = tuple(letter * 40 for letter in "0123456789")
REFS = ("main", "main", "main", "worker", "fail", "hang", "gone")
COMMANDS = ("serve", "serve", "serve", "slow", "crash", "never")
SCHEDULED = (1.0, 1.0, 5.0, 20.0, 60.0)
VERBS: tuple[tuple[str, ...], ...] = ((), (), ("GET",), ("POST",), ("PATCH",))


@dataclass
class Walk:
    """One walk through a world, and what is remembered of it."""

    world: World
    chance: random.Random
    did: list[str] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)  # tools without a namespace
    forced: set[str] = field(default_factory=set)  # tools for which a build was forced
    deleted: set[str] = field(default_factory=set)  # tools of which a deployment was deleted
    unseen: bool = False  # whether a watch was damaged

    async def begin(self) -> None:
        """Both tools have a config that works."""
        for tool in TOOLS:
            self.touched.add(tool)
            await self.world.configure(builders.config(web=builders.component(port=8000)), tool)

    async def step(self) -> None:
        """Do one thing."""
        (act,) = self.chance.choices(list(ACTIONS), list(ACTIONS.values()))
        said = await act(self)
        self.did.append(f"{timeline.seconds() - self.world.began:.2f} {said}")
        await asyncio.sleep(self.chance.choice((0.0, 0.3, 1.0, 3.0)))

    async def calm(self) -> None:
        """Faults end: one controller lives, and every tool has its namespace."""
        self.world.tape.plan = ()
        await self.one_lives()
        for tool in sorted(self.gone):
            await self.found(tool)

    async def one_lives(self) -> None:
        """Wait until no death is under way."""
        while self.world._deaths:
            await asyncio.gather(*self.world._deaths)

    def tool(self) -> str:
        """A tool that has a namespace; the first is used more often."""
        there = [tool for tool in TOOLS if tool not in self.gone]
        tool = self.chance.choice((there[0], *there))
        self.touched.add(tool)
        return tool

    async def one_of(self, tool: str) -> ToolDeployment | None:
        """One of its deployments, rather one that goes on."""
        found = await self.world.deployments(tool)
        going = [d for d in found if not d.final]
        return self.chance.choice(going or found) if found else None

    async def found(self, tool: str) -> None:
        """Make the tool's namespace again, as soon as the old one has gone."""
        body = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": namespace_of(tool)},
        }
        for _ in range(60):
            if await self.tried(self.world.ask("POST", "/api/v1/namespaces", body)):
                break
            await asyncio.sleep(1)
        self.gone.discard(tool)

    async def tried(self, request: Awaitable[object]) -> bool:
        """Users may come too late, or write nonsense; whether it was accepted."""
        try:
            await request
        except AssertionError:
            return False
        return True


# ------------------------------------------------------------------ what users do


async def configure(walk: Walk) -> str:
    chance, tool = walk.chance, walk.tool()

    def component() -> Component:
        return builders.component(
            repository=f"https://git.example.org/{chance.choice(('demo', 'worker'))}.git",
            ref=chance.choice(REFS),
            command=chance.choice(COMMANDS),
        )

    parts: dict[str, Component] = {"web": component()}
    if chance.random() < 0.5:
        parts["worker"] = component()
    if chance.random() < 0.4:
        parts["report"] = builders.scheduled(chance.choice(sorted(parts)))
    config = builders.config(prune=chance.random() < 0.8, **parts)
    if chance.random() < 0.4:
        config = config.model_copy(update={"auto_deploy": True, "poll_interval": "30s"})
    await walk.tried(walk.world.configure(config, tool))
    refs = {name: getattr(part.build, "ref", "") for name, part in parts.items()}
    return f"configured {tool}: {refs}, auto_deploy {config.auto_deploy}"


async def spoil(walk: Walk) -> str:
    """A config that is no good."""
    tool, chance = walk.tool(), walk.chance
    web = {"build": {"repository": "https://git.example.org/x.git", "ref": "main"}}
    spec: object = chance.choice(
        [
            {},
            {"components": {"web": web}},
            {"components": {"web": {"build": {"reuse_from": "gone"}, "run": {"command": "x"}}}},
            {"components": {"web": {**web, "run": {"command": "x", "port": -1}}}},
        ]
    )
    path = f"/apis/components-api.toolforge.org/v1/namespaces/{namespace_of(tool)}/toolconfigs"
    taken = await walk.tried(
        walk.world.ask("PATCH", f"{path}/{tool}-config", {"spec": spec}, "merge")
    )
    return f"spoilt the config of {tool}: {spec}, {'taken' if taken else 'refused'}"


async def unconfigure(walk: Walk) -> str:
    tool = walk.tool()
    path = f"/apis/components-api.toolforge.org/v1/namespaces/{namespace_of(tool)}/toolconfigs"
    await walk.tried(walk.world.ask("DELETE", f"{path}/{tool}-config"))
    return f"removed the config of {tool}"


async def deploy(walk: Walk) -> str:
    tool, chance = walk.tool(), walk.chance
    spec = {name: True for name in ("force_build", "force_run") if chance.random() < 0.15}
    if "force_build" in spec:
        walk.forced.add(tool)
    name = f"d{len(walk.world.names) + 1}"
    await walk.tried(walk.world.deploy(name, tool, **spec))
    return f"deployed {name} of {tool} {spec}"


async def cancel(walk: Walk) -> str:
    tool = walk.tool()
    chosen = await walk.one_of(tool)
    if chosen is not None:
        body = {"spec": {"cancel": True}}
        await walk.tried(walk.world.ask("PATCH", _path(tool, chosen), body, "merge"))
    return f"cancelled {chosen.name if chosen else 'nothing'} of {tool}"


async def delete(walk: Walk) -> str:
    tool = walk.tool()
    chosen = await walk.one_of(tool)
    if chosen is not None:
        walk.deleted.add(tool)
        await walk.tried(walk.world.ask("DELETE", _path(tool, chosen)))
    return f"deleted {chosen.name if chosen else 'nothing'} of {tool}"


async def delete_namespace(walk: Walk) -> str:
    if walk.gone:
        tool = min(walk.gone)
        await walk.found(tool)
        return f"made the namespace of {tool} again"
    tool = TOOLS[1]
    walk.gone.add(tool)
    walk.deleted.add(tool)
    await walk.world.ask("DELETE", f"/api/v1/namespaces/{namespace_of(tool)}")
    return f"deleted the namespace of {tool}"


async def push(walk: Walk) -> str:
    ref, commit = walk.chance.choice(("main", "worker", "fail")), walk.chance.choice(COMMITS)
    walk.world.heads[ref] = commit
    return f"pushed {commit[:3]} to {ref}"


async def wait(walk: Walk) -> str:
    seconds = walk.chance.choice(SCHEDULED)
    await asyncio.sleep(seconds)
    return f"waited {seconds} s"


# ------------------------------------------------------------------ what goes wrong


async def kill(walk: Walk) -> str:
    await walk.one_lives()
    for life in walk.world.lives:
        if not life.wire.dead:
            walk.world.kill(life)
    await asyncio.sleep(walk.chance.choice((0.0, 2.0, 40.0)))
    await walk.world.start()
    return "killed the controller"


async def break_requests(walk: Walk) -> str:
    chance = walk.chance
    kind = chance.choice(("crash before", "crash unanswered", "crash after", "lost", "refused"))
    how = {
        "lost": ("reset", "504", "silence", "half"),
        "refused": ("409", "429", "500", "503", "reset", "silence", "half", "garbage", "wrong"),
    }.get(kind, ("",))
    verbs = chance.choice(VERBS) if kind == "refused" else ()
    times = chance.choice((1, 1, 2, 5)) if kind == "refused" else 1
    fault = Fault(kind, chance.randint(1, 8), chance.choice(how), verbs, times=times)
    return _planned(walk, fault)


async def slow_down(walk: Walk) -> str:
    seconds = walk.chance.choice((1.0, 10.0))
    return _planned(walk, Fault("slow", walk.chance.randint(1, 8), seconds=seconds))


async def damage_views(walk: Walk) -> str:
    chance = walk.chance
    how = chance.choice(("hold", "twice", "half", "cut", "expire", "silence", "drop"))
    walk.unseen = True
    at = walk.world.tape.events + chance.randint(1, 12)
    return _planned(walk, Fault("view", at, how, seconds=chance.choice((1.0, 10.0))))


def _planned(walk: Walk, fault: Fault) -> str:
    walk.world.tape.plan = (*walk.world.tape.plan, fault)
    return f"to come: {fault}"


def _path(tool: str, chosen: ToolDeployment) -> str:
    space = namespace_of(tool)
    group = "/apis/components-api.toolforge.org/v1"
    return f"{group}/namespaces/{space}/tooldeployments/{chosen.name}"


ACTIONS: dict[Callable[[Walk], Awaitable[str]], int] = {
    configure: 5,
    spoil: 1,
    unconfigure: 1,
    deploy: 10,
    cancel: 2,
    delete: 1,
    delete_namespace: 1,
    push: 3,
    wait: 5,
    kill: 1,
    break_requests: 5,
    slow_down: 1,
    damage_views: 3,
}
