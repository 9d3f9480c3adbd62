"""The TCP proxy on a component's declared port: which process answers is switched here.

Opened by `continuous`. It adds nothing to the stream and holds nothing: without a healthy instance
a connection is closed at once. New connections go round robin over the present targets; those that
are open stay with the process that they began with.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence

_CHUNK = 64 * 1024


class Proxy:
    """One listening port and the ports behind it."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._targets: tuple[int, ...] = ()
        self._turn = 0
        self._open: Counter[int] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._quieter = asyncio.Event()

    async def open(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._server = await asyncio.start_server(
            self._accept, self._host, self._port, limit=_CHUNK, backlog=1024
        )

    def route(self, targets: Sequence[int]) -> None:
        """Send every new connection to one of `targets` (ports) from now on."""
        self._targets = tuple(targets)

    def connections(self, target: int) -> int:
        """How many connections to a target are open."""
        return self._open[target]

    async def drained(self, targets: Sequence[int]) -> None:
        """Until no connection to one of `targets` is open."""
        while any(self.connections(target) for target in targets):
            self._quieter.clear()
            await self._quieter.wait()

    async def close(self) -> None:
        """Stop listening and cut what is still open."""
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server:
            await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for target in self._in_turn():
            self._open[target] += 1
            try:
                back_reader, back_writer = await asyncio.open_connection(
                    self._host, target, limit=_CHUNK
                )
            except OSError:
                continue  # that one has just ended: the next may still be there
            else:
                await _relay((reader, writer), (back_reader, back_writer))
                return
            finally:
                self._open[target] -= 1
                self._quieter.set()
        writer.transport.abort()

    def _in_turn(self) -> tuple[int, ...]:
        if not self._targets:
            return ()
        self._turn = (self._turn + 1) % len(self._targets)
        return self._targets[self._turn :] + self._targets[: self._turn]


_End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _relay(front: _End, back: _End) -> None:
    """Copy both ways until both sides have said all; a broken side ends both."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(front[0], back[1]))
            group.create_task(_pump(back[0], front[1]))
    except* OSError:
        pass
    finally:
        for _, writer in (front, back):
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()  # says "no more", and still hears the answer
