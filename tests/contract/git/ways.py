"""The ways in which a repository is asked for its refs: a host each, and a client that is let in.

Used by `test_refs`, which must find the same answers on all of them.
"""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from controller.models.credentials import Credential, HttpLogin, SecretRef, SshKey
from tests.support.githttp import GitServer
from tests.support.gitrepo import BareRepository
from tests.support.sshserver import SshServer
from watchers.git.addresses import Guard, Policy
from watchers.git.ls_remote import LsRemote
from watchers.git.process import GitProcesses
from watchers.git.protocol2 import Cheapest, Protocol2
from watchers.git.repositories import Repositories
from watchers.git.resolution import RefProblem, Resolved
from watchers.git.transport import Transport

PATIENCE = timedelta(seconds=4)  # a busy machine must not look like a host that hangs
GUARD = Guard(Policy(allow=("127.0.0.1:*",)))
SECRET = SecretRef("demo", "gitlab")
TOKEN = "canary-5ec7e7-token"
BASIC = "Basic " + base64.b64encode(f"git:{TOKEN}".encode()).decode()


class Host(Protocol):
    """Where repositories are served."""

    def repository(self, name: str, branch: str = "main") -> BareRepository:
        """A new, empty repository."""
        ...

    def address(self, name: str) -> str:
        """Where it is served."""
        ...


@dataclass
class Vault:
    """One credential, for whoever names its Secret; `asked` are the Secrets that were named."""

    held: Credential
    asked: int = 0

    async def credential(self, secret: SecretRef) -> Credential:
        """The credential."""
        self.asked += 1
        assert secret == SECRET
        return self.held


@dataclass(frozen=True)
class Client:
    """`Repositories` with one Secret, or with none."""

    repositories: Repositories
    secret: SecretRef | None = None

    async def resolve(
        self, repository: str, refs: Sequence[str]
    ) -> Mapping[str, Resolved | RefProblem]:
        """See `Repositories.resolve`."""
        return await self.repositories.resolve(repository, refs, self.secret)

    async def resolve_one(self, repository: str, ref: str) -> Resolved:
        """See `Repositories.resolve_one`."""
        return await self.repositories.resolve_one(repository, ref, self.secret)


class PrivateServer(GitServer):
    """A git host that lets nobody read anything without the token."""

    def repository(self, name: str, branch: str = "main") -> BareRepository:
        """A new, empty, private repository."""
        self.private[name] = BASIC
        return super().repository(name, branch)


def login_of(server: GitServer, authorization: str = BASIC) -> Credential:
    """A credential for an HTTP host."""
    return Credential(SECRET.name, (f"127.0.0.1:{server.port}",), HttpLogin(authorization))


def key_of(server: SshServer) -> Credential:
    """A credential for an ssh host."""
    key = SshKey(server.user_key, server.known_hosts)
    return Credential(SECRET.name, (f"127.0.0.1:{server.port}",), key)


def client(transport: Transport, held: Credential) -> Client:
    """A client that is let in."""
    return Client(Repositories(GUARD, transport, vault=Vault(held)), SECRET)


@asynccontextmanager
async def transports() -> AsyncIterator[dict[str, Transport]]:
    """Both transports."""
    processes = GitProcesses(4)
    general, cheap = LsRemote(processes, PATIENCE), Protocol2(PATIENCE)
    try:
        yield {"ls-remote": general, "cheapest": Cheapest(cheap, general)}
    finally:
        await cheap.close()
        processes.close()


PUBLIC = ("ls-remote over http", "cheapest over http")
WAYS = (*PUBLIC, "cheapest over http with a token", "cheapest over ssh")


@asynccontextmanager
async def way(name: str, folder: Path, sshd: SshServer) -> AsyncIterator[tuple[Host, Client]]:
    """A host, and a client for it."""
    async with AsyncExitStack() as stack:
        transport = (await stack.enter_async_context(transports()))[name.split(" ", maxsplit=1)[0]]
        if name.endswith("ssh"):
            served = replace(sshd, folder=sshd.folder)
            served.repositories = folder
            yield served, client(transport, key_of(sshd))
        elif name.endswith("token"):
            private = await stack.enter_async_context(PrivateServer(folder))
            yield private, client(transport, login_of(private))
        else:
            public = await stack.enter_async_context(GitServer(folder))
            yield public, Client(Repositories(GUARD, transport))
