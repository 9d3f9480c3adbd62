"""`python -m tests.bench.rest`: what a platform of the design's size costs while nothing happens.

A deployment that the real controller made is stored 25 times for each of 3,000 tools. Then a
controller and an API process are started on that: how long until the first leads and has looked at
every tool, what both hold in memory, what they burn in a minute of rest, and how fast the API
answers. Everything is real processes over HTTP on this machine. Called by `make bench`; 1 over a
budget.
"""

import asyncio
import contextlib
import json
import re
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import psutil
from rich.console import Console
from rich.table import Table

from controller.local import objects, storage
from tests.bench import deployments as bench

TOOLS, KEPT, COMPONENTS = 3_000, 25, 3
REST = 60.0  # seconds
READS, RATE = 500, 20.0
CONFIGS, DEPLOYMENTS = (
    f"{plural}.components-api.toolforge.org" for plural in ("toolconfigs", "tooldeployments")
)
CPU, MEMORY, LATENCY = 5.0, 200.0, 250.0  # % of a core, MiB, ms: the budgets


@dataclass
class Process:
    """One of ours: where it serves /metrics, and what it costs."""

    process: psutil.Process
    url: str

    def cpu(self) -> float:
        """CPU seconds so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def memory(self) -> float:
        """MiB that it holds."""
        return float(self.process.memory_info().rss) / 2**20

    async def ready(self) -> None:
        """Wait until it says that it is."""
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{self.url}/readyz") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.1)

    async def metric(self, name: str, least: float) -> None:
        """Wait until the sum of a metric's values is at least so much."""
        pattern = re.compile(rf"^{name}(?:{{.*}})? (\S+)$", re.MULTILINE)
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.get(f"{self.url}/metrics") as response:
                        found = pattern.findall(await response.text())
                    if found and sum(map(float, found)) >= least:
                        return
                await asyncio.sleep(0.1)


async def one_deployment(folder: Path) -> None:
    """Let the real controller bring one deployment to its end, so that there is one to copy."""
    async with bench.running(folder) as made:
        await bench.measured(made, bench.Work(1, COMPONENTS, "", 0), 0)


async def multiply(path: Path, tools: int) -> None:
    """Store what one tool has for all tools: its namespace, its config, and copies of its end."""
    file = storage.Storage(path)
    store = objects.Objects(file)
    await store.open()
    writing = asyncio.create_task(store.run())
    copies = Copies(store)
    begun = datetime.now(UTC) - timedelta(days=KEPT)
    for number in range(tools):
        tool = f"tool-rest{number}"
        copies.put("namespaces", "", tool)
        copies.put(CONFIGS, tool, f"rest{number}-config")
        for turn in range(KEPT):
            moment = begun + timedelta(days=turn, seconds=number)
            name = f"{moment:%Y%m%d-%H%M%S}-{number:010d}"
            copies.put(DEPLOYMENTS, tool, name, moment)
        await asyncio.sleep(0)
    await store.settled()
    writing.cancel()
    await asyncio.wait({writing})
    await file.close()


@dataclass
class Copies:
    """Puts copies of the one tool's objects into the store; what is nested stays shared."""

    store: objects.Objects

    def __post_init__(self) -> None:
        self._templates = {
            kind: next(
                each.object()
                for key, each in self.store.collection(kind).objects.items()
                if "b0x" in key
            )
            for kind in ("namespaces", CONFIGS, DEPLOYMENTS)
        }

    def put(self, kind: str, namespace: str, name: str, moment: datetime | None = None) -> None:
        """One more; a deployment is of a `moment`, and has built a commit of its own."""
        body = dict(self._templates[kind])
        metadata = body["metadata"] | {"name": name, "uid": str(uuid.uuid4())}
        body["metadata"] = metadata
        if namespace:
            metadata["namespace"] = namespace
        if moment is not None:
            metadata["creationTimestamp"] = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
            builds = body["status"]["builds"]
            own = builds["c0"] | {"commit": uuid.uuid4().hex + "0" * 8}
            body["status"] = body["status"] | {"builds": builds | {"c0": own}}
        self.store.put(kind, f"{namespace}/{name}" if namespace else name, body)


