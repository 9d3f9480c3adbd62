"""Everything of Toolforge around the HTTP API: control plane, controller, services, a repository.

The controller is the real one, on the stand-ins of builds-api and jobs-api in real time, with short
builds. The API is served as a composition root would serve it.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from controller import config
from controller.api import app
from controller.api.auth import Trust
from controller.api.deployments import Limits
from controller.api.health import Health
from controller.app.clocks import SYSTEM as CLOCKS
from controller.app.control import Alone, Control, Outside, Rules
from controller.app.existing import ToolforgeExisting
from controller.backends.toolforge import Gateway, connect
from controller.backends.toolforge.client import opened
from controller.metrics import Metrics
from controller.reconcile.observed import Policy
from controller.store.calls import Calls
from controller.store.objects import Store
from controller.store.secrets import Secrets
from tests.api.service import Pages, connected
from tests.support import controlplane
from tests.support.githttp import GitServer
from tests.support.gitrepo import BareRepository
from tests.support.toolforge.__main__ import ls_remote
from tests.support.toolforge.build_runs import Pace
from tests.support.toolforge.clock import real_clock
from tests.support.toolforge.fake_builds import BuildsService, builds_app
from tests.support.toolforge.fake_jobs import JobsService, jobs_app
from tests.support.toolforge.openapi import builds_document, jobs_document
from tests.support.toolforge.registry import Registry
from watchers.git import addresses
from watchers.git.ls_remote import LsRemote
from watchers.git.process import GitProcesses
from watchers.git.repositories import Repositories

QUICK = Policy(
    settle_time=timedelta(),
    look_at_builds=timedelta(milliseconds=100),
    look_at_jobs=timedelta(milliseconds=100),
    report_progress=timedelta(),
)


@dataclass
class Platform:
    """What a test needs of it. `repository` has a branch `main`."""

    tool: str
    repository: str
    calls: Calls
    existing: ToolforgeExisting
    pages: Pages

    def application(
        self, trust: Trust, limits: Limits | None = None, prefixes: tuple[str, ...] = ("",)
    ) -> web.Application:
        """The HTTP API on this platform."""
        store = Store(self.calls, CLOCKS.utc, "api-tests")
        parts = app.Parts(
            store=store,
            secrets=Secrets(self.calls),
            sources=self.pages,
            health=Health(store, time.monotonic),
            clock=CLOCKS.utc,
            draw=secrets.randbelow,
            trust=trust,
            limits=limits or Limits(),
            existing=self.existing,
        )
        registry = Metrics(CollectorRegistry(), version="0", role="api")
        return app.application(lambda: parts, registry.http, prefixes)


class NoPolling:
    """A poller of nothing."""

    async def run(self) -> None:
        await asyncio.Event().wait()

    def config_changed(self, tool: str) -> None:
        """Nobody follows refs."""


@contextlib.asynccontextmanager
async def platform(
    access: controlplane.Access, folder: Path, building: float = 0.6
) -> AsyncIterator[Platform]:
    """The platform, with a tool of its own; a build takes `building` seconds."""
    tool = f"t{secrets.token_hex(4)}"
    async with contextlib.AsyncExitStack() as stack:
        calls = await stack.enter_async_context(connected(access.kubeconfig))
        await Secrets(calls).ensure_namespace(tool)
        repository = BareRepository.create(folder / "git" / "repo.git")
        repository.commit({"Procfile": "web: ./web\n"})
        server = await stack.enter_async_context(GitServer(folder / "git"))
        gateway = await _services(stack, building)
        backend = await stack.enter_async_context(connect(gateway, CLOCKS.utc))
        client = await stack.enter_async_context(opened(gateway))
        processes = GitProcesses(4)
        stack.callback(processes.close)
        guard = addresses.Guard(addresses.Policy(allow_private=True))
        outside = Outside(
            calls=calls,
            backend=backend,
            repositories=Repositories(guard, LsRemote(processes, timedelta(seconds=10)), 4),
            metrics=Metrics(CollectorRegistry(), version="0", role="controller"),
            clocks=CLOCKS,
            identity="api-tests",
        )
        control = Control(outside, Rules(QUICK, config.Policy()), Alone())
        work = asyncio.create_task(control.run(NoPolling()))
        stack.push_async_callback(_ended, work)
        yield Platform(tool, f"{server.url}/repo.git", calls, ToolforgeExisting(client), Pages())


async def _services(stack: contextlib.AsyncExitStack, building: float) -> Gateway:
    registry = Registry()
    builds = BuildsService(real_clock(), ls_remote, registry, pace=Pace(0.05, building, 0.05))
    jobs = JobsService(real_clock(), registry)
    urls = [
        str((await stack.enter_async_context(TestServer(each))).make_url(""))
        for each in (builds_app(builds, builds_document()), jobs_app(jobs, jobs_document()))
    ]
    return Gateway(builds_url=urls[0], jobs_url=urls[1], tool_header=True)


async def _ended(work: "asyncio.Task[None]") -> None:
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for something; a coroutine's answer counts too."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.05)
