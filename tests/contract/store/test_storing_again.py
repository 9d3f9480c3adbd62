"""`ptd credentials add` once more under the same name: one write, or none at all."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from controller.cli.main import main
from controller.models.credentials import BASIC, HOSTS, LABEL, MARK, OPAQUE, SSH
from controller.store.secrets import Secret, Secrets
from tests.contract.store.test_credentials import connected
from tests.support import controlplane

TOOL = "again"
OLD: Mapping[str, Mapping[str, bytes]] = {
    BASIC: {"username": b"me", "password": b"old"},
    SSH: {"ssh-privatekey": b"old", "known_hosts": b"old"},
    OPAQUE: {"token": b"old"},
}
TOKEN = ("--token-stdin",)
LOGIN = ("--token-stdin", "--username", "you")
BEARER = ("--token-stdin", "--bearer")
KEY = ("--ssh-key", "key", "--known-hosts", "known_hosts")


@pytest.fixture
async def secrets(control_plane: controlplane.Access) -> AsyncIterator[Secrets]:
    async with AsyncExitStack() as stack:
        made = Secrets(await connected(control_plane.kubeconfig, stack))
        await made.ensure_namespace(TOOL)
        yield made


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key"], check=True)
    public = (tmp_path / "key.pub").read_text()
    (tmp_path / "known_hosts").write_text(f"git.example.org {public}")
    return tmp_path


async def add(plane: controlplane.Access, *options: str) -> Result:
    words = ["credentials", "add", "mine", "--host", "git.example.org", *options]
    words += ["--kubeconfig", str(plane.kubeconfig), "--tool", TOOL]
    return await asyncio.to_thread(CliRunner().invoke, main, words, input="new\n")


@pytest.mark.parametrize(
    ("old", "options", "stored"),
    [
        (OPAQUE, TOKEN, {"token": b"new"}),
        (OPAQUE, LOGIN, {"username": b"you", "token": b"new"}),
        (OPAQUE, BEARER, {"bearerToken": b"new"}),
        (OPAQUE, KEY, None),
        (BASIC, TOKEN, {"password": b"new"}),
        (BASIC, LOGIN, {"username": b"you", "password": b"new"}),
        (SSH, KEY, None),
    ],
)
async def test_a_secret_is_changed_in_its_place(
    control_plane: controlplane.Access,
    secrets: Secrets,
    folder: Path,
    old: str,
    options: tuple[str, ...],
    stored: Mapping[str, bytes] | None,
) -> None:
    ssh = {name: (folder / file).read_bytes() for name, file in FILES.items()}
    made = await secrets.create(TOOL, before(old))

    result = await add(control_plane, *options)

    assert result.exit_code == 0, result.output
    found = await secrets.get(TOOL, "mine")
    assert (found.uid, found.kind, found.data) == (made.uid, old, stored or ssh)
    await secrets.delete(TOOL, "mine")


FILES = {"ssh-privatekey": "key", "known_hosts": "known_hosts"}


@pytest.mark.parametrize(("old", "options"), [(BASIC, KEY), (BASIC, BEARER), (SSH, TOKEN)])
@pytest.mark.usefixtures("folder")
async def test_a_secret_whose_type_cannot_hold_it_is_left_as_it_is(
    control_plane: controlplane.Access, secrets: Secrets, old: str, options: tuple[str, ...]
) -> None:
    made = await secrets.create(TOOL, before(old))

    result = await add(control_plane, *options)

    assert (result.exit_code, result.stderr) == (
        1,
        f"Error: the Secret mine is of the type {old}, which never changes and cannot hold this\n"
        "Choose another name, or delete it first: `ptd credentials delete mine`.\n",
    )
    assert await secrets.get(TOOL, "mine") == made
    await secrets.delete(TOOL, "mine")


def before(kind: str) -> Secret:
    """What is stored already, as by kubectl."""
    return Secret("mine", OLD[kind], {LABEL: MARK}, {HOSTS: "git.example.org"}, kind=kind)
