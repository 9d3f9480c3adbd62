"""Both stand-ins on loopback, and the backend connected to them: Toolforge in one test."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aiohttp.test_utils import TestServer

from controller.backends.base import Backend
from controller.backends.toolforge import Gateway, connect
from tests.support.toolforge.clock import EPOCH, SimulatedClock
from tests.support.toolforge.fake_builds import BuildsService, builds_app
from tests.support.toolforge.fake_jobs import JobsService, jobs_app
from tests.support.toolforge.openapi import builds_document, jobs_document
from tests.support.toolforge.registry import Registry

_BUILDS, _JOBS = builds_document(), jobs_document()


@dataclass
class Toolforge:
    """The services as they are, the backend as the core sees it, and what it recorded."""

    builds: BuildsService
    jobs: JobsService
    gateway: Gateway
    backend: Backend
    recorded: list[tuple[str, str, int | str]] = field(default_factory=list)

    def advance(self, seconds: float) -> None:
        """Let simulated time pass."""
        self.builds.clock.advance(seconds)

    @asynccontextmanager
    async def restarted(self) -> AsyncIterator[Backend]:
        """The backend of a controller that was just started, without any memory."""
        async with connect(self.gateway, self.builds.clock) as backend:
            yield backend


@asynccontextmanager
async def toolforge(
    start: datetime = EPOCH, timeout: timedelta = timedelta(seconds=20)
) -> AsyncIterator[Toolforge]:
    """A world of its own; every answer in it is held to the OpenAPI documents."""
    clock, registry = SimulatedClock(start), Registry()
    builds = BuildsService(clock, registry=registry)
    jobs = JobsService(clock, registry)
    recorded: list[tuple[str, str, int | str]] = []
    async with (
        TestServer(builds_app(builds, _BUILDS)) as builds_server,
        TestServer(jobs_app(jobs, _JOBS)) as jobs_server,
    ):
        gateway = Gateway(
            builds_url=str(builds_server.make_url("")),
            jobs_url=str(jobs_server.make_url("")),
            tool_header=True,
            timeout=timeout,
        )
        record = lambda *call: recorded.append(call[:3])  # noqa: E731 - one line says it
        async with connect(gateway, clock, record) as backend:
            yield Toolforge(builds, jobs, gateway, backend, recorded)
