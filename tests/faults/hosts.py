"""Thousands of repositories on hosts that are good, slow, dead or busy, under the real poller.

Objects and hosts are in memory and time is virtual; what is between them is the product: schedule,
patience, rates, the guard and the limit for each host. Remembers when each repository was asked.
"""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from prometheus_client import CollectorRegistry

from controller.metrics import PollMetrics
from controller.models.toolconfig import ToolConfigSpec
from tests import builders
from tests.faults import timeline
from tests.support.polledobjects import ObjectsInMemory
from watchers.git import transport
from watchers.git.addresses import Address, Guard, Policy
from watchers.git.repositories import Repositories
from watchers.git.resolution import RefFound
from watchers.repositories.poller import Pace, RepositoryPoller

INTERVAL = timedelta(seconds=60)
ANSWER, SLOW, TIMEOUT = 0.05, 20.0, 30.0
RETRY_AFTER = {"retry-after": "120"}


class Hosts:
    """A transport; what a host does is the beginning of its name: good, slow, dead or busy."""

    def __init__(self) -> None:
        self.asked: dict[str, list[float]] = defaultdict(list)
        self.of_host: dict[str, list[float]] = defaultdict(list)
        self.most: Counter[str] = Counter()
        self.busy_status: int | None = None
        self._going: Counter[str] = Counter()

    async def refs(self, address: Address, wanted: Sequence[str]) -> Mapping[str, RefFound]:
        """See `transport.Transport.refs`."""
        host = address.host
        self.asked[address.url].append(timeline.seconds())
        self.of_host[host].append(timeline.seconds())
        self._going[host] += 1
        self.most[host] = max(self.most[host], self._going[host])
        try:
            return await self._answer(address, wanted)
        finally:
            self._going[host] -= 1

    async def _answer(self, address: Address, wanted: Sequence[str]) -> Mapping[str, RefFound]:
        kind = address.host.partition("-")[0]
        if kind == "dead":
            await asyncio.sleep(TIMEOUT)
            raise transport.unreachable(address, "did not answer within 30 s")
        await asyncio.sleep(SLOW if kind == "slow" else ANSWER)
        if kind == "busy" and self.busy_status is not None:
            raise transport.answer_of(self.busy_status, RETRY_AFTER, address)
        return {name: RefFound(builders.COMMIT) for name in wanted if name == "refs/heads/main"}


class Street:
    """The hosts, the tools that follow their repositories, and pollers one after the other."""

    def __init__(self, repositories: Mapping[str, int]) -> None:
        self.hosts = Hosts()
        self.objects = ObjectsInMemory(timeline.now)
        self.urls: list[str] = []
        for host, count in repositories.items():
            for number in range(count):
                url = f"https://{host}.example.org/{number}.git"
                self.urls.append(url)
                self.objects.put(f"{host}-{number}", _spec(url))

    @asynccontextmanager
    async def polling(self) -> AsyncIterator[None]:
        """One life of a controller."""
        poller = RepositoryPoller(
            self.objects,
            Repositories(Guard(Policy(), _lookup), self.hosts),
            PollMetrics(CollectorRegistry()),
            lambda: True,
            Pace(timeline.now, random.random, INTERVAL),
        )
        self.objects.changed = poller.config_changed
        task = asyncio.create_task(poller.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait([task])

    def asked(self, kind: str) -> dict[str, list[float]]:
        """When the repositories on hosts of a kind were asked."""
        return {
            url: self.hosts.asked[url] for url in self.urls if url.startswith(f"https://{kind}-")
        }


def _spec(url: str) -> ToolConfigSpec:
    spec = builders.config(web=builders.component(url))
    return spec.model_copy(update={"auto_deploy": True, "poll_interval": "60s"})


async def _lookup(_host: str, _port: int) -> Sequence[str]:
    return ["203.0.114.7"]
