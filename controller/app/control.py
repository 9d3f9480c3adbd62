"""The controller's role: watch the objects, reconcile the tools, poll the repositories, as leader.

Made by the composition roots of `ptd controller` and `ptd local`, which differ only in what they
pass in. Only wiring belongs here.
"""

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from controller import config
from controller.app.clocks import Clocks
from controller.app.journal import MetricsJournal, watch_gauges
from controller.app.ports import CachedObjects, GitRefs, StoreWriter
from controller.backends.base import Backend
from controller.errors import EdgeError, Terminal, Transient
from controller.metrics import Metrics
from controller.models.meta import config_name
from controller.models.tooldeployment import ToolDeployment
from controller.reconcile.effects import Effects
from controller.reconcile.observed import Policy
from controller.reconcile.reconciler import Reconciler
from controller.reconcile.turns import take_turns
from controller.runtime.loop import Loop
from controller.runtime.result import Result
from controller.runtime.workqueue import WorkQueue
from controller.store import kinds
from controller.store.calls import Calls
from controller.store.feed import Feed
from controller.store.objects import Store
from watchers.cache import Cache
from watchers.git.repositories import Repositories
from watchers.objects import Pace, Reflector
from watchers.validity import Validity

STOP_GRACE = timedelta(seconds=3)  # within the safety margin of the lease
# Two bookmarks (one a minute) and a little: a watch that is silent for longer is dead.
SILENT = timedelta(seconds=140)


