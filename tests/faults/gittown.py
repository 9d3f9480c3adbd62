"""The town of `town` with real repositories: git itself answers, over HTTP, both transports ask.

Time stands still while git works.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.faults.timeline import PatientLoop
from tests.faults.town import Town
from tests.support.githttp import GitServer
from tests.support.gitrepo import BareRepository
from watchers.git.addresses import Address
from watchers.git.ls_remote import LsRemote
from watchers.git.process import GitProcesses
from watchers.git.protocol2 import Cheapest, Protocol2
from watchers.git.resolution import RefFound
from watchers.git.transport import Transport


@dataclass
class Host:
    """A git server, and the transports that ask it."""

    server: GitServer
    cheapest: Transport
    general: Transport


@asynccontextmanager
async def hosting() -> AsyncIterator[Host]:
    """A host without repositories."""
    with TemporaryDirectory() as folder:
        async with GitServer(Path(folder)) as server:
            processes, cheap = GitProcesses(4), Protocol2()
            general = LsRemote(processes)
            yield Host(server, Cheapest(cheap, general), general)
            await cheap.close()
            processes.close()


@dataclass
class GitTown(Town):
    """Every second tool is asked by git processes, the others in version 2."""

    host: Host | None = None
    repositories: dict[str, BareRepository] = field(default_factory=dict)

    def url_of(self, tool: str) -> str:
        """Where the tool's repository is."""
        assert self.host is not None
        return self.host.server.address(f"{tool}.git")

    def committed(self, tool: str, *, force: bool) -> str:
        """Another commit for the branch that is followed."""
        assert self.host is not None
        if tool not in self.repositories:
            self.repositories[tool] = self.host.server.repository(f"{tool}.git")
        return self.repositories[tool].commit({"a": self.fresh()}, orphan=force)

    async def clutter(self, tool: str) -> None:
        """A tag with the name of the branch, and branches that end in it."""
        repository = self.repositories[tool]
        other = repository.commit({"b": self.fresh()}, "dependabot/main", orphan=True)
        repository.tag("main", other, annotated=True)
        repository.set_ref("refs/heads/xmain", other)

    async def refs(self, address: Address, wanted: Sequence[str]) -> Mapping[str, RefFound]:
        """What git answers the controller."""
        assert self.host is not None
        loop = asyncio.get_running_loop()
        assert isinstance(loop, PatientLoop)
        odd = address.url.removesuffix(".git")[-1] in "13579"
        asked = self.host.general if odd else self.host.cheapest
        with loop.standing_still():
            return await asked.refs(replace(address, ips=("127.0.0.1",)), wanted)
