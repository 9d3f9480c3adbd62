"""How long deployments take, and what they cost the controller: the issue's table, measured.

Real processes over real HTTP on this machine: control plane, builds-api and jobs-api stand-ins
(builds of a second, jobs ready at once), a git host, `ptd controller` with settle time 0, and
`ptd api`, which is asked for each deployment. The reference beside it was measured on the existing
service with the same work on two cores; there, a POST took 1.1 s (median) to 13.8 s.
"""

import asyncio
import contextlib
import random
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from prometheus_client import CollectorRegistry
from rich.console import Console
from rich.table import Table

from controller.metrics import RequestMetrics, WatchMetrics
from controller.models.meta import config_name
from controller.models.tooldeployment import State
from controller.store import kinds
from controller.store.calls import Calls
from controller.store.client import open_kubeconfig
from controller.store.feed import Feed
from controller.store.objects import Store
from controller.store.secrets import Secrets
from tests.support.ptdlocal import environment
from tests.support.toolforge.build_runs import commit_of
from watchers.cache import Cache
from watchers.objects import Pace, Reflector

POSTS, PAUSE = 30, 0.05


@dataclass(frozen=True)
class Work:
    """So many tools with so many components; what the existing service and we may take."""

    tools: int
    components: int
    existing: str
    bar: float


WORK = (
    Work(1, 1, "5.2", 1.5),
    Work(1, 10, "7.3", 1.5),
    Work(20, 3, "12.6", 2.5),
    Work(50, 1, "27", 4.0),
)
HEADINGS = ("tools", "components", "existing s", "bar s", "ours s", "CPU ms", "MiB", "POST ms")
"""The last: median and worst, all sent at once."""
LARGE = Work(1000, 3, "-", 60.0)


@dataclass(frozen=True)
class Made:
    """A deployment that was asked for, and how many seconds the answer took."""

    tool: str
    name: str
    seconds: float


@dataclass(frozen=True)
class Api:
    """`ptd api` behind a gateway: clients that keep their connection."""

    session: aiohttp.ClientSession
    url: str

    async def deploy(self, tool: str) -> Made:
        """Ask for a deployment."""
        began = time.perf_counter()
        async with self.session.post(
            f"{self.url}/v1/tool/{tool}/deployment", json={}, headers={"x-toolforge-tool": tool}
        ) as answer:
            body = await answer.json()
            assert answer.status == 200, body
        return Made(tool, str(body["data"]["deploy_id"]), time.perf_counter() - began)


