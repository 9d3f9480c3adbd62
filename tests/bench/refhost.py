"""A git host that costs nearly nothing: every repository has one branch, answered in version 2.

`python -m tests.bench.refhost` prints its port and serves until it is ended. For measuring the one
that asks; the answers are those that `git http-backend` gives.
"""

import asyncio
import contextlib

COMMIT = "ab" * 20
_LINE = f"{COMMIT} refs/heads/main\n".encode()
_BODY = b"%04x" % (len(_LINE) + 4) + _LINE + b"0000"
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-result\r\n"
    b"Content-Length: %d\r\n\r\n" % len(_BODY) + _BODY
)


class _Host(asyncio.Protocol):
    """Answers each whole request; requests end with a flush packet."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._read = b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        if self._read.endswith(b"\n0000"):
            self._read = b""
            self._transport.write(_ANSWER)


async def main() -> None:
    """Serve until ended."""
    server = await asyncio.get_running_loop().create_server(_Host, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
