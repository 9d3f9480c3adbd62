"""A poller that runs on objects and git hosts in memory, in short intervals of real time."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller import errors
from controller.models.credentials import SecretRef
from controller.models.reasons import Reason
from controller.models.toolconfig import ToolConfigSpec
from tests import builders
from tests.builders import COMMIT, REPOSITORY
from tests.support.polledobjects import ObjectsInMemory
from watchers.git.addresses import Address, Policy, parse
from watchers.git.resolution import RefKind, RefProblem, Resolved
from watchers.repositories.poller import Pace, RepositoryPoller

OTHER = "https://git.example.org/other.git"
FAST = timedelta(seconds=0.05)
SLOW = timedelta(hours=1)


class Hosts:
    """Git hosts in memory; `asked` are the questions, `failing` what to answer instead."""

    def __init__(self) -> None:
        self.tips: dict[str, dict[str, str]] = {REPOSITORY: {"main": COMMIT}}
        self.failing: dict[str, errors.EdgeError] = {}
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.asked_at: list[datetime] = []
        self.gate = asyncio.Event()
        self.gate.set()

    def normalise(self, repository: str) -> Address:
        return parse(repository, Policy())

    async def resolve(
        self, repository: str, refs: Sequence[str], secret: SecretRef | None = None
    ) -> Mapping[str, Resolved | RefProblem]:
        self.asked.append((repository, tuple(sorted(refs))))
        self.asked_at.append(now())
        tips = dict(self.tips.get(repository, {}))
        await self.gate.wait()
        if repository in self.failing:
            raise self.failing[repository]
        missing = RefProblem(Reason.REF_NOT_FOUND, "there is no such branch", "Push it.")
        return {
            ref: Resolved(tips[ref], RefKind.BRANCH) if ref in tips else missing for ref in refs
        }


class Counts:
    """Counts what a Prometheus registry would."""

    def __init__(self) -> None:
        self.good: list[int] = []
        self.bad: list[str] = []
        self.shared = 0
        self.repositories = 0
        self.lags: list[timedelta] = []

    def polled(self, took: timedelta, lag: timedelta, *, refs: int, at: datetime) -> None:
        self.good.append(refs)
        self.lags.append(lag)

    def failed(self, reason: str, lag: timedelta) -> None:
        self.bad.append(reason)

    def saved(self, checks: int) -> None:
        self.shared += checks

    def watched(self, repositories: int) -> None:
        self.repositories = repositories

    def watch(
        self,
        *,
        overdue: Callable[[], timedelta],
        on_host: Callable[[], Mapping[str, int]],
        unreachable: Callable[[], Mapping[str, int]],
    ) -> None:
        self.overdue, self.on_host, self.unreachable = overdue, on_host, unreachable


class World:
    """A poller that runs, and everything around it."""

    def __init__(self) -> None:
        self.objects = ObjectsInMemory(now)
        self.hosts = Hosts()
        self.counts = Counts()
        self.poller: RepositoryPoller | None = None

    @asynccontextmanager
    async def running(self, interval: timedelta = FAST) -> AsyncIterator[RepositoryPoller]:
        """Poll within the block."""
        pace = Pace(
            now,
            random.random,
            interval,
            soon=timedelta(milliseconds=10),
            write_again=timedelta(milliseconds=20),
        )
        poller = RepositoryPoller(self.objects, self.hosts, self.counts, lambda: True, pace)
        self.objects.changed = poller.config_changed
        task = asyncio.create_task(poller.run())
        try:
            yield poller
        finally:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    def watch(self, component: str = "web", tool: str = "demo") -> Any:
        """What the status says of a component."""
        return self.objects.configs[tool].status.components.get(component)


def spec(*, auto: bool = True, **components: Any) -> ToolConfigSpec:
    """A config that asks for polling."""
    return builders.config(prune=True, **components).model_copy(update={"auto_deploy": auto})


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so, two seconds at most."""
    async with asyncio.timeout(2):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def now() -> datetime:
    """The time of day."""
    return datetime.now(UTC)
