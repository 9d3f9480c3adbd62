"""Credentials on a control plane: only the Secret that the tool has granted can be read."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from controller import errors
from controller.app.credentials import StoredCredentials
from controller.metrics import RequestMetrics
from controller.models.credentials import (
    BASIC,
    HOSTS,
    LABEL,
    MARK,
    Credential,
    HttpLogin,
    SecretRef,
)
from controller.models.reasons import Reason
from controller.store import grants
from controller.store.calls import Calls
from controller.store.client import open_kubeconfig
from controller.store.secrets import Secret, Secrets
from tests.support import controlplane, rbacproxy

TOOL = "creds"
ACCOUNT = grants.Account("push-to-deploy", "push-to-deploy-controller")


@dataclass
class World:
    """The tool's maintainer, and the controller with the right to read `gitlab` and `gone`."""

    maintainer: Secrets
    vault: StoredCredentials
    guard: rbacproxy.Guarded

    async def refusal(self, name: str) -> errors.Terminal:
        """Why a Secret cannot be used."""
        with pytest.raises(errors.Terminal) as raised:
            await self.vault.credential(SecretRef(TOOL, name))
        return raised.value


@pytest.fixture
async def world(control_plane: controlplane.Access, tmp_path: Path) -> AsyncIterator[World]:
    """A control plane that enforces roles."""
    rules: list[dict[str, Any]] = []
    for name in ("gitlab", "gone"):
        rules += grants.objects(TOOL, name, ACCOUNT)["roles"]["rules"]
    path = tmp_path / "guarded"
    async with AsyncExitStack() as stack:
        guard = await stack.enter_async_context(
            rbacproxy.guarded(control_plane, {f"tool-{TOOL}": rules}, path)
        )
        maintainer = Secrets(await connected(control_plane.kubeconfig, stack))
        await maintainer.ensure_namespace(TOOL)
        calls = await connected(path, stack)
        yield World(maintainer, StoredCredentials(lambda: calls), guard)


async def connected(kubeconfig: Path, stack: AsyncExitStack) -> Calls:
    """A client, until `stack` ends."""
    connection = await open_kubeconfig(kubeconfig, time.monotonic)
    stack.push_async_callback(connection.close)
    return Calls(connection, RequestMetrics(CollectorRegistry()), time.monotonic)


def secret(name: str, password: str = "old") -> Secret:
    """Credentials as `ptd credentials add` stores them."""
    data = {"username": b"me", "password": password.encode()}
    return Secret(name, data, {LABEL: MARK}, {HOSTS: "git.example.org"}, kind=BASIC)


async def test_what_the_tool_has_granted_is_read_as_it_is_now(world: World) -> None:
    made = await world.maintainer.create(TOOL, secret("gitlab"))
    assert await world.vault.credential(SecretRef(TOOL, "gitlab")) == Credential(
        "gitlab", ("git.example.org",), HttpLogin("Basic bWU6b2xk")
    )
    changed = replace(made, data={"password": b"new"})
    await world.maintainer.replace(TOOL, changed)
    found = await world.vault.credential(SecretRef(TOOL, "gitlab"))
    assert found.login == HttpLogin("Basic Z2l0Om5ldw==")
    assert world.guard.used == {("get", "secrets")}


async def test_what_is_not_there_and_what_is_not_granted_are_told_apart(world: World) -> None:
    await world.maintainer.create(TOOL, secret("github"))
    gone, denied = await world.refusal("gone"), await world.refusal("github")
    assert (gone.reason, gone.message) == (
        Reason.CREDENTIALS_UNUSABLE,
        "the tool has no Secret called gone",
    )
    assert (denied.reason, denied.message, denied.hint) == (
        Reason.CREDENTIALS_UNUSABLE,
        "the controller may not read the Secret github",
        "Allow it: `ptd credentials allow github`, or by kubectl as docs/credentials.md shows.",
    )


async def test_only_marked_secrets_are_listed(world: World) -> None:
    await world.maintainer.create(TOOL, secret("github"))
    await world.maintainer.create(TOOL, Secret("deploy-token", {"token": b"x"}))
    names = [each.name for each in await world.maintainer.marked(TOOL, LABEL, MARK)]
    assert names == ["github"]


async def test_while_there_is_no_control_plane_it_is_asked_again(world: World) -> None:
    with pytest.raises(errors.Transient):
        await StoredCredentials(lambda: None).credential(SecretRef(TOOL, "gitlab"))
