"""`python -m tests.bench.polling`: what a check costs, and what 10,000 repositories a minute cost.

The cost of a check is CPU of this process and its children, against a real git server in another
process: protocol version 2, GitPython and plain `git ls-remote` in one run. The load is the real
poller on objects in memory, against a host that costs nearly nothing. `--seconds` says how long.
"""

import argparse
import asyncio
import contextlib
import gc
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from controller import logs
from controller.models.toolconfig import ToolConfigSpec
from tests import builders
from tests.bench.refhost import SILENT
from tests.support.gitrepo import BareRepository
from tests.support.polledobjects import ObjectsInMemory
from watchers.git.addresses import Guard, Policy, system_lookup
from watchers.git.lookups import Remembered
from watchers.git.ls_remote import LsRemote
from watchers.git.process import GitProcesses
from watchers.git.protocol2 import Protocol2
from watchers.git.repositories import Repositories
from watchers.repositories.poller import Pace, RepositoryPoller

REPOSITORIES = 10_000
INTERVAL = timedelta(seconds=60)
REFS = (1, 5_000, 100_000)
CPU_OF_A_CHECK = 0.001
SHARE = 0.20
MEMORY = 100 * 1024 * 1024
LATE = timedelta(seconds=2)
STALL = 0.5
LAG = 0.05

_console = Console(width=110)


def main() -> int:
    """Measure both; 1 when something is over its budget."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    logs.configure(level="error")
    broken = asyncio.run(checks())
    broken |= asyncio.run(load(options.seconds))
    return 1 if asyncio.run(load(options.seconds, silent=True)) or broken else 0


# ---------------------------------------------------------------------- one check


async def checks() -> bool:
    """Print what a check costs by each way; whether the cheap way is over its budget."""
    table = Table("refs", "how", "checks/s", "CPU per check", "wall per check")
    broken = False
    with tempfile.TemporaryDirectory() as folder:
        for refs in REFS:
            repository = BareRepository.create(Path(folder) / f"r{refs}.git")
            commit = repository.commit({"a": "1"})
            repository.pack_many({f"refs/heads/b{n:06}": commit for n in range(refs - 1)})
        async with _process("tests.support.githttp", folder) as url:
            for refs in REFS:
                for how, cost in (await _costs(f"{url}/r{refs}.git")).items():
                    over = how.startswith("version 2") and cost.cpu > CPU_OF_A_CHECK
                    broken |= over
                    table.add_row(
                        f"{refs:,}",
                        how,
                        f"{1 / cost.cpu:,.0f}",
                        f"{cost.cpu * 1000:.2f} ms{'  BROKEN' if over else ''}",
                        f"{cost.wall * 1000:.1f} ms",
                    )
    _console.print(table)
    return broken


@dataclass(frozen=True)
class Cost:
    """Seconds of a check."""

    cpu: float
    wall: float


async def _costs(url: str) -> Mapping[str, Cost]:
    guard = _guard()
    processes, cheap = GitProcesses(2), Protocol2()
    by_git = Repositories(guard, LsRemote(processes))
    by_post = Repositories(guard, cheap)

    async def plain() -> None:
        git = await asyncio.create_subprocess_exec(
            *("git", "ls-remote", url, "refs/heads/main"), stdout=subprocess.DEVNULL
        )
        await git.wait()

    found = {
        "version 2 (aiohttp)": await _cost(lambda: by_post.resolve_one(url, "main"), 200),
        "GitPython, bounded": await _cost(lambda: by_git.resolve_one(url, "main"), 15),
        "git ls-remote": await _cost(plain, 15),
    }
    await cheap.close()
    processes.close()
    return found


def _guard() -> Guard:
    """As the controller has it: DNS answers count for ten seconds."""
    return Guard(Policy(allow_private=True), Remembered(system_lookup, time.monotonic))


async def _cost(check: Callable[[], Awaitable[object]], times: int) -> Cost:
    for _ in range(3):
        await check()
    cpu, wall = _cpu(), time.perf_counter()
    for _ in range(times):
        await check()
    return Cost((_cpu() - cpu) / times, (time.perf_counter() - wall) / times)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


# ---------------------------------------------------------------------- the load


@dataclass
class Lateness:
    """A journal that remembers how late checks were."""

    late: list[float] = field(default_factory=list)
    failed_checks: int = 0
    repositories: int = 0

    def polled(self, took: timedelta, lag: timedelta, *, refs: int, at: datetime) -> None:
        self.late.append(lag.total_seconds())

    def failed(self, reason: str, lag: timedelta) -> None:
        self.failed_checks += 1

    def saved(self, checks: int) -> None:
        """Of no interest here."""

    def watched(self, repositories: int) -> None:
        self.repositories = repositories

    def watch(self, **gauges: object) -> None:
        """Of no interest here."""


class Stalls:
    """The times that the event loop did not come round."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    async def watch(self) -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.005)
            now = time.perf_counter()
            self.seen.append(now - last - 0.005)
            last = now

    def take(self) -> tuple[float, float]:
        """The longest since the last time that this was asked, and what 99 of 100 are below."""
        seen, self.seen = sorted(self.seen), []
        return seen[-1], seen[int(len(seen) * 0.99)]


