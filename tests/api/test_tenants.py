"""No tool reaches another: every route and verb, as everybody who is not that tool.

Three tools have a config, a deployment and a token each. After all that was refused, everything
that is stored is as it was.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from controller.api.auth import Needs, Trust
from controller.api.routes import ROUTES, Route
from controller.store import kinds
from tests.api.service import CONFIG, Service, serving
from tests.support import controlplane

GATEWAY = Trust(gateway=True)
CLOSED = Trust(certificates=True, owner=lambda: "the-owner-s-token")
VERBS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS")
OURS = [route for route in ROUTES if route.needs in (Needs.TOOL, Needs.TOOL_OR_TOKEN)]


@dataclass
class Tenant:
    """A tool with what it owns."""

    name: str
    deployment: str
    token: str


@dataclass
class Town:
    """Three tools of one service: the first is tried to be reached by the others."""

    service: Service
    tenants: tuple[Tenant, Tenant, Tenant]

    async def knock(
        self, route: Route, headers: Mapping[str, str], query: str = "", verb: str = ""
    ) -> int:
        """Ask for a route of the first tool; answers the status."""
        target = self.tenants[0]
        path = route.path.replace("{toolname}", target.name)
        path = path.replace("{deployment_id}", target.deployment) + query
        async with self.service.client.request(
            verb or route.method, path, headers=dict(headers), allow_redirects=False
        ) as response:
            return response.status

    async def stored(self) -> list[Any]:
        """Everything that belongs to the three, with its version."""
        found: list[Any] = []
        for tenant in self.tenants:
            store = self.service.store
            found += [each.metadata for each in await store.list(kinds.CONFIGS, tenant.name)]
            found += [each.metadata for each in await store.list(kinds.DEPLOYMENTS, tenant.name)]
            found.append(await self.service.secrets.get(tenant.name, "deploy-token"))
        return found


@contextlib.asynccontextmanager
async def town(access: controlplane.Access, trust: Trust) -> AsyncIterator[Town]:
    """The tools are made through a gateway; then `trust` says what is in front."""
    async with (
        serving(access) as behind_a_gateway,
        serving(access, lambda parts: replace(parts, trust=trust)) as service,
    ):
        names = [f"{service.tool}{letter}" for letter in "abc"]
        first, second, third = [await _tenant(behind_a_gateway, name) for name in names]
        yield Town(service, (first, second, third))


async def _tenant(service: Service, name: str) -> Tenant:
    await service.secrets.ensure_namespace(name)
    headers, root = {"x-toolforge-tool": name}, f"/v1/tool/{name}"
    await service.ask("POST", f"{root}/config", CONFIG, headers=headers)
    made = await service.ask("POST", f"{root}/deployment", headers=headers)
    token = await service.ask("POST", f"{root}/deployment/token", headers=headers)
    return Tenant(name, made.data["deploy_id"], token.data["token"])


def strangers(mine: Tenant, other: Tenant, third: Tenant) -> dict[str, tuple[dict[str, str], str]]:
    """Headers and query of everybody who is not `mine`, each with what they have."""
    header, bearer = "x-toolforge-tool", "Authorization"
    return {
        "nobody": ({}, ""),
        "another tool": ({header: other.name}, ""),
        "another tool with a name before it": ({header: f"{mine.name},{other.name}"}, ""),
        "a tool whose name begins alike": ({header: mine.name[:-1]}, ""),
        "another way to write the name": ({header: mine.name.upper()}, ""),
        "another header": ({"x-toolforge_tool": mine.name, "x-forwarded-user": mine.name}, ""),
        "another tool's token": ({}, f"?token={other.token}"),
        "another tool's token as a bearer": ({bearer: f"Bearer {third.token}"}, ""),
        "another tool, with this one's token": ({header: other.name}, f"?token={mine.token}"),
        "the tool's name as a bearer": ({bearer: f"Bearer {mine.name}"}, ""),
        "the token as a password": ({bearer: f"Basic {mine.token}"}, ""),
        "an empty token": ({bearer: "Bearer "}, "?token="),
    }


@pytest.mark.parametrize("trust", [GATEWAY, CLOSED], ids=["a gateway", "no gateway"])
async def test_no_tool_reaches_another_by_any_route(
    control_plane: controlplane.Access, trust: Trust
) -> None:
    let_in = []
    async with town(control_plane, trust) as it:
        before = await it.stored()
        for who, (headers, query) in strangers(*it.tenants).items():
            # Where no gateway is, its header is nothing, and the token counts.
            if trust == CLOSED and who == "another tool, with this one's token":
                continue
            for route in OURS:
                status = await it.knock(route, headers, query)
                if status not in (401, 403):
                    let_in.append((who, route.operation, status))
        after = await it.stored()
    assert let_in == []
    assert after == before


async def test_no_other_verb_is_a_way_in(control_plane: controlplane.Access) -> None:
    let_in = []
    async with town(control_plane, GATEWAY) as it:
        before = await it.stored()
        headers = {"x-toolforge-tool": it.tenants[1].name, "X-HTTP-Method-Override": "GET"}
        for route in OURS:
            for verb in VERBS:
                status = await it.knock(route, headers, verb=verb)
                if status not in (401, 403, 405):
                    let_in.append((verb, route.path, status))
        after = await it.stored()
    assert let_in == []
    assert after == before


async def test_two_headers_are_believed_neither(control_plane: controlplane.Access) -> None:
    """A gateway that adds its header to the caller's instead of replacing it."""
    async with town(control_plane, GATEWAY) as it:
        mine, other, _ = it.tenants
        for names in ((mine.name, other.name), (other.name, mine.name)):
            path = f"/v1/tool/{mine.name}/config"
            headers = [("x-toolforge-tool", name) for name in names]
            async with it.service.client.get(path, headers=headers) as response:
                assert response.status == 403


