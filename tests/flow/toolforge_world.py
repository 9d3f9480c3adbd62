"""The world of the flow tests with the Toolforge backend in it: real HTTP to the stand-ins.

Every request that changes something can be the moment of a crash, just before or just after it.
A crash ends the controller's memory; the next one begins when the old one's lease has run out.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aiohttp.test_utils import TestServer

from controller.backends.base import Backend
from controller.backends.toolforge import Gateway
from controller.backends.toolforge.builds import ToolforgeBuilds
from controller.backends.toolforge.client import Client, Service, nothing, opened
from controller.backends.toolforge.errors import Answer
from controller.backends.toolforge.jobs import ToolforgeJobs
from controller.reconcile.effects import Effects
from controller.reconcile.reconciler import Reconciler
from tests import builders
from tests.support.toolforge.build_runs import Pace
from tests.support.toolforge.clock import SimulatedClock
from tests.support.toolforge.fake_builds import BuildsService, builds_app
from tests.support.toolforge.fake_jobs import JobsService, jobs_app
from tests.support.toolforge.registry import Registry
from tests.support.world import CrashError, World

LEASE = timedelta(seconds=16)


class _WorldClock(SimulatedClock):
    """The world's time is the services' time."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def __call__(self) -> datetime:
        return self._world.now


@dataclass(frozen=True, slots=True)
class _DyingClient(Client):
    """Tells the world of every change, before and after."""

    world: "ToolforgeFlow"

    async def ask(
        self,
        service: Service,
        verb: str,
        tool: str,
        path: str,
        *,
        send: Any = None,
        timeout: timedelta | None = None,
    ) -> Answer:
        if verb != "GET":
            self.world.touch(f"{verb} {path}")
        answer = await Client.ask(self, service, verb, tool, path, send=send, timeout=timeout)
        if verb != "GET":
            self.world.touch(f"{verb} {path} done")
        return answer


@dataclass
class ToolforgeFlow(World):
    """Made by `flow`."""

    def __post_init__(self) -> None:
        clock, registry = _WorldClock(self), Registry(open=False)
        self.builds = BuildsService(clock, self.commit, registry, pace=Pace(0.5, 3.0))
        self.jobs = JobsService(clock, registry)

    def connect(self, gateway: Gateway, client: Client) -> None:
        """Where the services are."""
        self._client = _DyingClient(gateway, client.session, nothing, self)
        self.forget()

    def forget(self) -> None:
        """A controller that was just started."""
        client, clock = self._client, lambda: self.now
        self.toolforge = Backend(ToolforgeBuilds(client, clock), ToolforgeJobs(client, clock))

    def touch(self, name: str) -> None:
        """An effect."""
        self._effect(name)

    async def commit(self, repository: str, ref: str) -> str:
        """What git would answer builds-api."""
        return self.refs.get(ref.removeprefix("refs/heads/"), "")

    async def _once(self) -> timedelta | None:
        try:
            return await super()._once()
        except CrashError:
            self.crash_at = 0
            self.forget()
            return LEASE

    def reconciler(self) -> Reconciler:
        effects = Effects(self.toolforge, self, self, self, lambda: True)
        return Reconciler(self, self, self.toolforge, effects, self, lambda: self.now, self.policy)

    def outcome(self) -> dict[str, object]:
        """What may not differ, whatever crashed in between."""
        jobs = self.jobs.tool(builders.TOOL)
        jobs.cluster.advance(self.now)
        rolling = {n for n, d in jobs.cluster.deployments.items() if d.replicas > 1}
        return {
            "deployments": {
                d.name: (d.status.status, d.status.reason) for d in self.deployments.values()
            },
            "definitions": {
                name: job.model_dump(mode="json", exclude_unset=True, exclude={"imagename"})
                for name, job in jobs.stored.items()
            },
            "pods": {
                name: [pod.command for pod in deployment.alive()]
                for name, deployment in jobs.cluster.deployments.items()
            },
            "builds": self.builds.started,
            "builds that go on": self.builds.running(builders.TOOL),
            # After a crash a change of several replicas is made certain by a restart.
            "restarts": {n: times for n, times in jobs.started.items() if n not in rolling},
        }


@asynccontextmanager
async def flow(**fields: Any) -> AsyncIterator[ToolforgeFlow]:
    """A world with its services on loopback."""
    world = ToolforgeFlow(**fields)
    async with (
        TestServer(builds_app(world.builds)) as builds,
        TestServer(jobs_app(world.jobs)) as jobs,
    ):
        gateway = Gateway(
            tool_header=True,
            builds_url=str(builds.make_url("")),
            jobs_url=str(jobs.make_url("")),
        )
        async with opened(gateway) as client:
            world.connect(gateway, client)
            yield world
