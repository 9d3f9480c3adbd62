"""The proxy: it adds nothing, takes turns, lets go of what has ended, and holds nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from controller.backends.local.proxy import Proxy
from tests.support.localbackend import free_port


class Echo:
    """A server that answers with its name and then what it was sent, once it was sent all."""

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.port = free_port()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.name + await reader.read())
        await writer.drain()
        writer.close()


@pytest.fixture
async def servers() -> AsyncIterator[list[Echo]]:
    echoes = [Echo(name) for name in (b"a", b"b")]
    running = [await asyncio.start_server(echo, "127.0.0.1", echo.port) for echo in echoes]
    yield echoes
    for server in running:
        server.close()
        await server.wait_closed()


@pytest.fixture
async def port() -> int:
    return free_port()


@pytest.fixture
async def proxy(port: int) -> AsyncIterator[Proxy]:
    opened = Proxy("127.0.0.1", port)
    await opened.open()
    yield opened
    await opened.close()


async def ask(port: int, words: bytes = b"") -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(words)
        writer.write_eof()
        return await reader.read()
    finally:
        writer.close()


async def test_it_passes_everything_on_in_both_directions(
    proxy: Proxy, port: int, servers: list[Echo]
) -> None:
    proxy.route([servers[0].port])
    words = bytes(range(256)) * 4000
    assert await ask(port, words) == b"a" + words


async def test_connections_take_turns(proxy: Proxy, port: int, servers: list[Echo]) -> None:
    proxy.route([server.port for server in servers])
    answers = [await ask(port) for _ in range(4)]
    assert sorted(answers) == [b"a", b"a", b"b", b"b"]
    assert answers[0] != answers[1]


async def test_a_target_that_is_gone_is_passed_over(
    proxy: Proxy, port: int, servers: list[Echo]
) -> None:
    proxy.route([free_port(), servers[1].port])
    assert [await ask(port) for _ in range(4)] == [b"b"] * 4


@pytest.mark.parametrize("targets", [(), (free_port(),)])
async def test_without_an_instance_a_connection_is_closed_at_once(
    proxy: Proxy, port: int, targets: tuple[int, ...]
) -> None:
    proxy.route(targets)
    async with asyncio.timeout(1):
        with contextlib.suppress(ConnectionResetError):
            assert await ask(port) == b""


async def test_open_connections_stay_where_they_began_until_they_are_drained(
    proxy: Proxy, port: int, servers: list[Echo]
) -> None:
    old, new = servers[0].port, servers[1].port
    proxy.route([old])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"x")
    await writer.drain()
    while not proxy.connections(old):  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    proxy.route([new])
    assert await ask(port) == b"b"
    drained = asyncio.create_task(proxy.drained([old]))
    await asyncio.sleep(0.02)
    assert not drained.done()
    writer.write_eof()
    assert await reader.read() == b"ax"
    async with asyncio.timeout(1):
        await drained
    writer.close()


async def test_a_port_that_is_taken_is_an_error(proxy: Proxy, port: int) -> None:
    second = Proxy("127.0.0.1", port)
    with pytest.raises(OSError, match="address already in use"):
        await second.open()
    await second.close()
