"""The whole controller between its neighbours, in one process and in virtual time.

Real: `Control` with store, reflectors, queue, loop and repository poller; the embedded control
plane with its file; the Toolforge backend. Stand-ins: builds-api, jobs-api, the git host. All
traffic passes a `proxy`. A life of the controller may be killed at any request; the next begins at
once, with nothing but what is stored.
"""

import asyncio
import random
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from controller import config
from controller.app.clocks import Clocks
from controller.app.control import Alone, Control, Effort, Leadership, Outside, Rules
from controller.backends import toolforge
from controller.backends.base import Backend
from controller.local import kubeconfig
from controller.local.server import ControlPlane
from controller.metrics import Metrics
from controller.models import crds
from controller.models.meta import API_VERSION, config_name, namespace_of
from controller.models.toolconfig import ToolConfigSpec
from controller.models.tooldeployment import ToolDeployment
from controller.reconcile.observed import Policy
from controller.store import kinds
from controller.store.calls import Calls
from controller.store.client import open_kubeconfig
from tests import builders
from tests.faults import timeline
from tests.faults.proxy import Proxy, Wire
from tests.faults.tape import Plan, Tape
from tests.support.toolforge.build_runs import Pace as BuildPace
from tests.support.toolforge.clock import SimulatedClock
from tests.support.toolforge.fake_builds import BuildsService, builds_app
from tests.support.toolforge.fake_jobs import JobsService, jobs_app
from tests.support.toolforge.registry import Registry
from watchers.git.addresses import Address, Guard
from watchers.git.addresses import Policy as AddressPolicy
from watchers.git.repositories import Repositories
from watchers.git.resolution import RefFound
from watchers.repositories.poller import Pace, RepositoryPoller
from watchers.repositories.stored import StoredObjects

JSON = dict[str, Any]
TOOL = builders.TOOL
CLOCKS = Clocks(timeline.now, lambda: timeline.seconds() + 1_000.0)
POLICY = Policy(
    settle_time=timedelta(seconds=2),
    start_timeout=timedelta(seconds=40),
    build_timeout=timedelta(minutes=3),
    deployment_timeout=timedelta(minutes=5),
)
POLL = timedelta(seconds=60)
Lead = Callable[["World", Calls, str], Leadership]


class _VirtualClock(SimulatedClock):
    """The stand-ins live in virtual time."""

    def __call__(self) -> Any:
        return timeline.now()


@dataclass
class Life:
    """One controller from its start to its end."""

    name: str
    wire: Wire
    proxies: list[Proxy]
    control: Control
    metrics: Metrics
    stack: AsyncExitStack
    task: "asyncio.Task[None]"

    def bugs(self) -> float:
        """Exceptions that nobody meant."""
        return self._sum("ptd_reconcile_bugs_total")

    def differences(self) -> float:
        """What comparisons with fresh lists found wrong in the cache."""
        return self._sum("ptd_resync_differences_total")

    def _sum(self, name: str) -> float:
        """All values of a metric; nothing else is collected, which would take long."""
        only = self.metrics.registry.restricted_registry([name])
        return sum(sample.value for metric in only.collect() for sample in metric.samples)


