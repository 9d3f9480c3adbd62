"""Hundreds of addresses and refs that want to be something else, through the real validation.

What is noticed: every process that this one starts and every one that its gits start, a connection
to the canary, a question to DNS, a file that appears. Programme tests 32 and 33.
"""

import asyncio
import ipaddress
import json
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from controller import errors
from controller.models.reasons import Reason
from tests.contract.git import corpus
from tests.support.githttp import Fault, GitServer
from watchers.git.addresses import Address, Guard, Policy
from watchers.git.repositories import Repositories
from watchers.git.resolution import RefFound, RefKind, RefProblem, Resolved
from watchers.git.transport import Transport

pytestmark = pytest.mark.timeout(60)

PUBLIC = "203.0.114.7"
LOOPBACK = "127.0.0.1"
SERVICE = "/info/refs?service=git-upload-pack"


@dataclass
class Heard:
    """What this process did while somebody listened."""

    started: list[list[str]] = field(default_factory=list)
    connected: list[Any] = field(default_factory=list)


_LISTENERS: list[Heard] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    for heard in _LISTENERS:
        if event == "subprocess.Popen":
            heard.started.append([str(word) for word in arguments[1]])
        elif event == "socket.connect":
            heard.connected.append(arguments[1])


@pytest.fixture
def heard() -> Iterator[Heard]:
    """Everything that this process starts and connects to. An audit hook cannot be taken away."""
    if not hasattr(sys, "_ptd_audited"):
        sys.addaudithook(_audit)
        sys._ptd_audited = True  # type: ignore[attr-defined]
    listening = Heard()
    _LISTENERS.append(listening)
    yield listening
    _LISTENERS.remove(listening)


@pytest.fixture
def children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where git writes down each program that it starts."""
    file = tmp_path / "trace2"
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(file))
    return file


@pytest.fixture
async def canary() -> AsyncIterator["Canary"]:
    """A server that nobody may call."""
    listening = Canary()
    server = await asyncio.start_server(listening.called, LOOPBACK, 0)
    listening.port = server.sockets[0].getsockname()[1]
    yield listening
    server.close()


@dataclass
class Canary:
    """Counts its callers."""

    port: int = 0
    calls: int = 0

    async def called(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Somebody did."""
        self.calls += 1
        writer.close()


