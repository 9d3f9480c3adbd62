"""Controller and API do all of their work with the rights of the manifests, and need each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controller.app.api import Api
from controller.app.cluster import Cluster
from controller.settings import Settings
from tests.api import platform
from tests.api.service import connected
from tests.support import controlplane, manifests, rbacproxy
from tests.support.githttp import GitServer
from tests.support.rbacproxy import Wanted, allows, wanted

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

OVERLAY = "generic"
TOOL = "perm"


def roles(account: str) -> dict[str, list[dict[str, Any]]]:
    """The rules that the manifests give an account: by namespace, "" for everywhere."""
    found: dict[str, list[dict[str, Any]]] = {}
    for binding in manifests.objects(OVERLAY, "RoleBinding", "ClusterRoleBinding"):
        if [subject["name"] for subject in binding["subjects"]] == [account]:
            reference = binding["roleRef"]
            role = manifests.named(OVERLAY, reference["kind"], reference["name"])
            place = role["metadata"].get("namespace", "")
            found.setdefault(place, []).extend(role["rules"])
    return found


def granted(account: str) -> set[tuple[str, str]]:
    """All pairs of verb and resource that an account may use."""
    return {
        (verb, resource)
        for rules in roles(account).values()
        for rule in rules
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }


@dataclass
class World:
    """Both roles of the program, each behind a guard."""

    controller: rbacproxy.Guarded
    api: rbacproxy.Guarded
    client: aiohttp.ClientSession
    url: str
    repository: str

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the API as the gateway does."""
        url = f"{self.url}/v1/tool/{TOOL}/{path}"
        async with self.client.request(method, url, json=body) as response:
            answer = await response.json()
            assert response.status < 300, answer
            return answer


@asynccontextmanager
async def working(start: Awaitable[Callable[[], Awaitable[None]]]) -> AsyncIterator[None]:
    """A role at work."""
    work = await start
    task = asyncio.ensure_future(work())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture
async def world(control_plane: controlplane.Access, tmp_path: Path) -> AsyncIterator[World]:
    """The program on a cluster that enforces its roles."""
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(connected(control_plane.kubeconfig))
        for name in (f"tool-{TOOL}", "push-to-deploy"):
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            await control_plane.ask("POST", "/api/v1/namespaces", namespace)
        git = await stack.enter_async_context(GitServer(tmp_path / "git"))
        git.repository("web.git").commit({"Procfile": "web: ./web\n"})
        gateway = await platform._services(stack, 0.2)
        controller, guarded_api = [
            await stack.enter_async_context(
                rbacproxy.guarded(control_plane, roles(f"push-to-deploy-{role}"), tmp_path / role)
            )
            for role in ("controller", "api")
        ]
        common: dict[str, Any] = {
            "toolforge_builds_url": gateway.builds_url,
            "toolforge_jobs_url": gateway.jobs_url,
            "toolforge_tool_header": True,
            "trust_gateway": True,
            "git_allow_private": True,
            "ops_port": 0,
            "api_port": 0,
            "retention": 1,
            "settle_time": timedelta(milliseconds=100),
            "lease_duration": timedelta(seconds=1.5),
            "lease_renew_deadline": timedelta(seconds=1),
            "lease_retry": timedelta(seconds=0.2),
        }
        api = Api(Settings(kubeconfig=tmp_path / "api", **common))
        stack.push_async_callback(api.stop)
        await stack.enter_async_context(working(api.start()))
        cluster = Cluster(Settings(kubeconfig=tmp_path / "controller", **common))
        stack.push_async_callback(cluster.stop)
        await stack.enter_async_context(working(cluster.start()))
        headers = {"x-toolforge-tool": TOOL}
        client = await stack.enter_async_context(aiohttp.ClientSession(headers=headers))
        yield World(controller, guarded_api, client, api.url, git.address("web.git"))


async def deploy(world: World) -> str:
    """Deploy, and wait for the end."""
    name: str = (await world.ask("POST", "deployment"))["data"]["deploy_id"]
    await platform.until(lambda: ended(world, name), 40)
    return name


async def ended(world: World, name: str) -> bool:
    """Whether a deployment has ended; what was refused never will."""
    assert (world.controller.refused, world.api.refused) == ([], [])
    found = (await world.ask("GET", f"deployment/{name}"))["data"]
    return found["status"] in {"successful", "failed", "cancelled", "timed_out"}


async def polled(world: World) -> bool:
    """Whether polling has made a deployment, and it has ended."""
    found = (await world.ask("GET", "deployment"))["data"]["deployments"]
    return bool(found) and await ended(world, found[0]["deploy_id"])


async def test_all_work_is_done_with_exactly_the_rights_of_the_manifests(world: World) -> None:
    component = {
        "build": {"repository": world.repository, "ref": "main"},
        "run": {"command": "web"},
    }
    config = {"auto_deploy": True, "components": {"web": component}}
    await world.ask("POST", "config", config)
    await world.ask("POST", "config", config | {"description": "changed"})
    await world.ask("GET", "config")
    for method in ("POST", "GET", "PUT", "DELETE"):
        await world.ask(method, "deployment/token")
    await platform.until(lambda: polled(world), 40)
    last = await deploy(world)
    running = (await world.ask("POST", "deployment"))["data"]["deploy_id"]
    await world.ask("PUT", f"deployment/{running}/cancel")
    await platform.until(lambda: ended(world, running), 40)
    await world.ask("GET", "deployment")
    everything = granted("push-to-deploy-controller")
    with suppress(TimeoutError):
        await platform.until(lambda: world.controller.used == everything)
    await world.ask("DELETE", f"deployment/{running}")
    await world.ask("DELETE", "config")
    assert last != running
    assert (world.controller.refused, world.api.refused) == ([], [])
    assert world.controller.used == everything
    assert world.api.used == granted("push-to-deploy-api")


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        (
            "GET",
            "/apis/components-api.toolforge.org/v1/toolconfigs?watch=true",
            Wanted("watch", "components-api.toolforge.org", "toolconfigs", "", ""),
        ),
        (
            "PATCH",
            "/apis/components-api.toolforge.org/v1/namespaces/tool-x/tooldeployments/d/status",
            Wanted(
                "patch", "components-api.toolforge.org", "tooldeployments/status", "tool-x", "d"
            ),
        ),
        ("POST", "/api/v1/namespaces/x/secrets", Wanted("create", "", "secrets", "x", "")),
        ("GET", "/api/v1/namespaces/x", Wanted("get", "", "namespaces", "", "x")),
    ],
)
def test_a_request_is_seen_as_rbac_sees_it(method: str, path: str, expected: Wanted) -> None:
    before, _, query = path.partition("?")
    assert wanted(method, before, query) == expected


def test_a_rule_for_a_name_allows_no_other() -> None:
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"], "resourceNames": ["a"]}
    assert allows(rule, Wanted("get", "", "secrets", "x", "a"))
    assert not allows(rule, Wanted("get", "", "secrets", "x", "b"))
    assert not allows(rule, Wanted("list", "", "secrets", "x", ""))
