"""Credentials: kubeconfig and service account as they are found in the wild."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.store.client import (
    Connection,
    NoAccess,
    open_in_cluster,
    open_kubeconfig,
)

POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}


class Clock:
    """Seconds that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def account(tmp_path: Path) -> Path:
    """A service account's directory."""
    import certifi  # noqa: PLC0415

    (tmp_path / "ca.crt").write_text(Path(certifi.where()).read_text())
    (tmp_path / "token").write_text("one\n")
    return tmp_path


def kubeconfig(tmp_path: Path, **user: Any) -> Path:
    """A kubeconfig file with one user."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9/"}}],
        "users": [{"name": "u", "user": user}],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(content))
    return path


async def sent(connection: Connection) -> str | None:
    """The Authorization that the next request would carry."""
    found = await connection.calls.configuration.auth_settings()
    return found["BearerToken"]["value"] if found else None


async def test_a_kubeconfig_names_server_and_token(tmp_path: Path) -> None:
    connection = await open_kubeconfig(kubeconfig(tmp_path, token="t"), Clock())
    assert connection.calls.configuration.host == "http://127.0.0.1:9"
    assert await sent(connection) == "Bearer t"
    await connection.close()


async def test_a_token_file_that_ends_in_a_newline_works_and_is_read_again_when_asked(
    tmp_path: Path,
) -> None:
    (tmp_path / "token").write_text("one\n")
    path = kubeconfig(tmp_path, tokenFile=str(tmp_path / "token"))
    connection = await open_kubeconfig(path, Clock())
    assert await sent(connection) == "Bearer one"
    (tmp_path / "token").write_text("two\n")
    assert await connection.reread()
    assert await sent(connection) == "Bearer two"
    await connection.close()


async def test_a_kubeconfig_without_a_user_sends_no_token(tmp_path: Path) -> None:
    connection = await open_kubeconfig(kubeconfig(tmp_path), Clock())
    assert await sent(connection) is None
    await connection.close()


BROKEN: dict[str, Callable[[Path], object]] = {
    "is missing": lambda path: path.unlink(),
    "is empty": lambda path: path.write_text(""),
    "is no YAML": lambda path: path.write_text("a: [1"),
    "is a list": lambda path: path.write_text("- 1"),
    "is text": lambda path: path.write_text("text"),
    "has no contexts": lambda path: path.write_text("apiVersion: v1\nkind: Config\n"),
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN.keys())
async def test_a_kubeconfig_that_cannot_be_used_is_named(
    damage: Callable[[Path], object], tmp_path: Path
) -> None:
    path = kubeconfig(tmp_path)
    damage(path)
    with pytest.raises(NoAccess, match="config"):
        await open_kubeconfig(path, Clock())


async def test_an_unknown_context_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoAccess, match="there"):
        await open_kubeconfig(kubeconfig(tmp_path), Clock(), context="there")


async def test_a_pod_uses_its_service_account(account: Path) -> None:
    connection = await open_in_cluster(POD, Clock(), account)
    assert connection.calls.configuration.host == "https://10.0.0.1:6443"
    assert await sent(connection) == "Bearer one"
    await connection.close()


async def test_an_ipv6_address_is_put_in_brackets(account: Path) -> None:
    connection = await open_in_cluster(
        {**POD, "KUBERNETES_SERVICE_HOST": "fd00::1"}, Clock(), account
    )
    assert connection.calls.configuration.host == "https://[fd00::1]:6443"
    await connection.close()


async def test_a_rotated_token_is_used_after_a_minute_on_both_clients(account: Path) -> None:
    clock = Clock()
    connection = await open_in_cluster(POD, clock, account)
    (account / "token").write_text("two")
    clock.now = 59
    assert await sent(connection) == "Bearer one"
    clock.now = 60
    assert await sent(connection) == "Bearer two"
    watches = await connection.watches.configuration.auth_settings()
    assert watches["BearerToken"]["value"] == "Bearer two"
    await connection.close()


@pytest.mark.parametrize("damage", ["empty", "missing"])
async def test_a_token_that_cannot_be_read_for_a_moment_leaves_the_old_one(
    damage: str, account: Path
) -> None:
    connection = await open_in_cluster(POD, Clock(), account)
    token = account / "token"
    token.write_text("") if damage == "empty" else token.unlink()
    assert not await connection.reread()
    assert await sent(connection) == "Bearer one"
    await connection.close()


@pytest.mark.parametrize(
    ("environment", "missing", "message"),
    [
        ({}, None, "not in a pod"),
        ({**POD, "KUBERNETES_SERVICE_PORT": ""}, None, "not in a pod"),
        (POD, "token", "token"),
        (POD, "ca.crt", "ca.crt"),
    ],
    ids=["no pod", "an empty port", "no token", "no authority"],
)
async def test_outside_of_a_pod_it_says_what_is_missing(
    environment: dict[str, str], missing: str | None, message: str, account: Path
) -> None:
    if missing:
        (account / missing).unlink()
    with pytest.raises(NoAccess, match=message):
        await open_in_cluster(environment, Clock(), account)


async def test_proxies_of_the_environment_do_not_apply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    connection = await open_kubeconfig(kubeconfig(tmp_path), Clock())
    session = connection.calls.rest_client._create_pool_manager()
    assert session.trust_env is False
    await session.close()
    await connection.close()
