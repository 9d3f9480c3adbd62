"""Real processes of `ptd controller` behind the fault proxy: what kill -9 and SIGSTOP do to them.

In real time, so few and small: a git server, the control plane with its file, and the stand-ins of
builds-api and jobs-api in this process; the controller in another, which may be killed or stopped
at any request that changes something.
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer

from controller.local import kubeconfig
from controller.local.server import ControlPlane
from controller.models import crds
from controller.models.meta import API_VERSION
from tests.faults.proxy import Proxy, Wire
from tests.faults.tape import Entry, Plan, Tape
from tests.support.githttp import GitServer
from tests.support.ptdlocal import environment
from tests.support.toolforge.__main__ import ls_remote
from tests.support.toolforge.build_runs import Pace
from tests.support.toolforge.clock import real_clock
from tests.support.toolforge.fake_builds import BuildsService, builds_app
from tests.support.toolforge.fake_jobs import JobsService, jobs_app
from tests.support.toolforge.registry import Registry

TERM = 1.5  # seconds of a Lease
SETTINGS = {
    "PTD_TOOLFORGE_TOOL_HEADER": "true",
    "PTD_GIT_ALLOW_PRIVATE": "true",
    "PTD_OPS_PORT": "0",
    "PTD_SETTLE_TIME": "100ms",
    "PTD_LEASE_DURATION": f"{TERM * 1000:.0f}ms",
    "PTD_LEASE_RENEW_DEADLINE": "1s",
    "PTD_LEASE_RETRY": "200ms",
    "PTD_LEASE_NAMESPACE": "default",
}
_ENDS = {"successful", "failed", "cancelled", "timed_out"}


@dataclass
class Machine:
    """Everything, and the controllers that were started."""

    folder: Path
    plane: ControlPlane
    session: aiohttp.ClientSession
    tape: Tape
    upstreams: dict[str, str]
    builds: BuildsService
    jobs: JobsService
    repository: str
    pause: float = 0.0  # above zero: instead of being killed, a process is stopped for so long
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)
    proxies: list[Proxy] = field(default_factory=list)
    starting: set[asyncio.Task[None]] = field(default_factory=set)
    files: list[Any] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """A user's request, past all proxies."""
        headers = {"Authorization": f"Bearer {self.plane.token}"}
        url = self.plane.url + path
        async with self.session.request(method, url, json=body, headers=headers) as answer:
            found = await answer.json()
            assert answer.status < 300, found
            return found

    async def start(self) -> None:
        """Start a controller with proxies of its own."""
        number = len(self.processes) + 1
        wire = Wire(number, self.tape, self.session, self._struck)
        proxies = [await Proxy(wire, name, url).start() for name, url in self.upstreams.items()]
        self.proxies += proxies
        urls = {proxy.neighbour: proxy.url for proxy in proxies}
        path = self.folder / f"kubeconfig-{number}"
        path.write_text(
            kubeconfig.render(urls["kube"], self.plane.authority, self.plane.token, "default")
        )
        more = {
            "PTD_KUBECONFIG": str(path),
            "PTD_TOOLFORGE_BUILDS_URL": urls["builds"],
            "PTD_TOOLFORGE_JOBS_URL": urls["jobs"],
        }
        log = (self.folder / f"log-{number}").open("wb")
        self.files.append(log)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "controller", "controller"),
            env=environment() | SETTINGS | more,
            stdout=log,
            stderr=log,
        )
        self.processes.append(process)

    async def stop(self) -> None:
        """End all of it."""
        for task in tuple(self.starting):
            await asyncio.wait([task])
        for process in self.processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
        for proxy in self.proxies:
            proxy.wire.sever()
            await proxy.stop()
        for file in self.files:
            file.close()

    def logs(self) -> str:
        """What the controllers said."""
        return "".join(path.read_text() for path in sorted(self.folder.glob("log-*")))

    def _struck(self, wire: Wire) -> None:
        """A request met its fault: the process behind it is killed, or stopped for a while."""
        if wire.dead:
            return
        process = self.processes[wire.life - 1]
        if self.pause:
            process.send_signal(signal.SIGSTOP)
            task = asyncio.create_task(self._wake(process))
        else:
            wire.dead = True
            process.kill()
            task = asyncio.create_task(self.start())
        self.starting.add(task)
        task.add_done_callback(self.starting.discard)

    async def _wake(self, process: asyncio.subprocess.Process) -> None:
        """After a pause; where it is longer than a term, another has begun to lead by then."""
        await self.start()
        life = len(self.processes)
        while self.pause > TERM and not any(e.life == life for e in self._leases()):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        await asyncio.sleep(self.pause)
        os.kill(process.pid, signal.SIGCONT)

    def _leases(self) -> list[Entry]:
        """The writes to the Lease that were carried out."""
        return [e for e in self.tape.entries if "/leases" in e.path and e.verb != "GET" and e.done]


