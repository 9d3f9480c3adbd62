"""A watch whose client reads slowly: what happens meanwhile is neither lost nor in its way."""

import asyncio
import json
import pathlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from controller.local import server

Object = dict[str, Any]

SECRETS = "/api/v1/namespaces/default/secrets"
MANY = 120  # with the data below more than all buffers between a server and a client hold
DATA = {"data": "QUFB" * 25_000}


@pytest.fixture
async def plane(tmp_path: pathlib.Path) -> AsyncIterator[server.ControlPlane]:
    async with server.ControlPlane(tmp_path / "state.db", token="t") as running:
        yield running


@pytest.fixture
async def session(plane: server.ControlPlane) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {plane.token}"}
    async with aiohttp.ClientSession(plane.url, headers=headers) as session:
        yield session


async def create(session: aiohttp.ClientSession, name: str, data: Object) -> None:
    async with session.post(SECRETS, json={"metadata": {"name": name}, "data": data}) as answer:
        assert answer.status == 201


async def create_many(session: aiohttp.ClientSession) -> None:
    for number in range(MANY):
        await create(session, f"large{number:03}", DATA)


@asynccontextmanager
async def slow_watch(plane: server.ControlPlane, query: str) -> AsyncIterator[asyncio.StreamReader]:
    """A watch of all Secrets, of which hardly anything is taken until it is read."""
    address = urlsplit(plane.url)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (address.hostname, address.port))
        reader, writer = await asyncio.open_connection(sock=client, limit=8192)
        head = (
            f"GET {SECRETS}?watch=1{query} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\n\r\n"
        )
        writer.write(head.encode())
        assert b" 200 " in await reader.readline()
        await asyncio.sleep(0.1)  # all buffers are full then
        yield reader
        writer.transport.abort()


async def until(reader: asyncio.StreamReader, kind: str, name: str) -> list[Object]:
    """The events up to this one."""
    while await reader.readline() != b"\r\n":
        pass
    events: list[Object] = []
    rest = b""
    async with asyncio.timeout(10):
        while not events or (events[-1]["type"], _name(events[-1])) != (kind, name):
            size = int(await reader.readline(), 16)
            assert size, "the watch has ended"
            *lines, rest = (rest + await reader.readexactly(size)).split(b"\n")
            await reader.readline()
            for line in lines:
                event = json.loads(line)
                event["object"].pop("data", None)
                events.append(event)
    return events


def _name(event: Object) -> str:
    name: str = event["object"]["metadata"]["name"]
    return name


async def test_a_change_while_earlier_ones_are_still_being_sent_is_sent_too(
    plane: server.ControlPlane, session: aiohttp.ClientSession
) -> None:
    async with session.get(SECRETS) as answer:
        start = (await answer.json())["metadata"]["resourceVersion"]
    await create_many(session)
    async with slow_watch(plane, f"&resourceVersion={start}") as reader:
        await create(session, "meanwhile", {})
        await create(session, "later", {})
        events = await until(reader, "ADDED", "later")
    assert sorted(map(_name, events)) == sorted(
        [*(f"large{n:03}" for n in range(MANY)), "meanwhile", "later"]
    )


async def test_what_goes_while_the_first_objects_are_being_sent_does_not_end_the_watch(
    plane: server.ControlPlane, session: aiohttp.ClientSession
) -> None:
    await create_many(session)
    last = f"large{MANY - 1:03}"
    async with slow_watch(plane, "") as reader:
        async with session.delete(f"{SECRETS}/{last}") as answer:
            assert answer.status == 200
        events = await until(reader, "DELETED", last)
    shown = [event["type"] for event in events if _name(event) == last]
    assert shown == ["ADDED", "DELETED"]
