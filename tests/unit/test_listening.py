"""A listener's patience: heads that never end, clients that idle, answers that nobody reads.

Asked over raw sockets, with the real times shortened.
"""

import asyncio
import contextlib
import pathlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from controller import listening
from controller.local import certificate

WITHIN = 0.3
HEAD = b"GET /slow HTTP/1.1\r\nHost: x\r\n"
HELLO = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


@dataclass
class Listener:
    """What listens, and how many heads it was told of that came too late."""

    port: int
    runner: listening.Runner
    late: list[int] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)


async def hello(_request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def slow(_request: web.Request) -> web.Response:
    await asyncio.sleep(2 * WITHIN)
    return web.Response(text="late but well")


async def refuse(_request: web.Request) -> web.Response:
    return web.Response(status=401, text="refused")


async def large(_request: web.Request) -> web.Response:
    return web.Response(body=b"x" * 2**20)


async def read(request: web.Request) -> web.Response:
    return web.Response(text=str(len(await request.read())))


@contextlib.asynccontextmanager
async def listening_for(within: float) -> AsyncIterator[Listener]:
    """A few routes; a head must be whole in so many seconds."""
    app = web.Application()
    app.router.add_get("/hello", hello)
    app.router.add_get("/slow", slow)
    app.router.add_get("/large", large)
    app.router.add_post("/refuse", refuse)
    app.router.add_post("/read", read)
    late: list[int] = []
    runner = listening.Runner(
        app,
        timedelta(seconds=1),
        head_within=timedelta(seconds=within),
        stalled=timedelta(seconds=WITHIN),
        late=lambda: late.append(1),
    )
    await runner.setup()
    await runner.listen("127.0.0.1", 0)
    yield Listener(runner.addresses[0][1], runner, late)
    await runner.cleanup()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    """A listener without patience."""
    async with listening_for(WITHIN) as made:
        yield made


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the connection ends, which has to be soon."""
    async with asyncio.timeout(10 * WITHIN):
        with contextlib.suppress(ConnectionError):
            return await reader.read()
    return b""


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - nobody could set an event
            await asyncio.sleep(0.01)


async def answer(reader: asyncio.StreamReader) -> bytes:
    """One answer's body."""
    async with asyncio.timeout(10 * WITHIN):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return await reader.readexactly(length)


async def dripped(writer: asyncio.StreamWriter) -> None:
    """Send a header that goes on and on."""
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(WITHIN / 10)


async def test_a_head_that_drips_is_cut_and_told_why(listener: Listener) -> None:
    reader, writer = await listener.connect()
    writer.write(HEAD + b"a: ")
    dripping = asyncio.create_task(dripped(writer))
    said = await ended(reader)
    assert said.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert said.endswith(b"\r\n\r\nThe head of the request did not arrive in time\n")
    assert listener.late == [1]
    await dripping
    writer.close()


async def test_the_head_of_a_second_request_has_no_more_time_than_the_first(
    listener: Listener,
) -> None:
    reader, writer = await listener.connect()
    writer.write(HELLO)
    assert await answer(reader) == b"hello"
    writer.write(HEAD)
    assert (await ended(reader))[9:12] == b"408"
    writer.close()


async def test_who_asks_nothing_is_sent_away_and_is_no_request(listener: Listener) -> None:
    reader, writer = await listener.connect()
    assert await ended(reader) == b""
    assert listener.late == []
    writer.close()


async def test_a_client_may_idle_between_two_requests(listener: Listener) -> None:
    reader, writer = await listener.connect()
    for _ in range(2):
        writer.write(HELLO)
        assert await answer(reader) == b"hello"
        await asyncio.sleep(2 * WITHIN)
    assert listener.late == []
    writer.close()


async def test_the_same_holds_under_tls(listener: Listener, tmp_path: pathlib.Path) -> None:
    tls, authority = certificate.context(tmp_path / "plane.pem", datetime(2026, 1, 1, tzinfo=UTC))
    await listener.runner.listen("127.0.0.1", 0, tls)
    port, trust = listener.runner.addresses[1][1], ssl.create_default_context(cadata=authority)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
    for _ in range(2):
        writer.write(HELLO)
        assert await answer(reader) == b"hello"
        await asyncio.sleep(2 * WITHIN)
    writer.write(HEAD)
    assert (await ended(reader))[9:12] == b"408"
    writer.close()
    silent, handshake = await asyncio.open_connection("127.0.0.1", port)
    assert await ended(silent) == b""
    handshake.close()


async def test_an_answer_may_take_its_time_and_others_queue_behind_it(listener: Listener) -> None:
    reader, writer = await listener.connect()
    writer.write(HEAD + b"\r\n")
    await asyncio.sleep(WITHIN / 3)
    writer.write(HELLO)
    assert [await answer(reader), await answer(reader)] == [b"late but well", b"hello"]
    writer.close()


async def test_a_body_is_no_head(listener: Listener) -> None:
    """Also the rest of one that was refused unread: the next request may come when it likes."""
    reader, writer = await listener.connect()
    for path, said in (("/read", b"4"), ("/refuse", b"refused")):
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n".encode())
        for _ in range(4):
            await asyncio.sleep(WITHIN / 2)
            writer.write(b"x")
        assert await answer(reader) == said
    await asyncio.sleep(2 * WITHIN)
    writer.write(HELLO)
    assert await answer(reader) == b"hello"
    assert listener.late == []
    writer.close()


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux can tell")
async def test_many_whole_requests_at_once_are_no_crowd_of_heads() -> None:
    body = b"x" * 200_000
    head = f"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    async def ask(listener: Listener) -> bytes:
        reader, writer = await listener.connect()
        try:
            writer.write(head + body)
            return (await reader.readline()).split()[1]
        finally:
            writer.close()

    async with listening_for(30) as listener:
        answers = await asyncio.gather(*(ask(listener) for _ in range(200)))
    assert set(answers) == {b"200"}


@pytest.mark.parametrize(
    ("expected", "status"),
    [(b"100-Continue", b"200"), (b"200-ok", b"417"), (b"Bearer \xff", b"417")],
)
async def test_what_cannot_be_expected_is_refused(
    listener: Listener, expected: bytes, status: bytes
) -> None:
    reader, writer = await listener.connect()
    line = b"Expect: " + expected + b"\r\nConnection: close\r\n\r\n"
    writer.write(HELLO.removesuffix(b"\r\n") + line)
    answer = (await reader.read()).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert answer[9:12] == status
    writer.close()


async def test_who_was_refused_for_what_he_expects_may_idle_and_ask_again(
    listener: Listener,
) -> None:
    reader, writer = await listener.connect()
    writer.write(HELLO.removesuffix(b"\r\n") + b"Expect: 200-ok\r\n\r\n")
    assert (await reader.readuntil(b"is known\n"))[9:12] == b"417"
    await asyncio.sleep(2 * WITHIN)
    writer.write(HELLO)
    assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 200")
    assert listener.late == []
    writer.close()


async def test_an_answer_that_nobody_reads_is_not_kept(listener: Listener) -> None:
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", listener.port))
        client.sendall(HELLO.replace(b"/hello", b"/large") * 9)
        server = listener.runner.server
        assert server is not None
        await until(lambda: server.connections)
        await until(lambda: not server.connections)


async def test_all_unfinished_heads_together_hold_little() -> None:
    """Each may be large, but not many at once; what is over counts no more."""
    line = b"x-a: " + b"b" * 8_000 + b"\r\n"
    async with listening_for(30) as listener:
        connections = [await listener.connect() for _ in range(15)]
        for _, writer in connections:
            writer.write(HEAD + line * 100)
        await until(lambda: len(listener.late) > 2)
        assert listener.runner.held <= listening.HEADS
        for _, writer in connections:
            writer.close()
        await until(lambda: not listener.runner.held)
        reader, writer = await listener.connect()
        writer.write(HELLO)
        assert await answer(reader) == b"hello"
        writer.close()
