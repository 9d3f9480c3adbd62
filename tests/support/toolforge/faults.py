"""What can go wrong between us and a stand-in: late, refused, broken off, answered and then lost.

Faults are queued by a test and used up by the next requests that fit.
"""

import asyncio
import re
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware


@dataclass
class Fault:
    """One kind of trouble for the next `times` requests whose `METHOD /path` matches `pattern`.

    `arrives`: the request is carried out before its answer is lost or replaced.
    `status` None: the connection breaks. `seconds`: (real) time that passes first.
    """

    pattern: str
    status: int | None = None
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    arrives: bool = False
    seconds: float = 0.0
    times: int = 1


@dataclass
class Faults:
    """The faults to come, the latency of every request, and the requests so far."""

    latency: float = 0.0
    queue: list[Fault] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    remember: bool = True

    def add(self, fault: Fault) -> None:
        """Queue a fault."""
        self.queue.append(fault)

    def calls(self, pattern: str) -> int:
        """How many requests so far fit the pattern."""
        return sum(1 for line in self.seen if re.search(pattern, line))

    def take(self, line: str) -> Fault | None:
        """The fault for this request, if there is one."""
        for fault in self.queue:
            if re.search(fault.pattern, line):
                fault.times -= 1
                if fault.times == 0:
                    self.queue.remove(fault)
                return fault
        return None


def with_faults(faults: Faults) -> Middleware:
    """The middleware that makes requests late or fail."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        line = f"{request.method} {request.path_qs}"
        if faults.remember:
            faults.seen.append(line)
        if faults.latency:
            await asyncio.sleep(faults.latency)
        fault = faults.take(line) if faults.queue else None
        if fault is None:
            return await handler(request)
        if fault.arrives:
            await handler(request)
        if fault.seconds:
            await asyncio.sleep(fault.seconds)
        if fault.status is None:
            assert request.transport is not None
            request.transport.abort()
            raise ConnectionResetError("broken off on purpose")
        kind = "application/json" if fault.body[:1] in ("{", '"') else "text/plain"
        return web.Response(
            status=fault.status, text=fault.body, content_type=kind, headers=fault.headers
        )

    return middleware
