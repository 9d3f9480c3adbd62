"""The HTTP API on a control plane of the tests, with a hand for what the controller would do."""

import contextlib
import pathlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from controller import listening
from controller.api import app, openapi
from controller.api.auth import Trust
from controller.api.changes import Changes
from controller.api.configs import SourceError
from controller.api.deployments import Limits
from controller.api.health import Health
from controller.app.watching import CachedDeployments
from controller.metrics import HttpMetrics, RequestMetrics
from controller.models import crds
from controller.models.tooldeployment import ToolDeployment
from controller.store import definitions, kinds
from controller.store.calls import Calls
from controller.store.client import open_kubeconfig
from controller.store.objects import Store
from controller.store.secrets import Secrets
from tests.support import controlplane
from tests.support.toolforge.openapi import DOCUMENTS, Document
from watchers.cache import Cache

GATEWAY = Trust(gateway=True)
WEB = {"build": {"repository": "https://git.example.org/web.git", "ref": "main"}}
CONFIG: dict[str, Any] = {"components": {"web": WEB | {"run": {"command": "web"}}}}

_FAILED = {
    "type": "object",
    "required": ["messages"],
    "properties": {
        "messages": {
            "type": "object",
            "required": ["info", "warning", "error"],
            "properties": {
                "error": {"type": "array", "items": {"type": "string"}, "minItems": 1},
            },
        }
    },
}
OURS = Document(openapi.document(), {})
"""What we document: every answer must be in it."""
THEIRS = Document(
    yaml.safe_load((DOCUMENTS / "components-api.yaml").read_text()),
    dict.fromkeys((400, 401, 403, 404, 405, 409, 413, 422, 429, 500, 503), _FAILED),
)
"""The existing service's document, which says nothing of errors: their form is one for all."""

Client = TestClient[web.Request, web.Application]


class Pages:
    """`configs.Sources` on a dictionary: what is not there fails."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.asked: list[str] = []

    async def fetch(self, url: str) -> str:
        self.asked.append(url)
        if url not in self.texts:
            raise SourceError("it does not answer")
        return self.texts[url]


@dataclass
class Clock:
    """Time that a test moves."""

    now: datetime = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, by: timedelta) -> None:
        self.now += by


@dataclass
class Answer:
    """What a client got."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def errors(self) -> list[str]:
        found: list[str] = self.body["messages"]["error"]
        return found

    @property
    def data(self) -> dict[str, Any]:
        found: dict[str, Any] = self.body["data"]
        return found


@dataclass
class Service:
    """The API, its client, and what is behind it. `tool` is the test's own."""

    client: Client
    tool: str
    store: Store
    secrets: Secrets
    pages: Pages
    clock: Clock
    registry: CollectorRegistry
    changes: Changes

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask for a path below the tool (or one that begins with /v1), as the gateway does."""
        whole = path if path.startswith("/") else f"/v1/tool/{self.tool}/{path}"
        sent = {"x-toolforge-tool": self.tool} if headers is None else headers
        options: dict[str, Any] = {"json": body} if raw is None else {"data": raw}
        if body is None and raw is None:
            options = {"skip_auto_headers": {"Content-Type"}}
        async with self.client.request(
            method, whole, headers=sent, allow_redirects=False, **options
        ) as response:
            text = await response.text()
            if not response.content_type.endswith("json") or not text:
                return Answer(response.status, text, response.headers)
            found = await response.json()
        if response.content_type == "application/json":
            for document in (OURS, THEIRS):
                document.check(method, whole.partition("?")[0], response.status, found)
        return Answer(response.status, found, response.headers)

    async def deployment(self, name: str) -> ToolDeployment:
        """A deployment as it is stored."""
        return await self.store.get(kinds.DEPLOYMENTS, self.tool, name)

    async def set_status(self, name: str, **status: Any) -> None:
        """Write a deployment's status, as the controller does."""
        found = await self.deployment(name)
        await self.store.patch_status(found, found.status.model_copy(update=status))


@contextlib.asynccontextmanager
async def connected(kubeconfig: pathlib.Path) -> AsyncIterator[Calls]:
    """Calls as a kubeconfig says, with our definitions installed."""
    connection = await open_kubeconfig(kubeconfig, time.monotonic)
    try:
        calls = Calls(connection, RequestMetrics(CollectorRegistry()), time.monotonic)
        for definition in crds.definitions():
            await definitions.install(calls, definition)
        yield calls
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def serving(
    access: controlplane.Access, change: Callable[[app.Parts], app.Parts] = lambda parts: parts
) -> AsyncIterator[Service]:
    """The API on a control plane, with a fresh tool whose namespace exists."""
    tool = f"t{secrets.token_hex(4)}"
    clock, pages, registry = Clock(), Pages(), CollectorRegistry()
    async with connected(access.kubeconfig) as calls:
        changes = Changes()
        cache = Cache(changes.changed)
        changes.mirror = CachedDeployments(cache, lambda: True)
        store, kept = Store(calls, clock, "api-tests", cache), Secrets(calls)
        await kept.ensure_namespace(tool)
        parts = app.Parts(
            store=store,
            secrets=kept,
            sources=pages,
            health=Health(store, time.monotonic),
            clock=clock,
            draw=Draws(),
            trust=GATEWAY,
            limits=Limits(ending=timedelta(seconds=0.5)),
            changes=changes,
        )
        made = app.application(lambda: change(parts), HttpMetrics(registry))
        server = _Server(made)
        async with TestClient(server) as client:
            yield Service(client, tool, store, kept, pages, clock, registry, changes)


class _Server(TestServer):
    """With the settings of our listeners."""

    async def _make_runner(self, **_kwargs: Any) -> listening.Runner:
        return listening.Runner(self.app, timedelta(seconds=1))


class Draws:
    """Random numbers that are the same in every run."""

    def __init__(self) -> None:
        self._number = 0

    def __call__(self, below: int) -> int:
        self._number += 11
        return self._number % below
