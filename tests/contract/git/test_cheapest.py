"""That the cheap way is taken where it works, and given up for long where it does not."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.support.githttp import Fault, GitServer
from watchers.git import protocol2, transport
from watchers.git.addresses import Address, Guard, Policy
from watchers.git.ls_remote import LsRemote
from watchers.git.process import GitProcesses
from watchers.git.protocol2 import Cheapest, Protocol2
from watchers.git.recent import Recent
from watchers.git.repositories import Repositories
from watchers.git.resolution import RefFound, RefKind, Resolved

SERVICE = "/info/refs?service=git-upload-pack"
A, B = "a" * 40, "b" * 40


@pytest.fixture
async def repositories() -> AsyncIterator[Repositories]:
    """Both transports, loopback allowed."""
    patience = timedelta(seconds=4)
    processes, cheap = GitProcesses(1), Protocol2(patience)
    both = Cheapest(cheap, LsRemote(processes, patience), again=3)
    yield Repositories(Guard(Policy(allow=("127.0.0.1:*",))), both)
    await cheap.close()
    processes.close()


def requests(server: GitServer) -> list[tuple[str, str]]:
    """What arrived, and forget it."""
    seen = [(each.method, each.path) for each in server.seen]
    server.seen.clear()
    return seen


async def test_a_check_is_one_post(server: GitServer, repositories: Repositories) -> None:
    tip = server.repository("app.git").commit({"a": "1"})

    for _ in range(2):
        resolved = await repositories.resolve_one(server.address("app.git"), "main")
        assert resolved == Resolved(tip, RefKind.BRANCH)
        assert requests(server) == [("POST", "/app.git/git-upload-pack")]


async def test_a_server_of_the_oldest_version_is_asked_by_git_for_a_number_of_checks(
    server: GitServer, repositories: Repositories
) -> None:
    tip = server.repository("app.git").commit({"a": "1"})
    server.faults["app.git"] = Fault(oldest=True)

    got = []
    for check in range(5):
        if check == 3:
            del server.faults["app.git"]
        resolved = await repositories.resolve_one(server.address("app.git"), "main")
        assert resolved == Resolved(tip, RefKind.BRANCH)
        got.append(requests(server))

    cheap, git = [("POST", "/app.git/git-upload-pack")], [("GET", "/app.git/info/refs")]
    assert got == [[*cheap, *git], git, git, cheap, cheap]


async def test_a_redirect_is_remembered_and_forgotten_when_it_fails(
    server: GitServer, repositories: Repositories
) -> None:
    tip = server.repository("new.git").commit({"a": "1"})
    server.faults["old.git"] = Fault(301, {"Location": server.address("new.git") + SERVICE})
    old = server.address("old.git")
    await repositories.resolve_one(old, "main")
    requests(server)

    assert await repositories.resolve_one(old, "main") == Resolved(tip, RefKind.BRANCH)
    assert requests(server) == [("POST", "/new.git/git-upload-pack")]

    server.faults["new.git"] = Fault(503)
    with pytest.raises(Exception, match="503"):
        await repositories.resolve_one(old, "main")
    del server.faults["new.git"], server.faults["old.git"]
    moved_back = server.repository("old.git").commit({"a": "2"})
    assert await repositories.resolve_one(old, "main") == Resolved(moved_back, RefKind.BRANCH)


async def test_a_connection_is_kept_for_the_next_check(
    server: GitServer, repositories: Repositories
) -> None:
    server.repository("app.git").commit({"a": "1"})
    for _ in range(3):
        await repositories.resolve_one(server.address("app.git"), "main")

    assert len(server.peers) == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"0000"[:3],
        b"<html>",
        b"0009ERR x",
        b"000eERR refused0000",
        b"0006x\n0000",
        b"001bunborn refs/heads/main\n0000",
        b"%04x%s refs/heads/main\n0000" % (61 - 1, b"a" * 39),
        b"%04x%s refs/heads/main peeled:x\n0000" % (61 + 9, b"a" * 40),
    ],
)
def test_an_answer_that_is_not_complete_version_2_is_left_to_git(content: bytes) -> None:
    with pytest.raises(transport.Unsupported):
        protocol2.parse(content)


def test_an_answer_gives_refs_with_what_their_tags_point_at() -> None:
    lines = [
        f"{A} HEAD symref-target:refs/heads/main\n",
        f"{A} refs/tags/v1 peeled:{B}\n",
    ]
    content = b"".join(b"%04x" % (len(line) + 4) + line.encode() for line in lines) + b"0000"

    assert protocol2.parse(content) == {"HEAD": RefFound(A), "refs/tags/v1": RefFound(A, B)}
    assert protocol2.parse(b"0000") == {}


async def test_other_protocols_are_left_to_git() -> None:
    with pytest.raises(transport.Unsupported):
        await Protocol2().refs(Address("git://x.org/a", "git", "x.org", 9418, (A,)), ["HEAD"])


async def test_a_kept_connection_that_the_host_ends_is_opened_again() -> None:
    body = b"003d" + f"{A} refs/heads/main\n".encode() + b"0000"
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-result\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body) + body
    )
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        await reader.readuntil(b"0000")
        if len(connections) > 1:
            writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as host:
        port = host.sockets[0].getsockname()[1]
        cheap = Protocol2(timedelta(seconds=4))
        address = Address(f"http://x.org:{port}/a", "http", "x.org", port, ("127.0.0.1",))
        found = await cheap.refs(address, ["refs/heads/main"])
        await cheap.close()

    assert found == {"refs/heads/main": RefFound(A)}
    assert len(connections) == 2


def test_only_the_newest_is_remembered() -> None:
    recent: Recent[int] = Recent(limit=2)
    for number, key in enumerate("abac"):
        recent[key] = number

    assert dict(recent) == {"a": 2, "c": 3}
    assert (len(recent), recent.pop("a"), "a" in recent) == (2, 2, False)
