"""A control plane for tests: the embedded one, or the cluster that TEST_KUBECONFIG names.

Used by the `control_plane` fixture. Contract tests see nothing but `Access`: an address, what
authenticates, a kubeconfig for kubectl, and plain HTTP.
"""

import asyncio
import base64
import contextlib
import dataclasses
import io
import json
import os
import pathlib
import secrets
import ssl
import tempfile
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

import aiohttp
import yaml
import yarl

from controller.local import server

Object = dict[str, Any]

VARIABLE = "TEST_KUBECONFIG"


@dataclasses.dataclass
class Answer:
    """A response, read whole."""

    status: int
    headers: Mapping[str, str]
    warnings: list[str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclasses.dataclass
class Access:
    """How to reach a control plane."""

    url: str
    token: str
    kubeconfig: pathlib.Path
    embedded: bool
    session: aiohttp.ClientSession
    context: ssl.SSLContext | bool = True

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        kind: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request. A body that is no bytes is sent as JSON of the given content type."""
        sent = {"Accept": "application/json"} | dict(headers or {})
        if body is not None:
            sent["Content-Type"] = kind
        raw = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        data = None if raw is None else io.BytesIO(raw)
        url = address(self.url, path)
        async with self.session.request(
            method, url, data=data, headers=sent, ssl=self.context
        ) as response:
            raw = await response.read()
            warnings = response.headers.getall("Warning", [])
            return Answer(response.status, response.headers, warnings, raw)

    @contextlib.asynccontextmanager
    async def watch(self, path: str) -> AsyncIterator["Events"]:
        """An open watch; `path` carries its query."""
        async with self.session.get(address(self.url, path), ssl=self.context) as response:
            yield Events(response)

    async def namespace(self) -> str:
        """A new namespace with a random name."""
        name = f"t-{secrets.token_hex(4)}"
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        answer = await self.ask("POST", "/api/v1/namespaces", body)
        assert answer.status == 201, answer.raw
        return name


class Events:
    """The events of a watch."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def next(self) -> Object | None:
        """The next event; None at the end."""
        line = await self.response.content.readline()
        found: Object | None = json.loads(line) if line.strip() else None
        return found

    async def rest(self) -> list[Object]:
        """All events until the watch ends."""
        found = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found


def address(url: str, path: str) -> yarl.URL:
    """An address whose path and query are sent as they are written."""
    return yarl.URL(url + path, encoded=True)


@contextlib.asynccontextmanager
async def embedded(folder: pathlib.Path, history: int = 10_000) -> AsyncIterator[Access]:
    """A new embedded control plane, stored in a folder."""
    async with server.ControlPlane(folder / "state.db", history=history) as plane:
        config = folder / "kubeconfig"
        plane.write_kubeconfig(config)
        async with _session(plane.token) as session:
            yield Access(plane.url, plane.token, config, True, session)


@contextlib.asynccontextmanager
async def named() -> AsyncIterator[Access]:
    """The cluster of the current context of TEST_KUBECONFIG."""
    path = pathlib.Path(os.environ[VARIABLE])
    config = yaml.safe_load(path.read_text())
    found = _Config(config)
    async with _session(found.token) as session:
        yield Access(found.url, found.token, path, False, session, found.context)


def is_named() -> bool:
    """Whether the tests are to run on a cluster."""
    return VARIABLE in os.environ


def _session(token: str) -> aiohttp.ClientSession:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    headers["User-Agent"] = "contract-tests/1"
    return aiohttp.ClientSession(headers=headers, auto_decompress=True, read_bufsize=1 << 22)


class _Config:
    """What the current context of a kubeconfig says."""

    def __init__(self, config: Object) -> None:
        contexts = {each["name"]: each["context"] for each in config["contexts"]}
        chosen = contexts[config["current-context"]]
        clusters = {each["name"]: each["cluster"] for each in config["clusters"]}
        users = {each["name"]: each["user"] for each in config["users"]}
        cluster, user = clusters[chosen["cluster"]], users[chosen["user"]]
        self.url: str = cluster["server"].rstrip("/")
        self.token: str = user.get("token", "")
        self.context: ssl.SSLContext | bool = True
        if self.url.startswith("https"):
            self.context = _context(cluster, user)


def _context(cluster: Object, user: Object) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if data := cluster.get("certificate-authority-data"):
        context.load_verify_locations(cadata=base64.b64decode(data).decode())
    elif path := cluster.get("certificate-authority"):
        context.load_verify_locations(path)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if "client-certificate" in user:
        context.load_cert_chain(user["client-certificate"], user["client-key"])
    elif "client-certificate-data" in user:
        with tempfile.NamedTemporaryFile() as file:
            file.write(base64.b64decode(user["client-certificate-data"]))
            file.write(b"\n" + base64.b64decode(user["client-key-data"]))
            file.flush()
            context.load_cert_chain(file.name)
    return context


class Widgets:
    """A CustomResourceDefinition of a test's own group, and a namespace to use it in."""

    def __init__(self, access: Access, group: str, namespace: str) -> None:
        self.access = access
        self.group = group
        self.namespace = namespace
        self.path = f"/apis/{group}/v1/namespaces/{namespace}/widgets"

    @classmethod
    async def made(cls, access: Access) -> Self:
        """Create the definition and the namespace, and wait until it is served."""
        group = f"t{secrets.token_hex(4)}.example.com"
        definition = widget_definition(group)
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        answer = await access.ask("POST", path, definition)
        assert answer.status == 201, answer.raw
        made = cls(access, group, await access.namespace())
        await made.served()
        return made

    async def served(self) -> None:
        """Wait until the list answers."""
        for _ in range(200):
            if (await self.access.ask("GET", self.path)).status == 200:
                return
            await asyncio.sleep(0.05)
        raise AssertionError("the definition is not served")

    def widget(self, name: str, **spec: Any) -> Object:
        """A widget."""
        return {
            "apiVersion": f"{self.group}/v1",
            "kind": "Widget",
            "metadata": {"name": name},
            "spec": spec,
        }

    async def create(self, name: str, labels: Object | None = None, **spec: Any) -> Object:
        """Create a widget; returns it as stored."""
        body = self.widget(name, **spec)
        if labels:
            body["metadata"]["labels"] = labels
        answer = await self.access.ask("POST", self.path, body)
        assert answer.status == 201, answer.raw
        found: Object = answer.body
        return found

    async def patch(self, name: str, patch: Object, sub: str = "") -> Answer:
        """A merge patch."""
        path = f"{self.path}/{name}{sub}"
        return await self.access.ask("PATCH", path, patch, kind="application/merge-patch+json")

    async def list(self, query: str = "") -> Object:
        """A list."""
        answer = await self.access.ask("GET", f"{self.path}{query}")
        assert answer.status == 200, answer.raw
        found: Object = answer.body
        return found


def widget_definition(group: str) -> Object:
    """A definition with defaults, bounds, a rule, a selectable field and columns."""
    spec = {
        "type": "object",
        "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 1000000, "default": 3},
            "color": {"type": "string", "enum": ["red", "green", "blue"]},
            "note": {"type": "string"},
        },
    }
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = {
        "type": "object",
        "description": "A widget.",
        "properties": {"spec": spec, "status": status},
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "selectableFields": [{"jsonPath": ".spec.color"}],
        "additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Phase", "type": "string", "jsonPath": ".status.phase"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        ],
    }
    names = {
        "plural": "widgets",
        "singular": "widget",
        "kind": "Widget",
        "shortNames": ["wd"],
        "categories": ["gadgetry"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
