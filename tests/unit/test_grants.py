"""What lets the controller's account read one Secret: made, made right again, and taken back."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from controller.metrics import RequestMetrics
from controller.store.calls import Calls
from controller.store.client import open_kubeconfig
from controller.store.grants import Account, Grants, objects

OURS = Account("push-to-deploy", "push-to-deploy-controller")
OTHER = Account("elsewhere", "controller")


@dataclass
class Roles:
    """The roles and bindings of a server, by kind and name, and a client of it."""

    stored: dict[str, dict[str, Any]] = field(default_factory=dict)
    grants: Grants = field(init=False)

    async def create(self, request: web.Request) -> web.Response:
        """POST."""
        body = await request.json()
        key = f"{request.match_info['plural']}/{body['metadata']['name']}"
        if key in self.stored:
            return web.json_response({"reason": "AlreadyExists"}, status=409)
        self.stored[key] = body
        return web.json_response(body)

    async def replace(self, request: web.Request) -> web.Response:
        """PUT."""
        key = f"{request.match_info['plural']}/{request.match_info['name']}"
        self.stored[key] = await request.json()
        return web.json_response(self.stored[key])

    async def delete(self, request: web.Request) -> web.Response:
        """DELETE."""
        key = f"{request.match_info['plural']}/{request.match_info['name']}"
        gone = self.stored.pop(key, None)
        return web.json_response({}, status=200 if gone else 404)


@pytest.fixture
async def roles(tmp_path: Path) -> AsyncIterator[Roles]:
    server = Roles()
    place = "/apis/rbac.authorization.k8s.io/v1/namespaces/tool-demo/{plural}"
    app = web.Application()
    app.router.add_post(place, server.create)
    app.router.add_put(place + "/{name}", server.replace)
    app.router.add_delete(place + "/{name}", server.delete)
    async with AsyncExitStack() as stack:
        listening = await stack.enter_async_context(TestServer(app))
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(_kubeconfig(str(listening.make_url("/")))))
        connection = await open_kubeconfig(path, time.monotonic)
        stack.push_async_callback(connection.close)
        calls = Calls(connection, RequestMetrics(CollectorRegistry()), time.monotonic)
        server.grants = Grants(calls)
        yield server


def _kubeconfig(server: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }


def wanted(account: Account) -> dict[str, Any]:
    """What a server has that lets the account read the Secret `gitlab`."""
    made = objects("demo", "gitlab", account)
    return {f"{plural}/push-to-deploy-reads-gitlab": body for plural, body in made.items()}


async def test_a_grant_for_another_account_becomes_one_for_this(roles: Roles) -> None:
    await roles.grants.allow("demo", "gitlab", OTHER)
    assert roles.stored == wanted(OTHER)
    await roles.grants.allow("demo", "gitlab", OURS)
    assert roles.stored == wanted(OURS)


async def test_what_is_taken_back_may_be_gone_already(roles: Roles) -> None:
    await roles.grants.allow("demo", "gitlab", OURS)
    for _ in range(2):
        await roles.grants.revoke("demo", "gitlab")
    assert roles.stored == {}
