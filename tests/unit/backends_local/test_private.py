"""Credentials in a build: handed over once, shown to the host, and gone before anything runs."""

import asyncio
from pathlib import Path

import pytest

from controller import errors
from controller.backends import base
from controller.backends.local import fetch, handover
from controller.backends.local.backend import LocalBackend
from controller.models.credentials import Credential, HttpLogin, SecretRef, SshKey
from controller.models.reasons import Reason
from tests.support import localbackend
from tests.support.githttp import GitServer
from tests.unit.backends_local.site import TOOL, until

WORD = "canary-5ec7e7"
TOKEN = Credential("gitlab", ("127.0.0.1",), HttpLogin(f"Bearer {WORD}"))
KEY = Credential("key", ("git.example.org", "b.org:22"), SshKey(WORD, "known"))


@pytest.mark.parametrize("credential", [TOKEN, KEY], ids=["token", "key"])
def test_a_credential_is_handed_over_once_and_readable_by_its_owner_only(
    credential: Credential, tmp_path: Path
) -> None:
    handover.give(tmp_path, credential)
    modes = [oct(path.stat().st_mode)[-3:] for path in sorted(tmp_path.rglob("*"))]

    assert modes == ["700", "600"]
    assert (handover.take(tmp_path), handover.take(tmp_path)) == (credential, None)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    handover.clear(tmp_path)
    assert list(tmp_path.iterdir()) == []


def leash(folder: Path, credential: Credential | None) -> fetch.Leash:
    """What git may do in these tests."""
    return fetch.Leash(("http",), 5, folder / "home", credential, folder)


async def test_a_private_commit_is_fetched_and_a_refusal_says_what_to_do(tmp_path: Path) -> None:
    async with GitServer(tmp_path / "git") as server:
        tip = server.repository("app.git").commit({"a": "1"})
        server.private["app.git"] = f"Bearer {WORD}"
        wrong = Credential("gitlab", ("127.0.0.1",), HttpLogin(f"Bearer old-{WORD}"))
        place = (server.address("app.git"), "main", tip)
        with pytest.raises(fetch.FetchError) as raised:
            await asyncio.to_thread(fetch.checkout, *place, tmp_path / "x", leash(tmp_path, wrong))
        await asyncio.to_thread(fetch.checkout, *place, tmp_path / "app", leash(tmp_path, TOKEN))

    assert (tmp_path / "app/a").read_text() == "1"
    assert "does not accept the credentials in the Secret gitlab" in str(raised.value)
    assert WORD not in str(raised.value)
    kept = [path for path in (tmp_path / "app").rglob("*") if path.is_file()]
    assert [path for path in kept if WORD.encode() in path.read_bytes()] == []


async def test_a_build_that_waits_for_its_credentials_can_be_cancelled(tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def away(_: SecretRef) -> Credential:
        asked.set()
        raise errors.Transient(Reason.RETRYING, "the control plane does not answer")

    request = base.BuildRequest(
        "web",
        "https://git.example.org/x.git",
        "main",
        "a" * 40,
        base.BuildOptions(),
        "d1",
        "gitlab",
    )
    async with LocalBackend(
        tmp_path, localbackend.QUICK, localbackend.now, credentials=away
    ) as local:
        begun = await local.builds.start(TOOL, request)
        await asked.wait()
        await local.builds.cancel(TOOL, begun.id)

        async def ended() -> base.Build | None:
            (shown,) = await local.builds.list(TOOL)
            return None if shown.state.live else shown

        assert (await until(ended)).state == base.BuildState.CANCELLED
