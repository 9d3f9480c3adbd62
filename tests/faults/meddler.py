"""A server before the control plane that meddles: for what the tape's faults cannot do.

It changes an object just before somebody else's write to it arrives, so that the control plane
itself answers 409; it holds all watches of those who came through it, as a lagging replica does;
it lets events of different objects change places, and tells everything again at each event.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web

from tests.faults import listening, proxy, timeline

Before = Callable[[str, str, Any], Awaitable[None]]
_TOGETHER = 0.5  # seconds in which another event may overtake


async def _nothing(_method: str, _path: str, _body: Any) -> None:
    return


class Meddler:
    """`url` after `start`; forwards to `upstream`."""

    def __init__(self, upstream: str, session: aiohttp.ClientSession) -> None:
        self._upstream = proxy.Proxy(proxy.Wire(0, None, session, lambda _: None), "", upstream)  # type: ignore[arg-type]
        self.before: Before = _nothing
        self.flows = asyncio.Event()
        self.flows.set()
        self.holds = ""  # the part of a path whose watches wait while nothing flows
        self.swaps = False
        self.repeats = False
        self.meddled = 0
        self.wrote: list[tuple[str, str]] = []  # an object's path, and what was put into it
        self.task: asyncio.Task[None] | None = None  # what meddles by itself
        self.url = ""

    async def start(self) -> "Meddler":
        """Listen on loopback."""
        self._runner = await listening.listen(self._handle)
        self.url = listening.url_of(self._runner)
        return self

    async def stop(self) -> None:
        """Stop listening, and let everything flow."""
        if self.task is not None:
            self.task.cancel()
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if proxy._verb(request) == "WATCH":
            return await self._watch(request)
        if request.method not in ("GET", "HEAD"):
            await self.before(request.method, request.path, proxy._parsed(body))
        async with self._upstream._ask(request, body) as answer:
            kind = answer.headers.get("Content-Type", "application/json").partition(";")[0]
            return web.Response(status=answer.status, body=await answer.read(), content_type=kind)

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        async with self._upstream._ask(request, b"") as answer:
            response.set_status(answer.status)
            await response.prepare(request)
            reading = asyncio.create_task(_read(answer, lines))
            try:
                await self._pass(request.path, response, lines)
            finally:
                reading.cancel()
        return response

    async def _pass(
        self, path: str, response: web.StreamResponse, lines: "asyncio.Queue[Any]"
    ) -> None:
        known: dict[str, bytes] = {}
        with contextlib.suppress(ConnectionError):
            while (line := await lines.get()) is not None:
                if self.holds in path:
                    await self.flows.wait()
                for each in await self._order(line, lines):
                    if self.repeats:
                        self.meddled += len(known)
                        for old in tuple(known.values()):
                            await response.write(old)
                    await response.write(each)
                    event = json.loads(each)
                    if event["type"] in ("ADDED", "MODIFIED"):
                        known[_uid(event)] = each
                    elif event["type"] == "DELETED":
                        known.pop(_uid(event), None)

    async def _order(self, line: bytes, lines: "asyncio.Queue[Any]") -> list[bytes]:
        """This line, or it and those of other objects that came soon, these first."""
        if not self.swaps or _uid(json.loads(line)) == "":
            return [line]
        later, end = [line], timeline.seconds() + _TOGETHER
        while (left := end - timeline.seconds()) > 0:
            try:
                following = await asyncio.wait_for(lines.get(), left)
            except TimeoutError:
                break
            if following is None:
                lines.put_nowait(None)
                break
            self.meddled += 1
            later.append(following)
        return _other_objects_first(later)


def _other_objects_first(lines: list[bytes]) -> list[bytes]:
    """Events of the object that came first go last; each object's keep their order."""
    uids = list(dict.fromkeys(_uid(json.loads(line)) for line in lines))
    return [line for uid in reversed(uids) for line in lines if _uid(json.loads(line)) == uid]


def _uid(event: Any) -> str:
    if event["type"] not in ("ADDED", "MODIFIED", "DELETED"):
        return ""
    return str(event["object"]["metadata"]["uid"])


async def _read(answer: aiohttp.ClientResponse, lines: "asyncio.Queue[bytes | None]") -> None:
    with contextlib.suppress(aiohttp.ClientError):
        async for line in answer.content:
            lines.put_nowait(line)
    lines.put_nowait(None)
