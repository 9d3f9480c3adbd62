"""A real Prometheus sees faults come and go in a real `ptd local`: alerts fire, and resolve.

Waits and windows of the rules are 200 times shorter, limits in seconds likewise; nothing else of
them is changed.
"""

import asyncio
import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from tests.support import prometheusserver
from tests.support.githttp import Fault, GitServer
from tests.support.prometheusserver import Prometheus
from tests.support.ptdlocal import PtdLocal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

FACTOR = 200
LIMITS = {
    "PushToDeployPollingLate": ("> 300", "> 1.5"),
    # Each of the hosts here has one repository.
    "PushToDeployPollingHostFailing": (">= 5", ">= 1"),
}
HOSTS = [f"127.0.0.{number}" for number in range(2, 8)]
INTERVAL = "5s"  # a host that fails three times in a row is left alone: it must come back before
POLLING = {"PushToDeployPollingFailing", "PushToDeployPollingHostFailing"}
DOWN = {"PushToDeployControllerDown", "PushToDeployApiDown"}


@dataclass
class World:
    """Git hosts, Prometheus, and the `ptd local`s that it scrapes."""

    folder: Path
    git: GitServer
    prometheus: Prometheus
    ptd: PtdLocal
    others: list[PtdLocal] = field(default_factory=list)

    def break_all(self, fault: Fault | None) -> None:
        """Have every git host misbehave, or none."""
        names = [f"{host}.git" for host in HOSTS]
        self.git.faults = dict.fromkeys(names, fault) if fault else {}

    async def scrape(self, *locals_: PtdLocal) -> None:
        """Have Prometheus scrape these."""
        targets = [{"targets": [await target(local)]} for local in locals_]
        partial = self.folder / "targets.partial"
        partial.write_text(yaml.safe_dump(targets))
        partial.replace(self.folder / "targets.yaml")

    async def expect(self, *names: str) -> None:
        """Wait until these alerts fire and no other, and look at what they say."""
        await self.prometheus.until(set(names))
        for alert in await self.prometheus.alerts():
            told = " ".join(alert["annotations"].values())
            assert "{{" not in told
            assert "<no value>" not in told
            assert "<error" not in told


async def target(ptd: PtdLocal) -> str:
    """host:port of the plain listener, once it is printed."""
    async with asyncio.timeout(20):
        while True:
            found = re.findall(r"runs at http://(127\.0\.0\.1:\d+)", ptd.log())
            if found:
                return str(found[-1])
            await asyncio.sleep(0.05)


def component(url: str) -> dict[str, Any]:
    """A component that only has to be built: its job runs once a day."""
    build = {"repository": url, "ref": "main"}
    return {"component_type": "scheduled", "build": build, "run": SCHEDULED}


def silent() -> dict[str, Any]:
    """A run that is never up, however fast the machine is: nobody listens on its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return {"command": "sleep 600", "port": probe.getsockname()[1]}


SCHEDULED = {"command": "web", "schedule": "@daily"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Six git hosts with a repository each, a tool that follows them all, and nothing is wrong."""
    async with AsyncExitStack() as stack:
        git = await stack.enter_async_context(GitServer(tmp_path / "git"))
        for host in HOSTS:
            await web.TCPSite(git._runner, host, git.port).start()
            git.repository(f"{host}.git").commit({"Procfile": "web: true\n"})
        ptd = PtdLocal(tmp_path / "one" / "data", {"PTD_POLL_TIMEOUT": "5s"})
        ptd.folder.parent.mkdir()
        await ptd.start()
        stack.push_async_callback(ptd.stop)
        rules = prometheusserver.quick(FACTOR, LIMITS)
        server = prometheusserver.running(tmp_path, rules, [await target(ptd)])
        prometheus = await stack.enter_async_context(server)
        urls = [f"http://{host}:{git.port}/{host}.git" for host in HOSTS]
        components = {f"c{number}": component(url) for number, url in enumerate(urls)}
        spec = {"auto_deploy": True, "poll_interval": INTERVAL, "components": components}
        await ptd.configure(spec)
        made = World(tmp_path, git, prometheus, ptd)
        await made.expect()
        yield made
        for other in made.others:
            await other.stop()


async def followed(world: World) -> None:
    """Wait until every repository has been checked, and what was found is deployed."""
    async with asyncio.timeout(60):
        while True:
            made = await world.ptd.deployments()
            if made and all(each.final for each in made) and len(world.git.seen) >= 2 * len(HOSTS):
                return
            await asyncio.sleep(0.2)


async def test_git_hosts_fail_and_hang_and_come_back(world: World) -> None:
    await followed(world)
    await world.expect()
    world.break_all(Fault(status=503))
    await world.expect(*POLLING)
    world.break_all(None)
    await world.expect()
    world.git.faults = {f"{HOSTS[0]}.git": Fault(hang=True)}
    await world.expect("PushToDeployPollingLate")
    world.break_all(None)
    await world.expect()


async def test_a_process_that_stands_still_is_down_until_it_goes_on(world: World) -> None:
    assert world.ptd.process is not None
    world.ptd.process.send_signal(signal.SIGSTOP)
    try:
        await world.expect(*DOWN)
    finally:
        world.ptd.process.send_signal(signal.SIGCONT)
    await world.expect()


async def test_a_second_leader_that_misses_every_deadline(world: World) -> None:
    second = PtdLocal(world.folder / "two" / "data", {"PTD_DEPLOYMENT_TIMEOUT": "500ms"})
    second.folder.parent.mkdir()
    world.others.append(second)
    await second.start()
    await world.scrape(world.ptd, second)
    await world.expect("PushToDeployTwoLeaders")
    url = f"http://{HOSTS[0]}:{world.git.port}/{HOSTS[0]}.git"
    never = component(url) | {"component_type": "continuous", "run": silent()}
    await second.configure({"components": {"web": never}})
    for number in range(8):
        await second.deploy(f"d{number}")
    await world.expect("PushToDeployTwoLeaders", "PushToDeployDeploymentsFailing")
    await world.expect("PushToDeployTwoLeaders")
    await second.stop()
    await world.expect()
