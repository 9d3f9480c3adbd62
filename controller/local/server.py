"""The embedded control plane as one object: file, memory, background work, HTTP listener.

`async with ControlPlane(path) as plane:` is all that `controller.app` and the tests need. Other
HTTP routes may share the listener through `extra`; they authenticate for themselves.
"""

import asyncio
import contextlib
import logging
import pathlib
import uuid
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Self

from aiohttp import web

from controller import listening
from controller.local import (
    bodies,
    certificate,
    definitions,
    deletes,
    kubeconfig,
    lifecycle,
    objects,
    ports,
    resources,
    routes,
    storage,
)

_SHUTDOWN = timedelta(seconds=1)  # for requests that are being answered
_log = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 -- the edge of this package; callers may pass a clock


class ControlPlane:
    """A Kubernetes-compatible API on loopback, stored in one SQLite file.

    `path` is the file; beside it are the token and the certificate, with other suffixes. There
    are two listeners: `url` (HTTP, at `port`, with the `extra` routes) and `secure_url` (HTTPS,
    at `secure_port`), which kubeconfigs name because kubectl sends tokens over TLS only. Port 0
    takes the one of last time, or any free one. `history` is the number of changes kept for each
    resource. Entering raises storage.StorageError when the file cannot be used, OSError when a
    port cannot.
    """

    def __init__(  # noqa: PLR0913 -- named options, all with defaults
        self,
        path: pathlib.Path,
        *,
        port: int = 0,
        secure_port: int = 0,
        clock: Callable[[], datetime] = _now,
        token: str | None = None,
        extra: Callable[[web.Application], None] | None = None,
        history: int = objects.HISTORY,
    ) -> None:
        self._path = path
        self._ports = (port, secure_port)
        self._clock = clock
        self._given_token = token
        self._extra = extra
        self._history = history
        self._stack = contextlib.AsyncExitStack()
        self.url = ""
        self.secure_url = ""
        self.authority = ""
        self.token = ""

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def write_kubeconfig(self, path: pathlib.Path, namespace: str = "default") -> None:
        """Write a kubeconfig for this control plane, mode 0600."""
        text = kubeconfig.render(self.secure_url, self.authority, self.token, namespace)
        kubeconfig.write_private(path, text)

    async def _start(self, stack: contextlib.AsyncExitStack) -> None:
        file = storage.Storage(self._path)
        store = objects.Objects(file, self._history)
        await store.open()
        stack.push_async_callback(file.close)
        self.token = self._given_token or kubeconfig.token_of(self._path.with_suffix(".token"))
        catalogue = resources.Catalogue()
        handler = routes.Routes(store, catalogue, self.token, self._clock)
        follower = definitions.Watcher(store, catalogue)
        life = lifecycle.Lifecycle(store, catalogue, handler.deleter, self._clock)
        follower.load()
        life.load()
        store.observers += [life.observe, follower.observe]
        _background(stack, store.run(), "control plane writer")
        await self._first_namespaces(store)
        _background(stack, life.run(), "control plane lifecycle")
        await self._listen(stack, handler)

    async def _first_namespaces(self, store: objects.Objects) -> None:
        for name in deletes.PERMANENT:
            if store.latest("namespaces", name) is None:
                store.put("namespaces", name, _namespace(name, self._clock()))
        await store.settled()

    async def _listen(self, stack: contextlib.AsyncExitStack, handler: routes.Routes) -> None:
        app = web.Application(client_max_size=bodies.LIMIT)
        if self._extra is not None:
            self._extra(app)
        app.router.add_route("*", "/{path:.*}", handler.handle)
        # A client that hangs up ends its watch; writes are shielded where they begin.
        runner = listening.Runner(app, _SHUTDOWN)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.callback(handler.watches.close)
        tls, self.authority = certificate.context(self._path.with_suffix(".pem"), self._clock())
        last = ports.Ports(self._path.with_suffix(".ports"))
        port, secure_port = await last.listen(runner, self._ports, tls)
        self.url = f"http://{ports.LOOPBACK}:{port}"
        self.secure_url = f"https://{ports.LOOPBACK}:{secure_port}"


def _background(
    stack: contextlib.AsyncExitStack, work: Coroutine[None, None, None], name: str
) -> None:
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_say_why)

    async def end() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(end)


def _say_why(task: asyncio.Task[None]) -> None:
    """A background task that ends by a bug says so at once, not when the program ends."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.critical("%s has stopped", task.get_name(), exc_info=error)


def _namespace(name: str, now: datetime) -> objects.Object:
    return {
        "metadata": {
            "name": name,
            "uid": str(uuid.uuid4()),
            "creationTimestamp": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "labels": {"kubernetes.io/metadata.name": name},
        },
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }
