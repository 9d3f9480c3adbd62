"""Bodies: nobody's is read before it is known who sends it, and many at once find no room."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from controller.api.app import Parts
from controller.api.intake import PLACE, Room
from tests.api.service import CONFIG, Answer, Service, serving
from tests.api.test_webhook import BODY, HOSTS, prepared
from tests.support import controlplane

Socket = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SIGNED = {"X-Hub-Signature-256": "sha256=" + "0" * 64}
UNKNOWN: dict[str, tuple[str, Mapping[str, str]]] = {
    "nobody stores a config": ("config", {}),
    "nobody deploys": ("deployment", {}),
    "a wrong token deploys": ("deployment", {"Authorization": "Bearer wrong"}),
    "another tool deploys": ("deployment", {"x-toolforge-tool": "other"}),
    "nobody calls the webhook": ("webhook", {}),
    "a wrong token calls the webhook": ("webhook", {"X-Gitlab-Token": "guess"}),
}
ROOM = Room(tool=40 * PLACE, all=100 * PLACE, unproven=50 * PLACE)


def narrow(parts: Parts) -> Parts:
    return replace(parts, room=ROOM)


@pytest.fixture
async def narrowed(control_plane: controlplane.Access) -> AsyncIterator[Service]:
    """The API with little room, for a tool with a config and a webhook."""
    async with serving(control_plane, narrow) as ready:
        yield await prepared(ready)


@asynccontextmanager
async def begun(
    service: Service, path: str, headers: Mapping[str, str], tool: str = ""
) -> AsyncIterator[Socket]:
    """A request whose body does not come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.client.server.port)
    lines = [f"POST /v1/tool/{tool or service.tool}/{path} HTTP/1.1", "Host: x"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += ["Content-Type: application/json", "Content-Length: 100"]
    writer.write(("\r\n".join(lines) + "\r\n\r\n{").encode())
    try:
        yield reader, writer
    finally:
        writer.close()


async def head(reader: asyncio.StreamReader) -> str:
    async with asyncio.timeout(5):
        return (await reader.readuntil(b"\r\n\r\n")).decode()


async def signed(service: Service) -> Answer:
    """A call of the webhook with a right signature."""
    return await service.ask("POST", "webhook", raw=BODY, headers=HOSTS["GitHub"])


@pytest.mark.parametrize(("path", "headers"), UNKNOWN.values(), ids=UNKNOWN)
async def test_nobody_is_read_who_is_not_known(
    narrowed: Service, path: str, headers: Mapping[str, str]
) -> None:
    async with begun(narrowed, path, headers) as (reader, _):
        assert (await head(reader))[9:12] in ("401", "403")


async def test_strangers_who_drip_take_no_room_from_others(narrowed: Service) -> None:
    """200 of them at the one route where the body itself must prove who sends it."""
    service = narrowed
    tools = [f"tool-{number % 20}" for number in range(200)]
    async with AsyncExitStack() as stack:
        dripping = [
            (await stack.enter_async_context(begun(service, "webhook", SIGNED, tool)))[0]
            for tool in tools
        ]
        heads = [asyncio.create_task(head(reader)) for reader in dripping]
        async with asyncio.timeout(10):
            while sum(each.done() for each in heads) < 150:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        refused = {each.result() for each in heads if each.done()}
        assert {(said[9:12], "Retry-After: 10\r\n" in said) for said in refused} == {("503", True)}
        assert (await service.ask("POST", "config", CONFIG)).status == 200
        busy = await signed(service)
        assert (busy.status, busy.headers["Retry-After"]) == (503, "10")
        known = await service.ask("POST", "webhook", raw=BODY, headers=HOSTS["GitLab"])
        assert known.status == 202
        for each in heads:
            each.cancel()
        await asyncio.gather(*heads, return_exceptions=True)
    async with asyncio.timeout(5):
        while (await signed(service)).status != 202:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_tool_that_drips_takes_no_room_from_other_tools(narrowed: Service) -> None:
    mine = {"x-toolforge-tool": narrowed.tool}
    async with AsyncExitStack() as stack:
        for _ in range(40):
            await stack.enter_async_context(begun(narrowed, "config", mine))
        async with asyncio.timeout(5):
            while (await narrowed.ask("POST", "config", CONFIG)).status != 429:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        another = {"x-toolforge-tool": "another"}
        there = await narrowed.ask("POST", "/v1/tool/another/deployment", {}, headers=another)
        assert (there.status, there.body["problem"]["reason"]) == (404, "config-missing")
