"""An object watcher on a server with two deployments, and what it has seen and woken.

Used by the tests of `watchers.objects`, in virtual time.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from controller.metrics import WatchMetrics
from controller.store.feed import Feed
from controller.store.kinds import DEPLOYMENTS
from tests.support import kubeclient
from tests.support.fakekube import FakeKube
from watchers.cache import Cache
from watchers.objects import Pace, Reflector

WHERE = "components-api.toolforge.org/v1/tooldeployments"


@dataclass
class World:
    kube: FakeKube
    cache: Cache
    reflector: Reflector
    woken: list[str]
    registry: CollectorRegistry
    shown: list[set[tuple[str, str]]]  # what the cache held at each wake

    def put(self, name: str, tool: str = "x", *, quietly: bool = False, **other: Any) -> None:
        """Create or change a deployment on the server."""
        body = {"metadata": {"name": name, "namespace": f"tool-{tool}"}, **other}
        self.kube.store(WHERE, body, quietly=quietly)

    def versions(self) -> dict[tuple[str, str], str]:
        """What the cache holds."""
        return {
            (each.metadata.namespace, each.name): each.metadata.resource_version
            for each in self.cache.unfinished()
        }

    def truth(self) -> dict[tuple[str, str], str]:
        """What the server holds."""
        return {
            key[1:]: stored["metadata"]["resourceVersion"]
            for key, stored in self.kube.objects.items()
        }

    def metric(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, {"kind": DEPLOYMENTS.plural, **labels})

    def since(self, moment: float) -> list[float]:
        """When requests came, counted from `moment`."""
        return [seen.at - moment for seen in self.kube.requests if seen.at >= moment]


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def world(*, listed: bool = True) -> AsyncIterator[World]:
    """A server with two deployments and a reflector that has seen them."""
    woken: list[str] = []
    shown: list[set[tuple[str, str]]] = []
    registry = CollectorRegistry()

    def wake(tool: str) -> None:
        woken.append(tool)
        shown.append(set(made.versions()))

    async with FakeKube() as kube, kubeclient.calls_to(kube.url) as calls:
        cache = Cache(wake)
        pace = Pace(clock=asyncio.get_running_loop().time, random=lambda: 0.5)
        reflector = Reflector(DEPLOYMENTS, Feed(calls), cache, WatchMetrics(registry), pace)
        made = World(kube, cache, reflector, woken, registry, shown)
        made.put("d1")
        made.put("d2", tool="y")
        task = asyncio.create_task(reflector.run())
        try:
            if listed:
                await asyncio.wait_for(reflector.synced.wait(), 10)
                await asyncio.sleep(0.5)
                woken.clear()
            yield made
        finally:
            task.cancel()
            await asyncio.wait({task})
        assert task.cancelled(), task.exception()
        sessions = calls.connection.watches.rest_client.pool_manager
        assert not (sessions and sessions.connector._acquired), "a connection is left behind"