async def load(seconds: float, *, silent: bool = False) -> bool:
    """Print what the load costs, with half of it on silent hosts; whether it is over its budget."""
    process = psutil.Process()
    async with _process("tests.bench.refhost") as port:
        objects = _objects(["127.0.0.1", *(SILENT if silent else ())], port)
        gc.collect()
        gc.freeze()  # as the controller does when it has read the objects
        before = process.memory_info().rss
        cheap, stalls, journal = Protocol2(), Stalls(), Lateness()
        poller = RepositoryPoller(
            objects,
            Repositories(_guard(), cheap, 32),
            journal,
            lambda: True,
            Pace(lambda: datetime.now(UTC), random.random, INTERVAL, at_once=32),
        )
        tasks = [asyncio.create_task(stalls.watch()), asyncio.create_task(poller.run())]
        began = time.perf_counter()
        while journal.repositories < REPOSITORIES:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        taken_up = time.perf_counter() - began
        good = REPOSITORIES // (2 if silent else 1)
        while len(journal.late) < good:  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # what is new is looked at, and deployed
        first, stall = time.perf_counter() - began, stalls.take()[0]
        journal.late.clear()
        cpu, began = _cpu(), time.perf_counter()
        await asyncio.sleep(seconds)
        share = (_cpu() - cpu) / (time.perf_counter() - began)
        used = process.memory_info().rss - before
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await cheap.close()
    title = f"{REPOSITORIES:,} repositories, every {INTERVAL.seconds} s"
    title += f", half on {len(SILENT)} silent hosts" if silent else ""
    # What the first load gave back is used again: only that one tells the memory.
    used = 0 if silent else used
    return _report(title, (taken_up, first), (stall, *stalls.take()), (share, used), journal)


def _report(
    title: str,
    taken_up: tuple[float, float],
    stalls: tuple[float, float, float],
    cost: tuple[float, int],
    journal: Lateness,
) -> bool:
    share, used = cost
    late = sorted(journal.late)
    last = late[int(len(late) * 0.99)] if late else float("inf")
    rows = [
        (f"{REPOSITORIES:,} configs taken up", f"{taken_up[0]:.1f} s", "", False),
        ("and all of them deployed for the first time", f"{taken_up[1]:.1f} s", "", False),
        ("longest stall meanwhile", f"{stalls[0]:.3f} s", f"{STALL} s", stalls[0] > STALL),
        ("checks", f"{len(late):,}, {journal.failed_checks} without answer", "", False),
        ("CPU of one core", f"{share:.1%}", f"{SHARE:.0%}", share > SHARE),
        ("late, 99 of 100", f"{last:.3f} s", f"{LATE}", last > LATE.total_seconds()),
        ("longest stall", f"{stalls[1]:.3f} s", f"{STALL} s", stalls[1] > STALL),
        ("stalls, 99 of 100", f"{stalls[2]:.3f} s", f"{LAG} s", stalls[2] > LAG),
        ("memory of polling", f"{used / 2**20:.0f} MB", f"{MEMORY >> 20} MB", used > MEMORY),
    ]
    table = Table(title, "", "budget")
    for what, value, budget, over in rows if used else rows[:-1]:
        table.add_row(what, value, f"{budget}{'  BROKEN' if over else ''}")
    _console.print(table)
    return any(over for *_, over in rows)


def _objects(hosts: Sequence[str], port: str) -> ObjectsInMemory:
    """Configs for repositories on the first host; with others, half are on those."""
    objects = ObjectsInMemory(lambda: datetime.now(UTC))
    for number in range(REPOSITORIES):
        others = hosts[1:] if number % 2 else ()
        host = others[number // 2 % len(others)] if others else hosts[0]
        objects.put(f"t{number}", _spec(f"http://{host}:{port}/tool/{number}.git"))
    return objects


def _spec(repository: str) -> ToolConfigSpec:
    spec = builders.config(web=builders.component(repository))
    return spec.model_copy(update={"auto_deploy": True, "poll_interval": "60s"})


@contextlib.asynccontextmanager
async def _process(module: str, *arguments: str) -> AsyncIterator[str]:
    """A server of the tests as a process; what it prints first."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments), stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield (await process.stdout.readline()).decode().strip()
    finally:
        process.terminate()
        await process.wait()


if __name__ == "__main__":
    sys.exit(main())
