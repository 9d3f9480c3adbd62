"""`ptd local`: everything on this machine, in one process and below one folder.

The same controller as on a cluster, on the embedded control plane and the local backend. Called by
`controller.cli.local`. What only this mode has: definitions and namespaces are made at start, the
live view, logs over HTTP. Only wiring belongs here.
"""

import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry
from rich.console import Console

from controller import __version__
from controller.api import auth
from controller.api.app import Parts, application
from controller.api.auth import Trust
from controller.api.changes import Changes
from controller.api.jobs import JobRoutes
from controller.api.logs import LogRoutes
from controller.api.problems import Refused
from controller.app import clocks, policy, polling
from controller.app.api import parts_of
from controller.app.console import StatusView
from controller.app.control import Alone, Control, Outside
from controller.app.credentials import StoredCredentials
from controller.app.existing import LocalExisting
from controller.app.ops import OpsRoutes
from controller.app.role import Role, Work
from controller.app.watching import CachedDeployments, waiters_of
from controller.backends.local.backend import LocalBackend
from controller.errors import Terminal
from controller.local.server import ControlPlane
from controller.local.storage import StorageError
from controller.metrics import Metrics
from controller.models import crds
from controller.models.meta import namespace_of
from controller.models.reasons import Reason
from controller.settings import Settings
from controller.store import definitions
from controller.store.calls import Calls
from controller.store.client import open_kubeconfig
from controller.store.secrets import Secrets


class Local(Role):
    """Everything on this machine.

    `tools` get a namespace from the start; the first is the kubeconfig's own.
    """

    def __init__(
        self, data: Path, port: int, tools: Sequence[str], settings: Settings, console: Console
    ) -> None:
        super().__init__()
        self._data = data
        self._port = port
        self._tools = tools
        self._settings = settings
        self._rules = policy.rules_of(settings, credentials=True)
        self._view = StatusView(console, clocks.SYSTEM.utc)
        self._metrics = Metrics(CollectorRegistry(), version=__version__, role="local")
        self._control: Control | None = None
        self._calls: Calls | None = None
        self._vault = StoredCredentials(lambda: self._calls)
        self._token = ""
        self._api: Parts | None = None
        changes = self._changes = Changes(limits=waiters_of(settings))
        self._metrics.http.watch_waiters(lambda: changes.waiting, changes.limits.all)
        self.kubeconfig = data / "kubeconfig"

    async def _start(self) -> Work:
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        limits = policy.local_settings(self._settings)
        backend = await self._stack.enter_async_context(
            LocalBackend(
                self._data / "work",
                limits,
                clocks.SYSTEM.utc,
                self._wake,
                self._vault.credential,
            )
        )
        try:
            plane = await self._stack.enter_async_context(self._plane(backend))
        except StorageError as error:
            raise Terminal(Reason.PLATFORM_UNAVAILABLE, str(error)) from error
        self._token, self.url = plane.token, plane.url
        self._calls = await self._connect(plane)
        outside = Outside(
            calls=self._calls,
            backend=backend.backend,
            repositories=polling.repositories(self._settings, self._stack, self._vault),
            metrics=self._metrics,
            clocks=clocks.SYSTEM,
            identity=f"ptd-local-{socket.gethostname()}",
            told=self._view.show,
            changed=self._changes.changed,
        )
        self._metrics.leader.leads(True)  # there is nobody else
        control = self._control = Control(outside, self._rules, Alone())
        self._changes.mirror = CachedDeployments(control.cache, control.mirrored)
        self._api = self._parts(outside.calls, backend, control)
        poller = polling.poller(control, outside, self._settings)
        # Whoever waits for this file finds everything ready.
        plane.write_kubeconfig(self.kubeconfig, namespace_of(self._tools[0]))
        self._stack.enter_context(self._view)
        return lambda: control.run(poller)

    async def _connect(self, plane: ControlPlane) -> Calls:
        """A client of the control plane, whose definitions and namespaces exist."""
        own = self._data / "work" / "kubeconfig"
        plane.write_kubeconfig(own)
        connection = await open_kubeconfig(own, clocks.SYSTEM.monotonic)
        self._stack.push_async_callback(connection.close)
        calls = Calls(connection, self._metrics.requests, clocks.SYSTEM.monotonic)
        for definition in crds.definitions():
            await definitions.install(calls, definition)
        for tool in self._tools:
            await Secrets(calls).ensure_namespace(tool)
        return calls

    def _plane(self, backend: LocalBackend) -> ControlPlane:
        def extra(app: web.Application) -> None:
            LogRoutes(backend.jobs, backend.builds, self._authorise).mount(app)
            JobRoutes(backend.jobs, self._authorise).mount(app)
            ready = {"objects": self._unsynced}
            OpsRoutes(self._metrics.registry, {}, ready).mount(app, "/ptd")
            app.add_subapp("/components", application(self._started, self._metrics.http))

        path = self._data / "control-plane.sqlite"
        return ControlPlane(path, port=self._port, clock=clocks.SYSTEM.utc, extra=extra)

    def _parts(self, calls: Calls, backend: LocalBackend, control: Control) -> Parts:
        """The HTTP API: whoever has the kubeconfig's token is the person at this machine."""
        trust = Trust(owner=lambda: self._token)
        made = parts_of(self._settings, calls, clocks.SYSTEM, trust, control.cache)
        existing = LocalExisting(backend.backend, made.store)
        prepare = Secrets(calls).ensure_namespace
        parts = replace(made, existing=existing, prepare=prepare, changes=self._changes)
        return replace(parts, policy=self._rules.configs)

    def _started(self) -> Parts:
        if self._api is None:
            raise Refused(500, "It is being started; try again in a moment")
        return self._api

    def _authorise(self, request: web.Request, tool: str) -> None:  # noqa: ARG002
        """Whoever has the kubeconfig's token is the person at this machine."""
        if not auth.carries(request.headers, self._token):
            raise web.HTTPUnauthorized(text="the token of the kubeconfig is needed\n")

    def _unsynced(self) -> str | None:
        return self._control.unsynced() if self._control else "the controller is being started"

    def _wake(self, tool: str) -> None:
        if self._control is not None:
            self._control.wake(tool)
