"""Servers that mean harm, as raw bytes: every transport ends in time and names the failure."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from controller import errors
from controller.models.reasons import Reason
from watchers.git.addresses import Guard, Policy
from watchers.git.repositories import Repositories
from watchers.git.resolution import RefProblem
from watchers.git.transport import Transport

pytestmark = pytest.mark.timeout(30)

Attack = Callable[[asyncio.StreamWriter], Awaitable[None]]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-result\r\n"
LENGTH = b"Content-Length: 100000000\r\n\r\n"


async def _bytes(writer: asyncio.StreamWriter, *parts: bytes) -> None:
    for part in parts:
        writer.write(part)
    await writer.drain()


async def drip_headers(writer: asyncio.StreamWriter) -> None:
    await _bytes(writer, b"HTTP/1.1 200 OK\r\n")
    while True:
        await _bytes(writer, b"X: y\r\n")
        await asyncio.sleep(0.1)


async def drip_body(writer: asyncio.StreamWriter) -> None:
    await _bytes(writer, HEAD, LENGTH)
    while True:
        await _bytes(writer, b"0")
        await asyncio.sleep(0.1)


async def endless_headers(writer: asyncio.StreamWriter) -> None:
    await _bytes(writer, b"HTTP/1.1 200 OK\r\n")
    while True:
        await _bytes(writer, b"X-%d: " % time.perf_counter_ns() + b"y" * 4000 + b"\r\n")


async def endless_body(writer: asyncio.StreamWriter) -> None:
    await _bytes(writer, HEAD, b"\r\n")
    while True:
        await _bytes(writer, b"003d" + b"ab" * 20 + b" refs/heads/main\n" * 1000)


async def compressed(writer: asyncio.StreamWriter) -> None:
    """Gigabytes in a few bytes: the content is never unpacked beyond the limit."""
    import zlib  # noqa: PLC0415

    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(b"\0" * 64 * 2**20) + packer.flush()
    length = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    await _bytes(writer, HEAD, length, packed)


def sends(*parts: bytes) -> Attack:
    async def attack(writer: asyncio.StreamWriter) -> None:
        await _bytes(writer, *parts)

    return attack


ATTACKS: dict[str, Attack] = {
    "nothing, and the end": sends(),
    "no HTTP": sends(b"SSH-2.0-OpenSSH_9\r\n"),
    "random bytes": sends(bytes(range(256)) * 100),
    "a status that is none": sends(b"HTTP/1.1 99999 OK\r\n\r\n"),
    "two lengths": sends(HEAD, b"Content-Length: 4\r\nContent-Length: 5\r\n\r\n0000"),
    "a body that is cut off": sends(HEAD, LENGTH, b"003d"),
    "a chunk of a negative size": sends(HEAD, b"Transfer-Encoding: chunked\r\n\r\n-1\r\n"),
    "a packet of a wrong length": sends(HEAD, b"Content-Length: 8\r\n\r\nffff0000"),
    "headers drop by drop": drip_headers,
    "a body drop by drop": drip_body,
    "headers without end": endless_headers,
    "refs without end": endless_body,
    "a body that unpacks to very much": compressed,
}


@pytest.fixture(params=list(ATTACKS.values()), ids=list(ATTACKS))
async def attacker(request: pytest.FixtureRequest) -> AsyncIterator[str]:
    """A server that answers every connection with the attack; its address."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await request.param(writer)
        except (OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/app.git"
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_an_attack_ends_in_time_and_gives_no_commit(
    attacker: str, transport: Transport
) -> None:
    repositories = Repositories(Guard(Policy(allow_private=True)), transport)
    began = time.monotonic()

    try:
        found: object = (await repositories.resolve(attacker, ["main"]))["main"]
    except errors.EdgeError as error:
        found = error

    # Some of it is, to git, an empty repository of the oldest kind of server.
    assert isinstance(found, errors.EdgeError | RefProblem)
    assert found.reason in (
        Reason.REPOSITORY_UNREACHABLE,
        Reason.REPOSITORY_REFUSED,
        Reason.REPOSITORY_NOT_FOUND,
        Reason.REF_NOT_FOUND,
    )
    assert time.monotonic() - began < 12  # two limits of four seconds: cheap, then general