async def test_an_expired_token_opens_no_route(control_plane: controlplane.Access) -> None:
    async with town(control_plane, GATEWAY) as it:
        token = it.tenants[0].token
        assert await it.knock(_route("get_tool_deployment"), {}, f"?token={token}") == 200
        it.service.clock.forward(timedelta(days=365))
        before = await it.stored()
        bearer = {"Authorization": f"Bearer {token}"}
        ways: list[tuple[dict[str, str], str]] = [({}, f"?token={token}"), (bearer, "")]
        statuses = {
            await it.knock(route, headers, query) for route in OURS for headers, query in ways
        }
        after = await it.stored()
    assert statuses == {401}
    assert after == before


async def test_a_token_opens_the_routes_that_take_one_and_no_others(
    control_plane: controlplane.Access,
) -> None:
    opened = set()
    async with town(control_plane, GATEWAY) as it:
        headers = {"Authorization": f"Bearer {it.tenants[0].token}"}
        for route in OURS:
            query = "?timeout=0" if route.operation == "wait_for_tool_deployment" else ""
            if route.operation != "stream_tool_deployment":
                status = await it.knock(route, headers, query)
                opened |= {route.operation} - ({route.operation} if status == 401 else set())
    assert opened == {
        route.operation
        for route in OURS
        if route.needs is Needs.TOOL_OR_TOKEN and route.operation != "stream_tool_deployment"
    }


async def test_another_tool_s_deployment_is_unknown_to_this_one(
    control_plane: controlplane.Access,
) -> None:
    async with town(control_plane, GATEWAY) as it:
        mine, other, _ = it.tenants
        headers = {"x-toolforge-tool": other.name}
        root = f"/v1/tool/{other.name}/deployment/{mine.deployment}"
        asked = [
            ("GET", root),
            ("DELETE", root),
            ("PUT", f"{root}/cancel"),
            ("POST", f"{root}/retry"),
        ]
        before = await it.stored()
        statuses = [
            (await it.service.ask(verb, path, headers=headers)).status for verb, path in asked
        ]
        after = await it.stored()
    assert statuses == [404] * 4
    assert after == before


def _route(operation: str) -> Route:
    [found] = [route for route in ROUTES if route.operation == operation]
    return found