class Dns:
    """Answers from a list, the last of it for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if _is_literal(host):
            return [host]
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def _is_literal(host: str) -> bool:
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        return False


class Told:
    """A transport that is only told where to ask."""

    def __init__(self) -> None:
        self.ips: list[tuple[str, ...]] = []

    async def refs(self, address: Address, wanted: Sequence[str]) -> dict[str, RefFound]:
        """See `transport.Transport.refs`."""
        self.ips.append(address.ips)
        return {}


def filled(rows: Sequence[str], file: Path) -> list[str]:
    """The rows with the name of a file that must not appear."""
    return [row.replace("{file}", str(file)).replace("{{", "{").replace("}}", "}") for row in rows]


async def refusal(repositories: Repositories, address: str) -> str:
    """With which reason an address is not asked; "" where it is."""
    try:
        await repositories.resolve(address, ["main"])
    except errors.EdgeError as error:
        return str(error.reason)
    return ""


def test_the_corpus_is_as_large_as_was_promised() -> None:
    assert len(set(corpus.ADDRESSES + corpus.NUMBERS)) + len(set(corpus.REFS)) >= 400
    assert len(set(corpus.SPECIAL)) >= 40
    # As a literal, as an answer, among others, behind a name that was public, and redirected to.
    assert len(corpus.SPECIAL) * 4 + len(TARGETS) * 2 >= 120


async def test_no_address_of_the_corpus_gets_anywhere(
    heard: Heard, tmp_path: Path, transport: Transport
) -> None:
    dns = Dns([PUBLIC])
    repositories = Repositories(Guard(Policy(), dns), transport)
    rows = filled([*corpus.ADDRESSES, *corpus.NUMBERS], tmp_path / "touched")

    got = {row: await refusal(repositories, row) for row in rows}

    assert {row: reason for row, reason in got.items() if reason != Reason.REPOSITORY_REFUSED} == {}
    assert (dns.asked, heard.started, heard.connected, list(tmp_path.iterdir())) == ([], [], [], [])


async def test_what_the_corpus_says_is_refused_without_secrets_and_in_one_line(
    tmp_path: Path,
) -> None:
    guard = Guard(Policy(), Dns([PUBLIC]))
    for row in filled(corpus.ADDRESSES, tmp_path / "touched"):
        with pytest.raises(errors.Terminal) as raised:
            await guard.admit(row)
        message = raised.value.message
        assert "secret" not in message
        assert message.isprintable()
        assert len(message) < 400


async def test_refs_of_the_corpus_are_names_and_nothing_else(
    heard: Heard,
    children: Path,
    tmp_path: Path,
    server: GitServer,
    repositories: Repositories,
) -> None:
    tip = server.repository("app.git").commit({"a": "1"})
    rows = filled(corpus.REFS, tmp_path / "touched")
    before = sorted(tmp_path.iterdir())
    heard.started.clear()

    found = dict(await repositories.resolve(server.address("app.git"), ["main", *rows]))

    assert found.pop("main") == Resolved(tip, RefKind.BRANCH)
    assert {ref: each for ref, each in found.items() if not isinstance(each, RefProblem)} == {}
    assert all(problem.message.isprintable() for problem in found.values())  # type: ignore[union-attr]
    assert {_program(words) for words in heard.started} <= {"git ls-remote", "git http-backend"}
    assert _children(children) <= {"git-remote-http", "git", "git-upload-pack", "upload-pack"}
    assert [path for path in sorted(tmp_path.iterdir()) if path != children] == [
        path for path in before if path != children
    ]


def _program(words: Sequence[str]) -> str:
    """A started program without the one that limits it, and its first argument."""
    git = [word for word in words if not word.startswith("--as=") and "prlimit" not in word]
    if git[1] == "ls-remote":
        # Whatever a stranger wrote stands behind this.
        assert "--" in git
        assert all(word.startswith("--") for word in git[2 : git.index("--")])
    return " ".join(git[:2])


def _children(trace: Path) -> set[str]:
    """The programs that gits started, by their own record."""
    lines = trace.read_text().splitlines() if trace.exists() else []
    events = [json.loads(line) for line in lines]
    started = [each["argv"][0] for each in events if each["event"] == "child_start"]
    return {Path(each).name for each in started}


@pytest.mark.parametrize("scheme", ["https", "http"])
async def test_no_special_address_is_asked_however_it_is_come_by(
    scheme: str, heard: Heard, transport: Transport
) -> None:
    for ip in corpus.SPECIAL:
        literal = f"{scheme}://{f'[{ip}]' if ':' in ip else ip}/a"
        url = f"{scheme}://git.example.org/a"
        for address, answer in ((literal, [ip]), (url, [ip]), (url, [PUBLIC, ip])):
            repositories = Repositories(Guard(Policy(), Dns(answer)), transport)
            assert await refusal(repositories, address) == Reason.REPOSITORY_REFUSED, (address, ip)
    assert (heard.started, heard.connected) == ([], [])


@pytest.mark.parametrize("ip", corpus.SPECIAL)
async def test_a_name_that_was_public_is_refused_when_it_leads_inside(ip: str) -> None:
    told = Told()
    repositories = Repositories(Guard(Policy(), Dns([PUBLIC], [ip])), told)

    await repositories.resolve("https://git.example.org/a", ["main"])
    assert await refusal(repositories, "https://git.example.org/a") == Reason.REPOSITORY_REFUSED

    assert told.ips == [(PUBLIC,)]


@pytest.mark.parametrize(
    "host", ["kubernetes.default", "builds-api.builds-api", "git.example.org", "127.0.0.1."]
)
async def test_a_name_of_the_cluster_is_refused_by_its_address(
    host: str, heard: Heard, transport: Transport
) -> None:
    for policy, answer in (
        (Policy(), "10.96.0.1"),
        (Policy(denied_networks=(ipaddress.ip_network("203.0.114.0/24"),)), PUBLIC),
    ):
        repositories = Repositories(Guard(policy, Dns([answer])), transport)
        assert await refusal(repositories, f"https://{host}/a") == Reason.REPOSITORY_REFUSED
    assert (heard.started, heard.connected) == ([], [])


async def test_what_a_name_leads_to_after_the_check_does_not_count(
    server: GitServer, canary: Canary, transport: Transport
) -> None:
    """The transports ask DNS for nothing: this name exists in our own resolver only."""
    tip = server.repository("app.git").commit({"a": "1"})
    dns = Dns([LOOPBACK], ["127.0.0.2"])
    guard = Guard(Policy(allow=("rebinding.example:*",)), dns)
    address = f"http://rebinding.example:{server.port}/app.git"

    resolved = await Repositories(guard, transport).resolve_one(address, "main")

    assert (resolved.commit, dns.asked, canary.calls) == (tip, ["rebinding.example"], 0)


TARGETS = [
    "http://127.0.0.1:{port}",
    "http://localhost:{port}",
    "http://LocalHost.:{port}",
    "http://127.1:{port}",
    "http://2130706433:{port}",
    "http://0x7f000001:{port}",
    "http://0177.0.0.1:{port}",
    "http://0.0.0.0:{port}",
    "http://0:{port}",
    "http://[::1]:{port}",
    "http://[::ffff:127.0.0.1]:{port}",
    "http://[64:ff9b::7f00:1]:{port}",
    "http://127.0.0.1.nip.example:{port}",
    "http://canary.cluster.local:{port}",
    "http://user@127.0.0.1:{port}",
    "http://git.example.org@127.0.0.1:{port}",
    "http://git.example.org:80@127.0.0.1:{port}",
    "http://\uff11\uff12\uff17.0.0.1:{port}",
    "http://127\u30020\u30020\u30021:{port}",
    "//127.0.0.1:{port}",
    "///127.0.0.1:{port}",
    "http:127.0.0.1:{port}",
    "http:\\\\127.0.0.1:{port}",
    "git://127.0.0.1:{port}",
    "ssh://127.0.0.1:{port}",
    "ftp://127.0.0.1:{port}",
    "gopher://127.0.0.1:{port}",
    "ext::sh -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'",
    "file://",
    "http://inside.example.org:{port}",
]


@pytest.mark.parametrize("target", TARGETS)
async def test_no_redirect_leads_to_the_canary(
    target: str, server: GitServer, canary: Canary, transport: Transport
) -> None:
    location = target.format(port=canary.port) + "/x.git" + SERVICE
    server.repository("app.git").commit({"a": "1"})
    # One host may be asked although it is at 127.0.0.1, by its name and its port.
    host = f"git.example.org:{server.port}"
    onwards = {"app.git": f"http://{host}/b.git{SERVICE}", "b.git": location}
    server.faults |= {name: Fault(302, {"Location": to}) for name, to in onwards.items()}
    guard = Guard(Policy(allow=(host,)), Dns([LOOPBACK]))
    for name in onwards:
        assert await refusal(Repositories(guard, transport), f"http://{host}/{name}") in (
            Reason.REPOSITORY_REFUSED,
            Reason.REPOSITORY_NOT_FOUND,
            Reason.REPOSITORY_UNREACHABLE,
        )
    assert canary.calls == 0


async def test_the_canary_would_be_heard(canary: Canary, transport: Transport) -> None:
    """The tests above can fail."""
    guard = Guard(Policy(allow_private=True), Dns([LOOPBACK]))
    await refusal(Repositories(guard, transport), f"http://x.example:{canary.port}/a.git")
    assert canary.calls > 0


def test_sockets_of_this_process_are_heard(heard: Heard, canary: Canary) -> None:
    with socket.create_connection((LOOPBACK, canary.port)):
        assert heard.connected == [(LOOPBACK, canary.port)]