@dataclass
class World:
    """Made by `opened`."""

    folder: Path
    plane: ControlPlane
    session: aiohttp.ClientSession
    tape: Tape
    policy: Policy = POLICY
    heads: dict[str, str] = field(default_factory=lambda: {"main": builders.COMMIT})
    lives: list[Life] = field(default_factory=list)
    lead: Lead | None = None
    wrap: Callable[[Backend], Backend] = lambda backend: backend
    workers: int = 2
    skew: timedelta = timedelta()  # of the controller's clock
    pause: float = 0.0  # between a death and the next life
    prepare: "Callable[[World, AsyncExitStack], Awaitable[None]] | None" = None  # before the first
    names: dict[str, str] = field(default_factory=dict)  # what a scenario calls it: its id
    began: float = field(default_factory=timeline.seconds)

    def __post_init__(self) -> None:
        clock, registry = _VirtualClock(), Registry(open=False)
        self.builds = BuildsService(clock, self._commit, registry, pace=BuildPace(0.5, 3.0))
        self.jobs = JobsService(clock, registry)
        self.upstreams: dict[str, str] = {"kube": self.plane.url}
        self._deaths: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------------ what users do

    async def ask(self, method: str, path: str, body: Any = None, kind: str = "json") -> JSON:
        """A request of a user's, past all proxies."""
        content = {"json": "application/json", "merge": "application/merge-patch+json"}[kind]
        headers = {"Authorization": f"Bearer {self.plane.token}", "Content-Type": content}
        async with self.session.request(
            method, self.plane.url + path, json=body, headers=headers
        ) as answer:
            found: JSON = await answer.json()
            assert answer.status < 300, found
            return found

    async def configure(self, spec: ToolConfigSpec, tool: str = TOOL) -> None:
        """Store a tool's config."""
        name = config_name(tool)
        wanted = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
        body = {
            "apiVersion": API_VERSION,
            "kind": "ToolConfig",
            "metadata": {"name": name},
            "spec": wanted,
        }
        path = _path("toolconfigs", tool)
        listed = await self.ask("GET", path)
        if any(item["metadata"]["name"] == name for item in listed["items"]):
            old = await self.ask("GET", f"{path}/{name}")
            body["metadata"] = {
                "name": name,
                "resourceVersion": old["metadata"]["resourceVersion"],
            }
            await self.ask("PUT", f"{path}/{name}", body)
        else:
            await self.ask("POST", path, body)

    async def deploy(self, name: str, tool: str = TOOL, **spec: Any) -> None:
        """Create a ToolDeployment, with an id as the command line makes them."""
        number = len(self.names)
        self.names[name] = f"{timeline.now():%Y%m%d-%H%M%S}-a{number:09}"
        body = {
            "apiVersion": API_VERSION,
            "kind": "ToolDeployment",
            "metadata": {"name": self.names[name]},
            "spec": spec,
        }
        await self.ask("POST", _path("tooldeployments", tool), body)

    async def cancel(self, name: str, tool: str = TOOL) -> bool:
        """Set spec.cancel; whether it came before the end."""
        path = f"{_path('tooldeployments', tool)}/{self.names[name]}"
        found = await self.ask("PATCH", path, {"spec": {"cancel": True}}, "merge")
        return not kinds.DEPLOYMENTS.read(_typed(found)).final

    async def delete(self, name: str, tool: str = TOOL) -> None:
        """Delete a ToolDeployment."""
        await self.ask("DELETE", f"{_path('tooldeployments', tool)}/{self.names[name]}")

    async def deployments(self, tool: str = TOOL) -> list[ToolDeployment]:
        """All of a tool, in the order of their creation."""
        listed = await self.ask("GET", _path("tooldeployments", tool))
        found = [kinds.DEPLOYMENTS.read(_typed(item)) for item in listed["items"]]
        return sorted(found, key=lambda d: (d.metadata.creation_timestamp, d.name))

    async def until(
        self, holds: Callable[[Sequence[ToolDeployment]], bool], seconds: float = 1500
    ) -> None:
        """Let time pass until something holds of the tool's deployments."""
        end = timeline.seconds() + seconds
        while not holds(found := await self.deployments()):
            states = {d.name: (d.status.status.value, d.status.message) for d in found}
            assert timeline.seconds() < end, f"stuck: {states}"
            await asyncio.sleep(0.5)

    async def ended(self, seconds: float = 1500) -> None:
        """Wait until every deployment has ended."""
        await self.until(lambda found: all(d.final for d in found), seconds)

    def clock(self) -> datetime:
        """The time of day, as the controller has it."""
        return timeline.now() + self.skew

    async def _commit(self, _repository: str, ref: str) -> str:
        """What git would answer builds-api."""
        return self.heads.get(ref.removeprefix("refs/heads/") or "HEAD", "")

    async def refs(self, _address: Address, wanted: Sequence[str]) -> Mapping[str, RefFound]:
        """What git answers the controller."""
        await asyncio.sleep(0.05)
        known = {_full(name): commit for name, commit in self.heads.items()}
        return {
            name: RefFound(commit)
            for name, commit in known.items()
            if any(name == one or (one[-1] == "*" and name.startswith(one[:-1])) for one in wanted)
        }

    # ------------------------------------------------------------------ the controller's lives

    async def start(self) -> Life:
        """Start a controller that remembers nothing."""
        number = len(self.lives) + 1
        stack = AsyncExitStack()
        wire = Wire(number, self.tape, self.session, self._killed)
        proxies = [await Proxy(wire, name, url).start() for name, url in self.upstreams.items()]
        urls = {proxy.neighbour: proxy.url for proxy in proxies}
        metrics = Metrics(CollectorRegistry(), version="test", role="controller")
        outside = Outside(
            calls=await self._calls(urls["kube"], metrics, stack),
            backend=self.wrap(
                await stack.enter_async_context(toolforge.connect(_gateway(urls), self.clock))
            ),
            repositories=Repositories(Guard(AddressPolicy(allow_private=True), _lookup), self),
            metrics=metrics,
            clocks=Clocks(self.clock, CLOCKS.monotonic),
            identity=f"life-{number}",
        )
        rules = Rules(self.policy, config.Policy(min_poll_seconds=30), Effort(workers=self.workers))
        leading = self.lead(self, outside.calls, outside.identity) if self.lead else Alone()
        control = Control(outside, rules, leading)
        task = asyncio.create_task(
            control.run(self._poller(control, outside)), name=f"life {number}"
        )
        life = Life(outside.identity, wire, proxies, control, metrics, stack, task)
        self.lives.append(life)
        return life

    def kill(self, life: Life) -> None:
        """As `kill -9`: from now on nothing of it reaches anybody."""
        life.wire.dead = True
        life.wire.sever()
        life.task.cancel()

    async def close(self) -> None:
        """End everything."""
        while self._deaths:
            await asyncio.gather(*self._deaths)
        for life in self.lives:
            self.kill(life)
            await asyncio.wait([life.task])
            await life.stack.aclose()
            for proxy in life.proxies:
                await proxy.stop()

    def _killed(self, wire: Wire) -> None:
        """A proxy met a crash: the life ends, and the next begins."""
        if not wire.dead:
            self.kill(self.lives[wire.life - 1])
            task = asyncio.create_task(self._next())
            self._deaths.add(task)
            task.add_done_callback(self._deaths.discard)

    async def _next(self) -> None:
        await asyncio.sleep(self.pause)
        await self.start()

    async def _calls(self, url: str, metrics: Metrics, stack: AsyncExitStack) -> Calls:
        path = self.folder / f"kubeconfig-{len(self.lives)}"
        path.write_text(kubeconfig.render(url, self.plane.authority, self.plane.token, "default"))
        connection = await open_kubeconfig(path, CLOCKS.monotonic)
        stack.push_async_callback(connection.close)
        return Calls(connection, metrics.requests, CLOCKS.monotonic)

    def _poller(self, control: Control, outside: Outside) -> RepositoryPoller:
        return RepositoryPoller(
            StoredObjects(control.cache, control.store, control.validity),
            outside.repositories,
            outside.metrics.polls,
            control.may_act,
            Pace(timeline.now, random.random, POLL),
        )