@asynccontextmanager
async def opened(folder: Path, plan: Plan, pause: float = 0.0) -> AsyncIterator[Machine]:
    """A machine with one controller and the tool `demo`, which has a config of two components."""
    async with AsyncExitStack() as stack:
        git = await stack.enter_async_context(GitServer(folder / "git"))
        git.repository("demo.git").commit({"Procfile": "web: ./web\n"})
        plane = await stack.enter_async_context(ControlPlane(folder / "state.db"))
        session = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
        registry = Registry()
        builds = BuildsService(real_clock(), ls_remote, registry, pace=Pace(0.1, 0.3, 0.05))
        jobs = JobsService(real_clock(), registry)
        upstreams = {"kube": plane.url}
        for name, app in (("builds", builds_app(builds)), ("jobs", jobs_app(jobs))):
            server = await stack.enter_async_context(TestServer(app))
            upstreams[name] = str(server.make_url("")).rstrip("/")
        parts = (folder, plane, session, Tape(plan), upstreams, builds, jobs)
        machine = Machine(*parts, git.address("demo.git"), pause)
        stack.push_async_callback(machine.stop)
        for definition in crds.definitions():
            path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
            await machine.ask("POST", path, dict(definition))
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tool-demo"}}
        await machine.ask("POST", "/api/v1/namespaces", space)
        await asyncio.sleep(0.5)
        await machine.start()
        yield machine


async def deployed(machine: Machine) -> dict[str, Any]:
    """Deploy twice, the second time with nothing new; how that ended."""
    build = {"repository": machine.repository, "ref": "main"}
    parts = {
        "web": {"build": build, "run": {"command": "serve", "port": 8000}},
        "worker": {"build": {"reuse_from": "web"}, "run": {"command": "work"}},
    }
    place = f"/apis/{API_VERSION}/namespaces/tool-demo"
    config = {"metadata": {"name": "demo-config"}, "spec": {"components": parts}}
    head = {"apiVersion": API_VERSION}
    await machine.ask("POST", f"{place}/toolconfigs", head | {"kind": "ToolConfig"} | config)
    states = []
    for number in (1, 2):
        name = f"20261122-12000{number}-aaaaaaaaaa"
        body = head | {"kind": "ToolDeployment", "metadata": {"name": name}, "spec": {}}
        await machine.ask("POST", f"{place}/tooldeployments", body)
        path = f"{place}/tooldeployments/{name}"
        state = ""
        for _ in range(2_400):
            if (state := _state(await machine.ask("GET", path))) in _ENDS:
                break
            await asyncio.sleep(0.1)
        states.append(state)
    changed = [e for e in machine.tape.done("jobs", "PATCH") if (e.body or {}).get("job_changed")]
    return {
        "states": states,
        "builds": machine.builds.started,
        "jobs": sorted(machine.jobs.tool("demo").stored),
        "changed": Counter(entry.sent["name"] for entry in changed),
    }


def _state(found: Any) -> str:
    return str((found.get("status") or {}).get("status", "pending"))