class Leadership(Protocol):
    """Decides whether this process may act (`runtime.leader`, or `Alone`)."""

    def may_act(self) -> bool:
        """Whether it may at this very moment."""
        ...

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` while leading."""
        ...


class Alone:
    """Leadership where nobody else can be: the folder's lock keeps a second `ptd local` away."""

    def may_act(self) -> bool:
        """Always."""
        return True

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Work until it ends."""
        await work()


class Poller(Protocol):
    """The repository watcher."""

    async def run(self) -> None:
        """Poll until cancelled."""
        ...

    def config_changed(self, tool: str) -> None:
        """The tool's objects changed: follow its config at once."""
        ...


@dataclass(frozen=True, slots=True)
class Outside:
    """What the controller works with.

    `told` hears of every change of a deployment (a display), `changed` of every tool of which an
    object changed (those who wait over HTTP).
    """

    calls: Calls
    backend: Backend
    repositories: Repositories
    metrics: Metrics
    clocks: Clocks
    identity: str
    told: Callable[[ToolDeployment], None] = lambda _: None
    changed: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done at once, how long one look may take, and how long to wait after failures."""

    workers: int = 8
    time_limit: timedelta = timedelta(minutes=2)
    first_retry: timedelta = timedelta(milliseconds=5)
    longest_retry: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator decided: for deployments, for configs, and for the work itself."""

    deployments: Policy
    configs: config.Policy
    effort: Effort = Effort()


class Control:
    """The running controller."""

    def __init__(self, outside: Outside, rules: Rules, leadership: Leadership) -> None:
        self._outside = outside
        self._leadership = leadership
        clocks, metrics = outside.clocks, outside.metrics
        self.queue = WorkQueue(
            clocks.monotonic,
            random.random,
            first_retry=rules.effort.first_retry,
            longest_retry=rules.effort.longest_retry,
        )
        self.cache = Cache(self._changed)
        self.store = Store(outside.calls, clocks.utc, outside.identity, self.cache)
        self.validity = Validity(self.cache, self.store, rules.configs, clocks.utc)
        self._poller: Poller | None = None
        self._confirmed: dict[str, frozenset[str]] = {}  # tool → uids asked for while leading
        self._reconciler = self._make_reconciler(rules.deployments)
        self._reflectors = self._make_reflectors()
        self._loop = Loop(
            self.queue,
            self._look_at,
            metrics.reconcile,
            clocks.monotonic,
            workers=rules.effort.workers,
            time_limit=rules.effort.time_limit,
        )
        watch_gauges(metrics.deployments, self.cache.unfinished, clocks.utc)

    @property
    def may_act(self) -> Callable[[], bool]:
        """Whether this process may act at the moment of the call."""
        return self._leadership.may_act

    def unsynced(self) -> str | None:
        """A check for readiness: None when all objects have been read."""
        waiting = any(not reflector.synced.is_set() for reflector in self._reflectors)
        return "the objects are being read" if waiting else None

    def mirrored(self) -> bool:
        """Whether the cache shows what is: all was read, and the control plane is heard."""
        return self.unsynced() is None and self.silent() is None

    def silent(self) -> str | None:
        """A check for liveness: None while the control plane is heard."""
        oldest = max(reflector.age for reflector in self._reflectors)
        return f"nothing heard for {oldest.total_seconds():.0f} s" if oldest > SILENT else None

    def wake(self, tool: str) -> None:
        """Something of the tool changed outside of the control plane: look at it."""
        self.queue.add(tool)

    async def run(self, poller: Poller) -> None:
        """Mirror the objects, and act while leading, until cancelled."""
        self._poller = poller
        async with asyncio.TaskGroup() as tasks:
            for reflector in self._reflectors:
                tasks.create_task(reflector.run())
            tasks.create_task(self._leadership.run(self._lead), name="leader")

    async def _lead(self) -> None:
        assert self._poller is not None  # noqa: S101 - `run` sets it
        for reflector in self._reflectors:
            await reflector.synced.wait()
        # What has been read stays: a full collection over it would hold up the loop for most of a
        # second at 10,000 tools.
        gc.freeze()
        self._confirmed.clear()
        for tool in self.cache.tools():
            self.queue.add(tool)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._work(), name="loop")
            tasks.create_task(self._poller.run(), name="poller")

    async def _work(self) -> None:
        """The loop; when cancelled, running reconciles may end what they have begun."""
        running = asyncio.create_task(self._loop.run(), name="workers")
        try:
            await asyncio.shield(running)
        finally:
            await self._loop.stop(STOP_GRACE)
            await running

    def _changed(self, tool: str) -> None:
        self.queue.add(tool)
        self._outside.changed(tool)
        if self._poller is not None:
            self._poller.config_changed(tool)

    async def _look_at(self, tool: str) -> Result:
        """What is done for a key: say whether its config is valid, and reconcile in any case.

        Refusals of git and the backends end deployments inside. One that comes out here is the
        control plane's (a right is missing): it is no reason to forget the tool.
        """
        unsaid: EdgeError | None = None
        try:
            if self._leadership.may_act():
                await self._confirm(tool)
                await self._look_at_config(tool)
                unsaid = await self._judge_config(tool)
            result = await self._reconciler.reconcile(tool)
        except Terminal as refused:
            raise Transient(refused.reason, refused.message) from refused
        if unsaid is not None:
            raise Transient(unsaid.reason, unsaid.message, latest=result.after) from unsaid
        return result

    async def _judge_config(self, tool: str) -> EdgeError | None:
        """Say whether the config is valid; what cannot be written waits for the next look."""
        if not self._leadership.may_act():  # any more: what was asked for may have taken long
            return None
        try:
            await self.validity.record(tool)
        except EdgeError as error:
            return error
        return None

    async def _confirm(self, tool: str) -> None:
        """Ask once how each unfinished deployment is now, before anything is done for it.

        Who begins to lead may have a view from before its predecessor's last writes: a deployment
        that has ended since must not be brought to its end again.
        """
        known = self._confirmed.get(tool, frozenset())
        held = self.cache.deployments(tool)[0]
        for deployment in held:
            if deployment.metadata.uid not in known:
                uid = deployment.metadata.uid
                await self.store.look(kinds.DEPLOYMENTS, tool, deployment.name, uid)
        self._confirmed[tool] = frozenset(deployment.metadata.uid for deployment in held)
        if not held:
            del self._confirmed[tool]

    async def _look_at_config(self, tool: str) -> None:
        """A deployment begins with the config as it is now; the watch of configs may be behind.

        Deployments and configs are two watches: what was stored first may be seen last.
        """
        active = take_turns(self.cache.deployments(tool)[0]).active
        if active is None or active.status.tool_config is not None:
            return
        known = self.cache.config(tool)
        uid = known.metadata.uid if known else ""
        await self.store.look(kinds.CONFIGS, tool, config_name(tool), uid)

    def _make_reconciler(self, policy: Policy) -> Reconciler:
        outside = self._outside
        writer = StoreWriter(self.store, self._leadership.may_act)
        journal = MetricsJournal(outside.metrics.deployments, outside.clocks.utc, outside.told)
        effects = Effects(
            outside.backend,
            GitRefs(outside.repositories),
            writer,
            journal,
            self._leadership.may_act,
        )
        return Reconciler(
            CachedObjects(self.cache, self.validity),
            writer,
            outside.backend,
            effects,
            journal,
            outside.clocks.utc,
            policy,
        )

    def _make_reflectors(self) -> tuple[Reflector, ...]:
        feed = Feed(self._outside.calls)
        pace = Pace(self._outside.clocks.monotonic, random.random)
        metrics = self._outside.metrics.watches
        return tuple(
            Reflector(kind, feed, self.cache, metrics, pace)
            for kind in (kinds.DEPLOYMENTS, kinds.CONFIGS)
        )
