"""A listener of ours: aiohttp's, with limits for what comes before a request is whole.

aiohttp sends away who is idle, but lets the head of a request take as long, and hold as much, as
its sender likes: whoever sends a byte now and then keeps a connection for nothing. Here a head must
be whole soon after its first byte, or after the connection, and all unfinished heads together hold
a few MiB. Nor is an answer kept for ever for one who does not read it. A body is for the
application to limit. Made by the composition roots and the embedded control plane. No routes and no
settings here.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from datetime import timedelta

from aiohttp import StreamReader, hdrs, web

IDLE = timedelta(seconds=75)
"""How long a connection may be silent between two requests; more than usual proxies keep theirs."""

HEAD_WITHIN = timedelta(seconds=10)
HEADS = 8 * 2**20
"""Bytes that all unfinished heads together may hold."""

STALLED = timedelta(seconds=60)
"""How long an answer may lie unread by its client; where the kernel can tell, which is Linux."""

_TURNS = 5  # of the event loop; aiohttp needs three from the end of a head to its handler
_BACKLOG = 1024  # thousands who wait come at once when another process of the API has ended
_READ_AHEAD = 32 * 1024  # bytes of a body that nobody has asked for yet; aiohttp's own: 256 KiB
_CONTINUE = "100-continue"
_LATE = (
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 47\r\n\r\nThe head of the request did not arrive in time\n"
)


class Runner(web.AppRunner):
    """Serves an application. `late` is told of each request whose head was not whole in time."""

    def __init__(
        self,
        app: web.Application,
        shutdown: timedelta,
        *,
        head_within: timedelta = HEAD_WITHIN,
        stalled: timedelta = STALLED,
        late: Callable[[], None] = lambda: None,
    ) -> None:
        # Who hangs up does not wait any more; writes are single requests, whole or not at all.
        super().__init__(
            app,
            access_log=None,
            handler_cancellation=True,
            shutdown_timeout=shutdown.total_seconds(),
            keepalive_timeout=IDLE.total_seconds(),
            auto_decompress=False,
            read_bufsize=_READ_AHEAD,
        )
        self.head_within = head_within.total_seconds()
        self.stalled = stalled
        self.late = late
        self.held = 0

    async def setup(self) -> None:
        """Make ready to listen."""
        await super().setup()
        server = self.server
        assert server is not None  # noqa: S101 - setup has made it
        application = server.request_handler

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            if request.headers.get(hdrs.EXPECT, _CONTINUE).lower() != _CONTINUE:
                # aiohttp would repeat it in its answer, which fails for what is no UTF-8.
                return web.Response(status=417, text=f"Expect: only {_CONTINUE} is known\n")
            return await application(request)

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            transport = request.transport
            connection = transport.get_protocol() if transport is not None else None
            if not isinstance(connection, _Connection):  # the client went away
                return await answer(request)
            connection.begun(request.content)
            try:
                return await answer(request)
            finally:
                connection.ended()

        server.request_handler = handle

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        """Listen at one more place; port 0 is a free one. Raises OSError."""
        await _Site(self, host, port, tls).start()


class _Site(web.BaseSite):
    """A place where a runner listens."""

    def __init__(self, runner: Runner, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        super().__init__(runner, ssl_context=tls, backlog=_BACKLOG)
        self._runner: Runner = runner
        self._place = (host, port)

    @property
    def name(self) -> str:
        """The address that it was asked to listen at."""
        host, port = self._place
        return f"{'https' if self._ssl_context else 'http'}://{host}:{port}"

    async def start(self) -> None:
        """Listen."""
        await super().start()
        runner, tls = self._runner, self._ssl_context
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(runner),
            *self._place,
            ssl=tls,
            backlog=self._backlog,
            ssl_handshake_timeout=runner.head_within if tls else None,
        )


class _Connection(asyncio.Protocol):
    """One connection: aiohttp's protocol behind a clock that runs while a head is awaited."""

    def __init__(self, runner: Runner) -> None:
        server = runner.server
        assert server is not None  # noqa: S101 - it listens
        self._runner = runner
        self._inner = server()
        self._transport: asyncio.Transport | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._held = 0
        self._answering = False
        self._body: StreamReader | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody connected, and has to ask something."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream
        self._transport = transport
        _limit_unread(transport.get_extra_info("socket"), self._runner.stalled)
        self._inner.connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """These bytes belong to a head, unless they belong to the body of the last request."""
        if not self._answering and (self._body is None or self._body.is_eof()):
            self._held += len(data)
            self._runner.held += len(data)
            if self._clock is None:
                self._await_head()
            if self._runner.held > HEADS:
                self._look_soon(_TURNS)
        self._inner.data_received(data)

    def begun(self, body: StreamReader) -> None:
        """The head is whole, and its request is being answered."""
        self._answering = True
        self._body = body
        self._head_over()

    def ended(self) -> None:
        """The answer is made; what comes now, and is no rest of the body, is the next head."""
        self._answering = False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._head_over()
        self._inner.connection_lost(exc)

    def eof_received(self) -> None:
        """The other side sends no more."""
        self._inner.eof_received()

    def pause_writing(self) -> None:
        """The other side reads too slowly."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """It has caught up."""
        self._inner.resume_writing()

    def _await_head(self) -> None:
        loop = asyncio.get_running_loop()
        self._clock = loop.call_later(self._runner.head_within, self._cut)

    def _look_soon(self, turns: int) -> None:
        """Cut it if heads still hold too much when those that are whole by now have begun."""
        if turns:
            asyncio.get_running_loop().call_soon(self._look_soon, turns - 1)
        elif self._held and self._runner.held > HEADS:
            self._cut()

    def _head_over(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
        self._runner.held -= self._held
        self._held = 0

    def _cut(self) -> None:
        """End the connection; who has asked half of something is told why."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._held:
            self._runner.late()
            self._transport.write(_LATE)
        self._transport.abort()  # not `close`, which waits for one who does not read
        self._head_over()


def _limit_unread(connection: socket.socket, within: timedelta) -> None:
    """Have the kernel end the connection when what was sent is not taken in time."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        milliseconds = int(within.total_seconds() * 1000)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
