"""`ptd api`: the HTTP API on a cluster; stateless, in as many processes as wanted.

Called by `controller.cli.roles`; `parts_of` is shared with local mode. Only wiring belongs here.
"""

import asyncio
import secrets
import socket
import ssl
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta

from aiohttp import web
from prometheus_client import CollectorRegistry

from controller import __version__, listening
from controller.api.app import Parts, application
from controller.api.auth import Trust
from controller.api.changes import Changes
from controller.api.deployments import Limits
from controller.api.generate import Existing, Nothing
from controller.api.health import Health
from controller.api.sources import Fetcher
from controller.app import certificates, policy, polling
from controller.app.clocks import SYSTEM, Clocks
from controller.app.cluster import connected, gateway_of
from controller.app.existing import ToolforgeExisting
from controller.app.ops import OpsRoutes
from controller.app.role import Role, Work
from controller.app.watching import DeploymentWatch, waiters_of
from controller.backends.toolforge.client import opened
from controller.metrics import Metrics
from controller.settings import Settings
from controller.store.calls import Calls
from controller.store.objects import Store
from controller.store.secrets import Secrets
from watchers.cache import Cache
from watchers.git.addresses import Guard

_SHUTDOWN = timedelta(seconds=5)  # for requests that are being answered
_PREFIXES = ("", "/components")  # behind a gateway that takes its prefix away, and without one


def parts_of(settings: Settings, calls: Calls, clocks: Clocks, trust: Trust, cache: Cache) -> Parts:
    """What the HTTP API works with, as the settings say; jobs and builds are not known yet."""
    store = Store(calls, clocks.utc, f"ptd-api-{socket.gethostname()}", cache)
    addresses = polling.addresses(settings)
    web_only = addresses.schemes & {"https", "http"}
    return Parts(
        store=store,
        secrets=Secrets(calls),
        sources=Fetcher(Guard(replace(addresses, schemes=web_only, allow_file=False))),
        health=Health(store, clocks.monotonic),
        clock=clocks.utc,
        draw=secrets.randbelow,
        trust=trust,
        policy=policy.rules_of(settings).configs,
        limits=Limits(unfinished=settings.unfinished_limit),
        token_lifetime=settings.token_lifetime,
    )


class Api(Role):
    """The HTTP API on a cluster."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._metrics = Metrics(CollectorRegistry(), version=__version__, role="api")

    async def _start(self) -> Work:
        settings = self._settings
        expiries = certificates.expiries(settings)
        trust = Trust(settings.trust_gateway, settings.api_client_authority is not None)
        calls = await connected(settings, self._metrics.requests, self._stack)
        changes = Changes(limits=waiters_of(settings))
        self._metrics.http.watch_waiters(lambda: changes.waiting, changes.limits.all)
        self._metrics.certificates.watch(lambda: expiries)
        watch = DeploymentWatch(calls, SYSTEM, self._metrics.watches, changes)
        made = parts_of(settings, calls, SYSTEM, trust, watch.cache)
        parts = replace(made, existing=await self._existing(), changes=changes)
        app = application(lambda: parts, self._metrics.http, _PREFIXES)
        ready = {"control plane": parts.health.problem, "objects": watch.unsynced}
        OpsRoutes(self._metrics.registry, {}, ready).mount(app)
        await self._listen(app)
        return lambda: _all(parts.health.keep_looking(), watch.run())

    async def _existing(self) -> Existing:
        gateway = gateway_of(self._settings)
        if not gateway.url and not (gateway.builds_url and gateway.jobs_url):
            return Nothing()
        record = self._metrics.requests.backend
        return ToolforgeExisting(await self._stack.enter_async_context(opened(gateway, record)))

    async def _listen(self, app: web.Application) -> None:
        settings = self._settings
        context = await asyncio.to_thread(_tls, settings)
        runner = listening.Runner(app, _SHUTDOWN, late=self._metrics.http.late)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await runner.listen(settings.api_host, settings.api_port, context)
        host, port = runner.addresses[0][:2]
        self.url = f"{'https' if context else 'http'}://{host}:{port}"


async def _all(*works: Coroutine[None, None, None]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for work in works:
            tasks.create_task(work)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    """How https is spoken. A client without a certificate may still come with a deploy token."""
    if settings.api_certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.api_certificate, settings.api_key)
    if settings.api_client_authority is not None:
        context.load_verify_locations(settings.api_client_authority)
        context.verify_mode = ssl.CERT_OPTIONAL
    return context
