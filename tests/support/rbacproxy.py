"""A proxy before a control plane: allows what RBAC rules allow, and remembers what was used.

The embedded control plane has one user who may do everything; through this, a part of the program
runs with exactly the rights that the manifests give it.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from tests.support import controlplane

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request as RBAC sees it. `resource` carries its subresource: tooldeployments/status."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str


def wanted(method: str, path: str, query: str = "") -> Wanted:
    """What a request asks for."""
    parts = path.strip("/").split("/")
    group = "" if parts[0] == "api" else parts[1]
    rest = parts[2:] if parts[0] == "api" else parts[3:]
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    resource, name = rest[0], rest[1] if len(rest) > 1 else ""
    if len(rest) > 2:
        resource = f"{resource}/{rest[2]}"
    if method == "GET":
        watches = "watch=true" in query.lower()
        verb = "get" if name else "watch" if watches else "list"
    else:
        verb = _VERBS[method]
    return Wanted(verb, group, resource, namespace, name)


def allows(rule: dict[str, Any], request: Wanted) -> bool:
    """Whether a rule of a role allows a request."""
    return (
        request.verb in rule["verbs"]
        and request.group in rule["apiGroups"]
        and request.resource in rule["resources"]
        and ("resourceNames" not in rule or request.name in rule["resourceNames"])
    )


@dataclass
class Guarded:
    """A control plane with the rights of one account. `roles`: namespace ("" for all) → rules."""

    access: controlplane.Access
    roles: dict[str, list[dict[str, Any]]]
    session: aiohttp.ClientSession
    used: set[tuple[str, str]] = field(default_factory=set)
    refused: list[Wanted] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on, or refuse it as kube-apiserver does."""
        asked = wanted(request.method, request.path, request.query_string)
        rules = self.roles.get("", []) + self.roles.get(asked.namespace or "-", [])
        if not any(allows(rule, asked) for rule in rules):
            self.refused.append(asked)
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 403}
            return web.json_response(status | {"message": str(asked)}, status=403)
        self.used.add((asked.verb, asked.resource))
        url = controlplane.address(self.access.url, request.path_qs)
        kept = {k: v for k, v in request.headers.items() if k in {"Accept", "Content-Type"}}
        options: dict[str, Any] = {"data": await request.read(), "headers": kept}
        async with self.session.request(
            request.method, url, ssl=self.access.context, **options
        ) as response:
            passed = web.StreamResponse(status=response.status)
            passed.content_type = response.content_type
            await passed.prepare(request)
            async for chunk in response.content.iter_any():
                await passed.write(chunk)
            return passed


@contextlib.asynccontextmanager
async def guarded(
    access: controlplane.Access, roles: dict[str, list[dict[str, Any]]], kubeconfig: Path
) -> AsyncIterator[Guarded]:
    """Serve the control plane with these rights, and write a kubeconfig for it."""
    headers = {"Authorization": f"Bearer {access.token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        guard = Guarded(access, roles, session)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", guard.answer)
        runner = web.AppRunner(
            app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            kubeconfig.write_text(_kubeconfig(runner.addresses[0][1]))
            yield guard
        finally:
            await runner.cleanup()


def _kubeconfig(port: int) -> str:
    one = {"name": "guarded"}
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "guarded",
            "clusters": [{**one, "cluster": {"server": f"http://127.0.0.1:{port}"}}],
            "users": [{**one, "user": {"token": "any"}}],
            "contexts": [{**one, "context": {"cluster": "guarded", "user": "guarded"}}],
        }
    )
