"""A git host that costs nearly nothing: every repository has one branch, answered in version 2.

`python -m tests.bench.refhost [PORT [COMMIT]]` prints its port and serves until it is ended. For
measuring the one that asks; the answers are those that `git http-backend` gives.
"""

import asyncio
import contextlib
import sys

COMMIT = "ab" * 20


def _answer(commit: str) -> bytes:
    line = f"{commit} refs/heads/main\n".encode()
    body = b"%04x" % (len(line) + 4) + line + b"0000"
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-result\r\n"
        b"Content-Length: %d\r\n\r\n" % len(body) + body
    )


SILENT = [f"127.0.1.{number}" for number in range(1, 51)]


class _Host(asyncio.Protocol):
    """Answers each whole request; requests end with a flush packet."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._read = b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        if self._read.endswith(b"\n0000"):
            self._read = b""
            self._transport.write(self._answer)


async def main(port: str = "0", commit: str = COMMIT) -> None:
    """Serve until ended."""
    answer, loop = _answer(commit), asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Host(answer), "127.0.0.1", int(port))
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:]))