@dataclass(frozen=True)
class Bench:
    """The running processes, and a client."""

    controller: psutil.Process
    api: Api
    store: Store
    secrets: Secrets
    cache: Cache
    repository: str

    def cpu(self) -> float:
        """CPU seconds of the controller so far, those of its children included."""
        times = self.controller.cpu_times()
        return times.user + times.system + times.children_user + times.children_system

    def memory(self) -> float:
        """MiB that the controller holds."""
        return float(self.controller.memory_info().rss) / 2**20


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.asynccontextmanager
async def started(*command: str, log: Path, **variables: str) -> AsyncIterator[psutil.Process]:
    """A Python module as a process, ended with the block."""
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *command),
            stdout=out,
            stderr=out,
            env=environment() | variables,
        )
    try:
        yield psutil.Process(process.pid)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def surroundings(folder: Path) -> AsyncIterator[dict[str, str]]:
    """Control plane, git host, builds-api and jobs-api; the settings that lead there."""
    builds, jobs, git, api = (free_port() for _ in range(4))
    # The stand-in of builds-api does not ask it, but finds the same commit.
    commit = commit_of(f"http://127.0.0.1:{git}/tool.git", "main")
    refhost = ("tests.bench.refhost", str(git), commit)
    kubeconfig = folder / "kubeconfig"
    kubeconfig.unlink(missing_ok=True)
    toolforge = (
        *("tests.support.toolforge", "--builds-port", str(builds), "--jobs-port", str(jobs)),
        *("--build-pending", "0", "--build-seconds", "1", "--parallel", "1000"),
    )
    settings = {
        "PTD_KUBECONFIG": str(kubeconfig),
        "PTD_TOOLFORGE_BUILDS_URL": f"http://127.0.0.1:{builds}",
        "PTD_TOOLFORGE_JOBS_URL": f"http://127.0.0.1:{jobs}",
        "PTD_TOOLFORGE_TOOL_HEADER": "true",
        "PTD_SETTLE_TIME": "0s",
        "PTD_GIT_ALLOW": f"127.0.0.1:{git}",
        "PTD_OPS_PORT": "0",
        "PTD_WORKERS": "64",
        "PTD_LEASE_NAMESPACE": "default",
        "PTD_API_PORT": str(api),
        "PTD_TRUST_GATEWAY": "true",
    }
    async with (
        started("tests.bench.plane", str(folder), log=folder / "plane.log"),
        started(*toolforge, log=folder / "toolforge.log"),
        started(*refhost, log=folder / "refhost.log"),
    ):
        while not kubeconfig.is_file():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)
        yield settings


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Bench]:
    """Everything that a deployment needs."""
    async with (
        surroundings(folder) as settings,
        started("controller", "controller", log=folder / "ptd.log", **settings) as controller,
        started("controller", "api", log=folder / "api.log", **settings),
        client(folder / "kubeconfig") as (store, secrets, cache),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        await led(folder / "ptd.log")
        served = Api(session, f"http://127.0.0.1:{settings['PTD_API_PORT']}")
        repository = f"http://{settings['PTD_GIT_ALLOW']}/tool.git"
        yield Bench(controller, served, store, secrets, cache, repository)


async def led(log: Path) -> None:
    """Wait until the controller leads."""
    while "leading" not in log.read_text():  # noqa: ASYNC110 - of another process
        await asyncio.sleep(0.1)
    await asyncio.sleep(11)  # the first leader of a new Lease waits before it acts


@contextlib.asynccontextmanager
async def client(kubeconfig: Path) -> AsyncIterator[tuple[Store, Secrets, Cache]]:
    """A client of the control plane, and what a watch of it shows."""
    connection = await open_kubeconfig(kubeconfig, time.monotonic)
    registry = CollectorRegistry()
    calls = Calls(connection, RequestMetrics(registry), time.monotonic, timedelta(seconds=60))
    cache = Cache(lambda _: None)
    pace = Pace(time.monotonic, random.random)
    reflector = Reflector(kinds.DEPLOYMENTS, Feed(calls), cache, WatchMetrics(registry), pace)
    watching = asyncio.create_task(reflector.run())
    try:
        yield Store(calls, lambda: datetime.now(UTC), "bench"), Secrets(calls), cache
    finally:
        watching.cancel()
        await asyncio.wait({watching})
        await connection.close()


@dataclass(frozen=True)
class Found:
    """Seconds, CPU seconds per deployment, MiB, and the seconds that each POST took."""

    seconds: float
    cpu: float
    memory: float
    posts: Sequence[float]


async def measured(bench: Bench, work: Work, round_: int) -> Found:
    """Deploy all tools at once, and wait until each is successful."""
    tools = await prepared(bench, f"b{round_}", work.tools, work.components)
    begun, cpu = time.monotonic(), bench.cpu()
    asked = await asyncio.gather(*(bench.api.deploy(tool) for tool in tools))
    while not all(ended(bench, made) for made in asked):  # noqa: ASYNC110 - of others
        await asyncio.sleep(0.05)
    took = time.monotonic() - begun
    spent = (bench.cpu() - cpu) / work.tools
    return Found(took, spent, bench.memory(), [made.seconds for made in asked])


async def posts_meanwhile(bench: Bench, round_: int) -> Sequence[float]:
    """What POSTs take that come one after another while 50 deployments are under way."""
    tools = await prepared(bench, f"b{round_}", 50 + POSTS, 1)
    asked = list(await asyncio.gather(*(bench.api.deploy(tool) for tool in tools[:50])))
    for tool in tools[50:]:
        asked.append(await bench.api.deploy(tool))
        await asyncio.sleep(PAUSE)
    while not all(ended(bench, made) for made in asked):  # noqa: ASYNC110 - of others
        await asyncio.sleep(0.05)
    return [made.seconds for made in asked[50:]]


async def prepared(bench: Bench, prefix: str, count: int, components: int) -> Sequence[str]:
    """So many tools with a namespace and a config."""
    tools = [f"{prefix}x{number}" for number in range(count)]
    await asyncio.gather(*(configured(bench, tool, components) for tool in tools))
    await asyncio.sleep(1)
    return tools


async def configured(bench: Bench, tool: str, components: int) -> None:
    """A namespace and a config."""
    await bench.secrets.ensure_namespace(tool)
    component: dict[str, Any] = {
        "component_type": "continuous",
        "build": {"repository": bench.repository, "ref": "main"},
        "run": {"command": "instant"},
    }
    spec = {"components": {f"c{number}": component for number in range(components)}}
    await bench.store.put(kinds.CONFIGS, tool, config_name(tool), spec)


def ended(bench: Bench, made: Made) -> bool:
    """Whether the deployment is successful, as a watch tells: asking would be work of its own."""
    for summary in bench.cache.deployments(made.tool)[1]:
        if summary.name == made.name:
            assert summary.state == State.SUCCESSFUL, summary
            return True
    return False


async def main(arguments: Sequence[str]) -> None:
    """Measure, and print the table."""
    console = Console()
    table = Table(title="Deployments: settle time 0, builds of 1 s, jobs ready at once")
    for heading in HEADINGS:
        table.add_column(heading, justify="right")
    work = (*WORK, LARGE) if "--large" in arguments else WORK
    with tempfile.TemporaryDirectory(prefix="ptd-bench-") as folder:
        async with running(Path(folder)) as bench:
            for number, each in enumerate(work, start=1):
                found = await measured(bench, each, number)
                table.add_row(
                    *(str(each.tools), str(each.components), each.existing, f"{each.bar:.1f}"),
                    *(f"{found.seconds:.1f}", f"{1000 * found.cpu:.0f}", f"{found.memory:.0f}"),
                    spread(found.posts),
                )
            meanwhile = await posts_meanwhile(bench, len(work) + 1)
    console.print(table)
    console.print(f"{POSTS} POSTs, {1 / PAUSE:.0f} a second, while 50 are deployed: ", end="")
    console.print(f"{spread(meanwhile)} ms (bar: 20 / 200)")


def spread(posts: Sequence[float]) -> str:
    """Median and worst, in milliseconds."""
    ordered = sorted(1000 * seconds for seconds in posts)
    return f"{ordered[len(ordered) // 2]:.0f} / {ordered[-1]:.0f}"


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
