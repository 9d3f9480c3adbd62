"""Jobs that wait at the API, as a process of their own: `python -m tests.faults.pollers PORT N`.

Used by `test_waiters`. Even ones ask `/wait`, odd ones the resource with the version that they
know; told to ask again, or cut off, they do. A line on standard input: how many go away
without a word.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

from tests.bench.waiters import ID

_AT_ONCE = 200
_FINAL = "successful"


class Poller:
    """One job."""

    def __init__(self, number: int, port: int, gate: asyncio.Semaphore) -> None:
        self.number = number
        self._port = port
        self._gate = gate
        self._etag = ""
        self.versions: list[int] = []
        self.asked = 0

    async def run(self) -> float:
        """Until the end was told; when that was."""
        while True:
            try:
                status, state = await self._ask()
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.2)
                continue
            if status == 200 and state == _FINAL:
                return time.monotonic()
            await asyncio.sleep(0.2 if status == 429 else 0)

    async def _ask(self) -> tuple[int, str]:
        async with self._gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(self._request())
            await writer.drain()
            self.asked += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
            body = await reader.readexactly(int(headers.get("Content-Length", 0)))
        finally:
            writer.close()
        status = int(head.split()[1])
        if tag := headers.get("ETag", ""):
            self._etag = tag
            self.versions.append(int(tag.rpartition("-")[2].strip('"')))
        state = json.loads(body).get("data", {}).get("status", "") if body else ""
        return status, state

    def _request(self) -> bytes:
        path = f"/v1/tool/t0/deployment/{ID}"
        more = ""
        if self.number % 2:
            path += "?wait=300"
            more = f"If-None-Match: {self._etag}\r\n" if self._etag else ""
        else:
            path += "/wait?timeout=300"
        head = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nx-toolforge-tool: t0\r\n"
        return f"{head}{more}\r\n".encode()


async def main(port: int, count: int) -> None:
    """All of them; prints a line when all have asked, and what became of them."""
    gate = asyncio.Semaphore(_AT_ONCE)
    pollers = [Poller(number, port, gate) for number in range(count)]
    tasks = [asyncio.create_task(poller.run()) for poller in pollers]
    while any(poller.asked <= poller.number % 2 for poller in pollers):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    _say("asked")
    leaving = int(await asyncio.to_thread(sys.stdin.readline))
    for task in tasks[:leaving]:
        task.cancel()
    await asyncio.gather(*tasks[:leaving], return_exceptions=True)
    _say("left")
    ended = sorted(await asyncio.gather(*tasks[leaving:]))
    told: dict[str, Any] = {
        "p99": ended[int(len(ended) * 0.99) - 1],
        "last": ended[-1],
        "told": len(ended),
        "backwards": sum(p.versions != sorted(p.versions) for p in pollers),
        "newest": dict(Counter(p.versions[-1] for p in pollers[leaving:] if p.versions)),
    }
    _say(json.dumps(told))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