@contextlib.asynccontextmanager
async def process(role: str, folder: Path, settings: dict[str, str]) -> AsyncIterator[Process]:
    """`ptd controller` or `ptd api`, listening."""
    port = str(bench.free_port())
    own = {"PTD_OPS_PORT": port} if role == "controller" else {"PTD_API_PORT": port}
    log = folder / f"{role}.log"
    async with bench.started("controller", role, log=log, **(settings | own)) as started:
        yield Process(started, f"http://127.0.0.1:{port}")


async def rested(each: Process, seconds: float) -> float:
    """Percent of a core that a process takes while nothing happens."""
    before = each.cpu()
    await asyncio.sleep(seconds)
    return 100 * (each.cpu() - before) / seconds


async def reads(api: Process, tools: int) -> list[float]:
    """Seconds of each of many reads, at a steady rate: lists, latest deployments, configs."""
    paths = ("/deployment", "/deployment/latest", "/config")
    times: list[float] = []

    async def read(session: aiohttp.ClientSession, number: int) -> None:
        tool = f"rest{number * 7 % tools}"
        url = f"{api.url}/v1/tool/{tool}{paths[number % len(paths)]}"
        began = time.perf_counter()
        async with session.get(url, headers={"x-toolforge-tool": tool}) as response:
            await response.read()
            assert response.status == 200, await response.text()
        times.append(time.perf_counter() - began)

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        begun = time.perf_counter()
        for number in range(READS):
            await asyncio.sleep(begun + number / RATE - time.perf_counter())
            group.create_task(read(session, number))
    return sorted(times)


async def measured(folder: Path, tools: int, rest: float) -> dict[str, tuple[float, float]]:
    """What is measured → its value, and its budget (0: none)."""
    found: dict[str, tuple[float, float]] = {}
    async with bench.surroundings(folder) as settings:
        begun = time.monotonic()
        async with process("controller", folder, settings) as controller:
            await controller.metric("ptd_leader", 1)
            found["controller: start until it leads, s"] = (time.monotonic() - begun, 0)
            await controller.metric("ptd_reconciles_total", 1)
            found["controller: start until it works, s"] = (time.monotonic() - begun, 0)
            await controller.metric("ptd_reconciles_total", tools)
            found["controller: start until every tool was seen, s"] = (time.monotonic() - begun, 0)
            found["controller: CPU until then, s"] = (controller.cpu(), 0)
            await asyncio.sleep(10)  # the last verdicts on configs are written
            found["controller: CPU at rest, % of a core"] = (await rested(controller, rest), CPU)
            found["controller: memory, MiB"] = (controller.memory(), MEMORY)
        async with process("api", folder, settings) as api:
            begun = time.monotonic()
            await api.ready()
            found["API: start until it is ready, s"] = (time.monotonic() - begun, 0)
            found["API: CPU until then, s"] = (api.cpu(), 0)
            await asyncio.sleep(5)
            found["API: CPU at rest, % of a core"] = (await rested(api, rest / 2), CPU)
            found["API: memory, MiB"] = (api.memory(), MEMORY)
            before = api.cpu()
            times = await reads(api, tools)
            found["API: CPU of a read, ms"] = (1000 * (api.cpu() - before) / READS, 0)
            found["API: median of 20 reads a second, ms"] = (1000 * times[len(times) // 2], 0)
            slow = times[int(len(times) * 0.99)]
            found["API: 99 of 100 are faster than, ms"] = (1000 * slow, LATENCY)
            found["API: memory after that, MiB"] = (api.memory(), 0)
    return found


async def main(arguments: Sequence[str]) -> int:
    """Measure, and print the table; 1 when a budget is broken."""
    tools = int(arguments[0]) if arguments else TOOLS
    table = Table(title=f"At rest: {tools:,} tools, {tools * KEPT:,} finished deployments")
    for heading in ("", "measured", "budget"):
        table.add_column(heading, justify="right" if heading else "left")
    with tempfile.TemporaryDirectory(prefix="ptd-bench-") as name:
        folder = Path(name)
        await one_deployment(folder)
        await multiply(folder / "plane.sqlite", tools)
        found = await measured(folder, tools, float(arguments[1]) if len(arguments) > 1 else REST)
    broken = {what for what, (value, budget) in found.items() if budget and value > budget}
    for what, (value, budget) in found.items():
        limit = (f"{budget:g}" if budget else "") + ("  BROKEN" if what in broken else "")
        table.add_row(what, f"{value:.1f}", limit)
    Console(width=110).print(table)
    print(json.dumps({what: round(value, 2) for what, (value, _) in found.items()}))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
