"""The object watcher's promises, on the fake control plane and on a real one, in real time."""

import asyncio
import contextlib
import pathlib
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta

from prometheus_client import CollectorRegistry

from controller.metrics import WatchMetrics
from controller.models.tooldeployment import State, ToolDeploymentStatus
from controller.store.calls import Calls
from controller.store.feed import Feed
from controller.store.kinds import DEPLOYMENTS
from controller.store.objects import Store
from controller.store.secrets import Secrets
from tests.contract.store.conftest import NOW, Plane, connected
from tests.support import controlplane
from watchers.cache import Cache
from watchers.objects import Pace, Reflector


@dataclass
class Mirror:
    cache: Cache
    reflector: Reflector
    woken: list[str]
    tool: str
    registry: CollectorRegistry

    def names(self) -> tuple[list[str], list[str]]:
        unfinished, finished = self.cache.deployments(self.tool)
        return [each.name for each in unfinished], [each.name for each in finished]

    async def until(self, seen: Callable[[], bool]) -> None:
        """Wait until something is seen, 5 s at most."""
        async with asyncio.timeout(5):
            while not seen():  # noqa: ASYNC110 - the cache has nothing to wait for
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def mirror(calls: Calls, tool: str, since: int | None = None) -> AsyncIterator[Mirror]:
    """A reflector that has listed; with `since` it begins with a watch from that version."""
    woken: list[str] = []
    cache, registry = Cache(woken.append), CollectorRegistry()
    short = timedelta(milliseconds=50)
    pace = Pace(time.monotonic, random.random, first_pause=short, settle=short)
    reflector = Reflector(DEPLOYMENTS, Feed(calls), cache, WatchMetrics(registry), pace)
    reflector._version = since
    task = asyncio.create_task(reflector.run())
    try:
        await asyncio.wait_for(reflector.synced.wait(), 5)
        yield Mirror(cache, reflector, woken, tool, registry)
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_what_happens_on_the_server_is_seen_and_wakes_the_tool(plane: Plane) -> None:
    store = plane.store()
    await store.create(DEPLOYMENTS, plane.tool, "before", {})
    async with mirror(plane.calls, plane.tool) as seen:
        assert seen.names() == (["before"], [])
        seen.woken.clear()
        made = await store.create(DEPLOYMENTS, plane.tool, "during", {})
        await seen.until(lambda: seen.names() == (["before", "during"], []))
        done = ToolDeploymentStatus(status=State.SUCCESSFUL, finished_at=NOW)
        made = await store.patch_status(made, done)
        await seen.until(lambda: seen.names() == (["before"], ["during"]))
        await store.delete(DEPLOYMENTS, plane.tool, "during", made.metadata.uid)
        await seen.until(lambda: seen.names() == (["before"], []))
        assert [tool for tool in seen.woken if tool == plane.tool] == [plane.tool] * 3
        assert await seen.reflector.compare() == 0


async def test_our_own_writes_are_seen_at_once_and_their_events_are_no_news(plane: Plane) -> None:
    async with mirror(plane.calls, plane.tool) as seen:
        store = Store(plane.calls, lambda: NOW, "us", seen.cache)
        made = await store.create(DEPLOYMENTS, plane.tool, "ours", {})
        assert seen.names() == (["ours"], [])
        await store.delete(DEPLOYMENTS, plane.tool, "ours", made.metadata.uid)
        assert seen.names() == ([], [])
        await asyncio.sleep(0.3)
        assert seen.names() == ([], [])
        assert [tool for tool in seen.woken if tool == plane.tool] == [plane.tool] * 2


async def test_a_version_that_the_server_has_forgotten_leads_to_a_list(
    tmp_path: pathlib.Path,
) -> None:
    async with (
        controlplane.embedded(tmp_path, history=10) as access,
        connected(access.kubeconfig) as calls,
    ):
        await Secrets(calls).ensure_namespace("x")
        store = Store(calls, lambda: NOW, "us")
        wanted = [f"d{number:02}" for number in range(30)]
        for name in wanted:
            await store.create(DEPLOYMENTS, "x", name, {})
        async with mirror(calls, "x", since=1) as seen:
            assert seen.names()[0] == wanted
            labels = {"kind": DEPLOYMENTS.plural, "cause": "expired"}
            assert seen.registry.get_sample_value("ptd_watch_restarts_total", labels) == 1
