"""What stands between a client and the API, and loses the connection where a test says so.

One request for each connection, over raw sockets: a real client sees what a proxy that dies, or a
server that is killed, would leave of an answer.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

BEFORE, AFTER_HEAD, IN_BODY = "before the answer", "after its head", "in its body"


@dataclass
class Cutter:
    """Cuts the answers to requests whose line has `words`, in these places one after the other."""

    upstream: int
    words: bytes
    places: list[str]
    url: str = ""
    cut: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            answer = await self._answer(head, await reader.readexactly(_length(head)))
            if self.words in head.partition(b"\r\n")[0] and self.places:
                place = self.places.pop(0)
                self.cut.append(place)
                answer = _part(answer, place)
            writer.write(answer)
            await writer.drain()
        writer.close()

    async def _answer(self, head: bytes, body: bytes) -> bytes:
        there, asking = await asyncio.open_connection("127.0.0.1", self.upstream)
        line, _, rest = head.partition(b"\r\n")
        asking.write(line + b"\r\nConnection: close\r\n" + rest + body)
        try:
            return await there.read()
        finally:
            asking.close()


@contextlib.asynccontextmanager
async def cutting(upstream: int, words: bytes, *places: str) -> AsyncIterator[Cutter]:
    """Listens in front of a port."""
    cutter = Cutter(upstream, words, list(places))
    server = await asyncio.start_server(cutter.serve, "127.0.0.1", 0)
    cutter.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield cutter


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length: ")
    return int(rest.partition(b"\r\n")[0]) if found else 0


def _part(answer: bytes, place: str) -> bytes:
    head, end, body = answer.partition(b"\r\n\r\n")
    left = {BEFORE: b"", AFTER_HEAD: head + end, IN_BODY: head + end + body[: len(body) // 3]}
    return left[place]
