"""`python -m tests.bench.waiters`: 10,000 CI jobs wait at one process of the API.

The real application, watch and embedded control plane in this process; the jobs are connections of
another one, because of the limit on open files. Measured are the memory of a waiter and the time
from the write of the final state to the last answer. Called by `make bench`; 1 over the budget.
"""

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.table import Table

from controller.api.app import Parts, application
from controller.api.auth import Trust
from controller.api.changes import Changes, Waiters
from controller.api.health import Health
from controller.api.sources import Fetcher
from controller.app.clocks import Clocks
from controller.app.watching import DeploymentWatch
from controller.metrics import HttpMetrics, RequestMetrics, WatchMetrics
from controller.models import crds
from controller.models.tooldeployment import State
from controller.store import definitions, kinds
from controller.store.calls import Calls
from controller.store.client import open_kubeconfig
from controller.store.objects import Store
from controller.store.secrets import Secrets
from tests import builders
from tests.support import controlplane
from watchers.git.addresses import Guard, Policy

WAITERS = 10_000
AT_ONCE = 200
BUDGET = 10.0  # seconds to the last answer; one core answers some thousands in a second
ID = "20261121-120000-abcdefghij"
_CLOCKS = Clocks(lambda: builders.NOW, time.monotonic)


async def client(port: int, tools: int) -> None:
    """The jobs: say when all of them wait, then when the last one was answered."""
    gate, answers = asyncio.Semaphore(AT_ONCE), Counter[str]()
    readers = []

    async def begin(number: int) -> None:
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            tool = f"t{number % tools}"
            path = f"/v1/tool/{tool}/deployment/{ID}/wait?timeout=300"
            head = f"GET {path} HTTP/1.1\r\nHost: x\r\nx-toolforge-tool: {tool}\r\n\r\n"
            writer.write(head.encode())
            await writer.drain()
            readers.append((reader, writer))

    await asyncio.gather(*map(begin, range(WAITERS)))
    print("asked", flush=True)

    async def end(reader: asyncio.StreamReader) -> float:
        line = await reader.readline()
        answers[line.split()[1].decode()] += 1
        return time.monotonic()

    ended = await asyncio.gather(*(end(reader) for reader, _ in readers))
    print(json.dumps({"last": max(ended), "answers": answers}), flush=True)


class Server:
    """The API, its watch and its control plane."""

    def __init__(self, folder: Path, stack: AsyncExitStack, tools: int) -> None:
        self._folder = folder
        self._stack = stack
        self._tools = [f"t{number}" for number in range(tools)]
        self.port = 0

    async def start(self) -> None:
        """Serve deployments that go on."""
        access = await self._stack.enter_async_context(controlplane.embedded(self._folder))
        calls = await self._calls(access.kubeconfig)
        for definition in crds.definitions():
            await definitions.install(calls, definition)
        self._calls_of_api = calls
        self._other = Store(await self._calls(access.kubeconfig), _CLOCKS.utc, "controller")
        self._secrets = Secrets(calls)
        for tool in self._tools:
            await self._secrets.ensure_namespace(tool)
            await self._other.create(kinds.DEPLOYMENTS, tool, ID, {})
        await self.serve()

    async def serve(self) -> None:
        """A process of the API: everything that one has in memory is new."""
        self.changes = Changes(limits=Waiters(tool=WAITERS, token=WAITERS))
        calls = self._calls_of_api
        registry = CollectorRegistry()
        watch = DeploymentWatch(calls, _CLOCKS, WatchMetrics(registry), self.changes)
        self._watching = asyncio.create_task(watch.run())
        self._stack.callback(self._watching.cancel)
        while not watch.fresh():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        store = Store(calls, _CLOCKS.utc, "api", watch.cache)
        parts = Parts(
            store=store,
            secrets=self._secrets,
            sources=Fetcher(Guard(Policy())),
            health=Health(store, time.monotonic),
            clock=_CLOCKS.utc,
            draw=lambda below: below - 1,
            trust=Trust(gateway=True),
            changes=self.changes,
        )
        app = application(lambda: parts, HttpMetrics(registry))
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        await self._runner.setup()
        self._stack.push_async_callback(self._runner.cleanup)
        await web.TCPSite(self._runner, "127.0.0.1", self.port, backlog=WAITERS).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End that process in order: who waits is told to come back."""
        await self._runner.cleanup()
        self._watching.cancel()

    async def _calls(self, kubeconfig: Path) -> Calls:
        connection = await open_kubeconfig(kubeconfig, time.monotonic)
        self._stack.push_async_callback(connection.close)
        return Calls(connection, RequestMetrics(CollectorRegistry()), time.monotonic)

    async def end(self, **status: Any) -> float:
        """Write the final states, as the controller does; the moment when it began to."""
        began = time.monotonic()
        changes = status or {"status": State.SUCCESSFUL}

        async def write(tool: str) -> None:
            found = await self._other.get(kinds.DEPLOYMENTS, tool, ID)
            done = found.status.model_copy(update=changes)
            await self._other.patch_status(found, done)

        await asyncio.gather(*map(write, self._tools))
        return began


async def measure(tools: int) -> tuple[float, float, float, float]:
    """Seconds until all wait, KiB of memory a waiter, seconds of the server's CPU for the answers,
    and seconds to the last one."""
    process = psutil.Process()
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            server = Server(Path(folder), stack, tools)
            await server.start()
            before, began = process.memory_info().rss, time.monotonic()
            words = ("-m", "tests.bench.waiters", "client", str(server.port), str(tools))
            jobs = await asyncio.create_subprocess_exec(
                sys.executable, *words, stdout=asyncio.subprocess.PIPE
            )
            assert jobs.stdout is not None
            await jobs.stdout.readline()
            while server.changes.waiting < WAITERS:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            waiting = time.monotonic() - began
            memory = (process.memory_info().rss - before) / WAITERS / 1024
            used = time.process_time()
            ended = await server.end()
            told = json.loads(await jobs.stdout.readline())
            assert told["answers"] == {"200": WAITERS}, told
            used = time.process_time() - used
            await jobs.wait()
            return waiting, memory, used, told["last"] - ended


def main() -> int:
    """Measure one deployment that all wait for, and a hundred; print a table."""
    table = Table(
        *("10,000 wait for", "until all wait", "memory each", "server's CPU"),
        *("end to last answer", "budget"),
    )
    slowest = 0.0
    for tools in (1, 100):
        words = (sys.executable, "-m", "tests.bench.waiters", "measure", str(tools))
        done = subprocess.run(words, check=True, stdout=subprocess.PIPE)
        waiting, memory, used, last = json.loads(done.stdout)
        slowest = max(slowest, last)
        what = f"{tools} deployment{'s' if tools > 1 else ''}"
        figures = (f"{waiting:.1f} s", f"{memory:.1f} KiB", f"{used:.2f} s", f"{last:.2f} s")
        table.add_row(what, *figures, f"{BUDGET:.0f} s")
    Console(width=100).print(table)
    return 1 if slowest > BUDGET else 0


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["client", port, tools]:
            asyncio.run(client(int(port), int(tools)))
        case ["measure", tools]:
            quiet = structlog.make_filtering_bound_logger(logging.WARNING)
            structlog.configure(wrapper_class=quiet)
            print(json.dumps(asyncio.run(measure(int(tools)))))
        case _:
            sys.exit(main())
