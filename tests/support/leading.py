"""Candidates for a Lease that act while they may, and the promise that only one does.

The candidates of a world act five times a second while `may_act` says so. The promise is checked
at every act: nobody else has acted since this leader began. Used by the tests of `runtime.leader`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from controller.metrics import LeaderMetrics
from controller.runtime.leader import Clocks, Leadership, Terms
from tests.support import leaseserver
from tests.support.leaseserver import LeaseServer, Wire
from tests.support.virtualtime import START

DAY = datetime(2026, 5, 1, tzinfo=UTC)


def now() -> float:
    return round(asyncio.get_running_loop().time() - START, 3)


class Candidate:
    """A process that wants to lead. `skew` is the error of its wall clock."""

    def __init__(
        self,
        world: "World",
        name: str,
        skew: timedelta = timedelta(),
        work: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self.wire = Wire(world.server)
        self.registry = CollectorRegistry()
        self.began: list[float] = []
        self.ended: list[float] = []
        self.last_act = 0.0
        self._world = world
        self._clock = asyncio.get_running_loop().time
        clocks = Clocks(self._clock, lambda: DAY + timedelta(seconds=now()) + skew, lambda: 0.5)
        self.leadership = Leadership(self.wire, name, clocks, LeaderMetrics(self.registry))
        self.task = asyncio.create_task(self.leadership.run(work or self._work))

    @property
    def leads(self) -> bool:
        return self.registry.get_sample_value("ptd_leader") == 1

    async def _work(self) -> None:
        self.began.append(now())
        try:
            while True:
                if self.leadership.may_act():
                    self._world.act(self.name)
                    self.last_act = now()
                await asyncio.sleep(0.2)
        finally:
            self.ended.append(now())

    async def kill(self) -> None:
        """End it as `kill -9` does: no release, no answer to anything."""
        self.wire.fault = leaseserver.black_hole
        self.leadership.may_act = lambda: False  # type: ignore[method-assign]

    async def stop(self) -> None:
        """End it in order."""
        self.task.cancel()
        await asyncio.wait({self.task})


class World:
    """A Lease, its candidates, and the promise."""

    def __init__(self) -> None:
        self.server = LeaseServer()
        self.candidates: list[Candidate] = []
        self.reigns: list[str] = []  # who acted, one entry for each change

    def act(self, name: str) -> None:
        if not self.reigns or self.reigns[-1] != name:
            self.reigns.append(name)

    def join(self, name: str, skew: timedelta = timedelta()) -> Candidate:
        self.candidates.append(Candidate(self, name, skew))
        return self.candidates[-1]

    def check(self) -> None:
        """No reign came back after another had begun, except by a term of its own."""
        terms = {each.name: len(each.began) for each in self.candidates}
        assert all(self.reigns.count(name) <= terms[name] for name in terms)


@asynccontextmanager
async def world(*names: str) -> AsyncIterator[World]:
    """Candidates a second apart, the first of them leading."""
    made = World()
    try:
        for name in names:
            made.join(name)
            await asyncio.sleep(1)
        await asyncio.sleep(20)
        yield made
        made.check()
    finally:
        for each in made.candidates:
            await each.stop()


def alone(terms: Terms | None = None) -> tuple[Leadership, Wire]:
    """A lone candidate and its wire, to be run by the test itself."""
    wire = Wire(LeaseServer())
    clocks = Clocks(asyncio.get_running_loop().time, lambda: DAY, lambda: 0.0)
    return Leadership(wire, "a", clocks, LeaderMetrics(CollectorRegistry()), terms), wire
