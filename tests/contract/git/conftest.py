"""The git server and every transport that must pass the suite."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.githttp import GitServer
from tests.support.sshserver import SshServer
from watchers.git.addresses import Guard, Policy
from watchers.git.ls_remote import LsRemote
from watchers.git.process import GitProcesses
from watchers.git.protocol2 import Cheapest, Protocol2
from watchers.git.repositories import Repositories
from watchers.git.transport import Transport

PATIENCE = timedelta(seconds=4)  # a busy machine must not look like a host that hangs


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """An ssh host on loopback, for all tests of a process."""
    with SshServer(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[GitServer]:
    """A git host on loopback without repositories."""
    async with GitServer(tmp_path / "host") as running:
        yield running


@pytest.fixture(params=["ls-remote", "cheapest"])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Transport]:
    """Each transport in turn."""
    processes = GitProcesses(4)
    general, cheap = LsRemote(processes, PATIENCE), Protocol2(PATIENCE)
    yield general if request.param == "ls-remote" else Cheapest(cheap, general)
    await cheap.close()
    processes.close()


@pytest.fixture
def repositories(transport: Transport) -> Repositories:
    """The transport behind the usual checks; loopback is allowed."""
    return Repositories(Guard(Policy(allow=("127.0.0.1:*",))), transport)
