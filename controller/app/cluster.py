"""`ptd controller`: the controller's role on a real cluster, with Toolforge's services.

Called by `controller.cli.roles`. Several may run: the Lease decides which of them acts. Only
wiring belongs here.
"""

import os
import random
import secrets
import socket
import time
from contextlib import AsyncExitStack
from datetime import timedelta

from aiohttp import web
from prometheus_client import CollectorRegistry

from controller import __version__, listening
from controller.app import certificates, clocks, policy, polling
from controller.app.control import Control, Outside
from controller.app.credentials import StoredCredentials
from controller.app.ops import OpsRoutes
from controller.app.role import Role, Work
from controller.backends import toolforge
from controller.metrics import Metrics, RequestMetrics
from controller.runtime import leader
from controller.settings import Settings
from controller.store.calls import Calls
from controller.store.client import open_in_cluster, open_kubeconfig
from controller.store.leases import Leases

_SHUTDOWN = timedelta(seconds=5)  # for scrapes and probes that are being answered


class Cluster(Role):
    """The controller on a cluster."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings
        self._metrics = Metrics(CollectorRegistry(), version=__version__, role="controller")
        self.identity = f"{socket.gethostname()}-{secrets.token_hex(4)}"

    async def _start(self) -> Work:
        settings, metrics = self._settings, self._metrics
        calls = await connected(settings, metrics.requests, self._stack)
        backend = await self._stack.enter_async_context(
            toolforge.connect(gateway_of(settings), clocks.SYSTEM.utc, metrics.requests.backend)
        )
        expiries = certificates.expiries(settings)
        metrics.certificates.watch(lambda: expiries)
        outside = Outside(
            calls=calls,
            backend=backend,
            repositories=polling.repositories(
                settings, self._stack, StoredCredentials(lambda: calls)
            ),
            metrics=metrics,
            clocks=clocks.SYSTEM,
            identity=self.identity,
        )
        control = Control(outside, policy.rules_of(settings), self._leadership(calls))
        await self._listen(control)
        poller = polling.poller(control, outside, settings)
        return lambda: control.run(poller)

    def _leadership(self, calls: Calls) -> leader.Leadership:
        settings = self._settings
        terms = leader.Terms(
            duration=settings.lease_duration,
            renew_deadline=settings.lease_renew_deadline,
            retry=settings.lease_retry,
        )
        place = (settings.lease_namespace, settings.lease_name)
        leases = Leases(calls, *place, terms.request)
        times = leader.Clocks(_uptime, clocks.SYSTEM.utc, random.random)
        return leader.Leadership(leases, self.identity, times, self._metrics.leader, terms)

    async def _listen(self, control: Control) -> None:
        app = web.Application()
        alive = {"watch": control.silent}
        ready = {**alive, "objects": control.unsynced}
        OpsRoutes(self._metrics.registry, alive, ready).mount(app)
        runner = listening.Runner(app, _SHUTDOWN)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await runner.listen(self._settings.ops_host, self._settings.ops_port)
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"


async def connected(settings: Settings, metrics: RequestMetrics, stack: AsyncExitStack) -> Calls:
    """A client of the cluster that the settings name, until `stack` ends; raises NoAccess."""
    if settings.kubeconfig is None:
        connection = await open_in_cluster(os.environ, clocks.SYSTEM.monotonic)
    else:
        path = settings.kubeconfig.expanduser()
        connection = await open_kubeconfig(path, clocks.SYSTEM.monotonic, settings.kube_context)
    stack.push_async_callback(connection.close)
    return Calls(connection, metrics, clocks.SYSTEM.monotonic, settings.kube_timeout)


def _uptime() -> float:
    """Monotonic seconds that also count while the machine sleeps, where there is such a clock."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def gateway_of(settings: Settings) -> toolforge.Gateway:
    """Toolforge's services, as the settings name them."""
    return toolforge.Gateway(
        url=settings.toolforge_url,
        builds_url=settings.toolforge_builds_url,
        jobs_url=settings.toolforge_jobs_url,
        certificate=settings.toolforge_certificate,
        key=settings.toolforge_key,
        authority=settings.toolforge_authority,
        tool_header=settings.toolforge_tool_header,
        timeout=settings.toolforge_timeout,
    )
