"""A reverse proxy between one life of a controller and one of its neighbours.

It forwards every request, writes it on the tape, and does what the plan says: kill the controller,
lose an answer, refuse, damage a watch. A life that has been killed is cut off: nothing that its
tasks still do comes through, as after kill -9. What was forwarded before is carried out.
"""

import asyncio
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import yarl
from aiohttp import web

from tests.faults import listening, streams, timeline
from tests.faults.tape import Entry, Fault, Tape

_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length", "upgrade"}
_EVER = 10_000_000.0
_STATUS = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "made"}

ANSWERS: dict[str, tuple[int, str, str, dict[str, str]]] = {
    "401": (401, "Unauthorized", "text/plain", {}),
    "403": (
        403,
        json.dumps(_STATUS | {"code": 403, "reason": "Forbidden"}),
        "application/json",
        {},
    ),
    "404": (404, json.dumps(_STATUS | {"code": 404, "reason": "NotFound"}), "application/json", {}),
    "409": (409, json.dumps(_STATUS | {"code": 409, "reason": "Conflict"}), "application/json", {}),
    "429": (429, "Too many requests, please try again later.", "text/plain", {"Retry-After": "3"}),
    "500": (500, json.dumps(_STATUS | {"code": 500}, indent=2), "application/json", {}),
    "503": (503, "<html><body>Service Unavailable</body></html>", "text/html", {}),
    "504": (504, "upstream request timeout", "text/plain", {}),
    "garbage": (200, "{this is no JSON", "application/json", {}),
    "wrong": (200, "[1, 2, 3]", "application/json", {}),
}
"""Answers by name; beside them there are "reset", "silence" and "half"."""


@dataclass
class Wire:
    """What the proxies of one life share."""

    life: int
    tape: Tape
    session: aiohttp.ClientSession
    kill: Callable[["Wire"], None]
    dead: bool = False
    cut: bool = False  # a partition: both ways, but the controller goes on living
    ill: str = ""  # what every request of it is answered instead of being forwarded
    open: dict[int, web.Request] = field(default_factory=dict)
    going: set[asyncio.Task[Any]] = field(default_factory=set)

    def sever(self) -> None:
        """End all connections of this life."""
        for request in tuple(self.open.values()):
            if request.transport is not None:
                request.transport.abort()


@dataclass
class Proxy:
    """`url` after `start`; forwards to `upstream`."""

    wire: Wire
    neighbour: str
    upstream: str
    url: str = ""

    async def start(self) -> "Proxy":
        """Listen on loopback."""
        self._runner = await listening.listen(self._handle)
        self.url = listening.url_of(self._runner)
        return self

    async def stop(self) -> None:
        """Stop listening; what was forwarded may end."""
        await self._runner.cleanup()
        await asyncio.gather(*self.wire.going, return_exceptions=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        wire = self.wire
        wire.open[id(request)] = request
        try:
            if wire.dead or wire.cut:
                return await _reset(request)
            return await self._pass(request)
        finally:
            wire.open.pop(id(request), None)

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        entry = Entry(
            number=0,
            at=timeline.seconds(),
            life=self.wire.life,
            neighbour=self.neighbour,
            verb=_verb(request),
            path=request.raw_path,
            sent=_parsed(body),
        )
        fault = self.wire.tape.arrives(entry)
        if fault is not None and fault.kind == "crash before":
            self.wire.kill(self.wire)
        if self.wire.dead:
            return await _reset(request)
        if self.wire.ill:
            return await self._answer(request, self.wire.ill)
        if fault is not None and fault.kind == "refused":
            return await self._answer(request, fault.how)
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
        if entry.verb == "WATCH":
            return await self._stream(request, entry)
        work = asyncio.create_task(self._forward(request, body, entry, fault))
        self.wire.going.add(work)
        work.add_done_callback(self.wire.going.discard)
        if fault is not None and fault.kind == "late":
            return await _reset(request)
        answer = await asyncio.shield(work)
        return await self._hand_over(request, entry, fault, answer)

    async def _forward(
        self, request: web.Request, body: bytes, entry: Entry, fault: Fault | None
    ) -> web.Response:
        if fault is not None and fault.kind == "late":
            await asyncio.sleep(fault.seconds)
        async with self._ask(request, body) as answer:
            raw = await answer.read()
            entry.status, entry.body = answer.status, _parsed(raw)
            headers = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
            return web.Response(status=answer.status, body=raw, headers=headers)

    async def _hand_over(
        self, request: web.Request, entry: Entry, fault: Fault | None, answer: web.Response
    ) -> web.StreamResponse:
        if fault is not None and fault.kind == "crash unanswered":
            self.wire.kill(self.wire)
        if self.wire.dead or self.wire.cut:
            return await _reset(request)
        if fault is not None and fault.kind == "lost":
            return await self._answer(request, fault.how, answer)
        if fault is not None and fault.kind == "crash after":
            asyncio.get_running_loop().call_later(0.001, self.wire.kill, self.wire)
        entry.heard = True
        return answer

    async def _answer(
        self, request: web.Request, how: str, real: web.Response | None = None
    ) -> web.StreamResponse:
        if how == "silence":
            await asyncio.sleep(_EVER)
        if how == "half":
            return await _half(request, real)
        if how not in ANSWERS:
            return await _reset(request)
        status, text, kind, headers = ANSWERS[how]
        return web.Response(status=status, text=text, content_type=kind, headers=headers)

    async def _stream(self, request: web.Request, entry: Entry) -> web.StreamResponse:
        """A watch, line by line; the plan decides what becomes of each."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        async with self._ask(request, b"") as answer:
            entry.status = answer.status
            await response.prepare(request)
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                async for line in answer.content:
                    fault = self.wire.tape.line(_parsed(line))
                    for sent in await streams.through(line, fault):
                        await response.write(sent)
                    if fault is not None and fault.how in streams.BREAKING:
                        return await _reset(request)
        return response

    def _ask(self, request: web.Request, body: bytes) -> Any:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        return self.wire.session.request(
            request.method,
            yarl.URL(self.upstream + request.raw_path, encoded=True),
            data=body or None,
            headers=headers,
            allow_redirects=False,
        )


async def _reset(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _half(request: web.Request, real: web.Response | None) -> web.StreamResponse:
    """The first half of an answer, then nothing."""
    body = real.body if real is not None and isinstance(real.body, bytes) else b'{"kind": "Tool'
    response = web.StreamResponse(
        status=real.status if real is not None else 200,
        headers={"Content-Type": "application/json", "Content-Length": str(2 * len(body))},
    )
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    return await _reset(request)


def _verb(request: web.Request) -> str:
    if request.method == "GET" and request.query.get("watch", "").lower() in ("true", "1"):
        return "WATCH"
    return request.method


def _parsed(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return None