@asynccontextmanager
async def opened(plan: Plan = (), kind: type[World] = World, **fields: Any) -> AsyncIterator[World]:
    """A world with an empty tool `demo`, and one controller in it, on a virtual loop."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=_memory())))
        shutil.copytree(await template(), folder, dirs_exist_ok=True)
        plane = await stack.enter_async_context(
            ControlPlane(folder / "state.db", clock=timeline.now)
        )
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=60)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=connector,
                auto_decompress=False,
                timeout=aiohttp.ClientTimeout(total=None),
            )
        )
        world = kind(folder, plane, session, Tape(plan), **fields)
        for name, app in (("builds", builds_app(world.builds)), ("jobs", jobs_app(world.jobs))):
            server = await stack.enter_async_context(TestServer(app))
            world.upstreams[name] = str(server.make_url("")).rstrip("/")
        if world.prepare is not None:
            await world.prepare(world, stack)
        stack.push_async_callback(world.close)
        await world.start()
        yield world


_TEMPLATES: list[Path] = []


async def template() -> Path:
    """A folder with a control plane that knows our kinds and the tool's namespace."""
    if not _TEMPLATES:
        folder = Path(tempfile.mkdtemp(dir=_memory(), prefix="ptd-faults-"))
        async with (
            ControlPlane(folder / "state.db", clock=timeline.now) as plane,
            aiohttp.ClientSession() as session,
        ):
            world = World(folder, plane, session, Tape())
            for definition in crds.definitions():
                path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
                await world.ask("POST", path, dict(definition))
            for tool in (TOOL, "other"):
                body = {
                    "apiVersion": "v1",
                    "kind": "Namespace",
                    "metadata": {"name": namespace_of(tool)},
                }
                await world.ask("POST", "/api/v1/namespaces", body)
            await asyncio.sleep(5)
        _TEMPLATES.append(folder)
    return _TEMPLATES[0]


def forget_template() -> None:
    """Remove it at the end of the tests."""
    while _TEMPLATES:
        shutil.rmtree(_TEMPLATES.pop(), ignore_errors=True)


def _full(name: str) -> str:
    """The full name of what a world's `heads` hold: branches, unless they are called otherwise."""
    return name if name == "HEAD" or name.startswith("refs/") else f"refs/heads/{name}"


def _memory() -> str | None:
    """A folder that is no disk, where there is one: what is tested here is not the disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


async def _lookup(_host: str, _port: int) -> Sequence[str]:
    return ["192.0.2.1"]


def _gateway(urls: Mapping[str, str]) -> toolforge.Gateway:
    return toolforge.Gateway(tool_header=True, builds_url=urls["builds"], jobs_url=urls["jobs"])


def _path(plural: str, tool: str) -> str:
    return f"/apis/{API_VERSION}/namespaces/{namespace_of(tool)}/{plural}"


def _typed(item: JSON) -> JSON:
    return {"apiVersion": API_VERSION, "kind": "ToolDeployment"} | item
