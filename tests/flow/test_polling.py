"""From a push to a real git server to a ToolDeployment, by the whole repository watcher."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from controller.metrics import PollMetrics
from tests import builders
from tests.support.githttp import Fault, GitServer
from tests.support.polledobjects import CrashError, ObjectsInMemory
from watchers.git.addresses import Guard, Policy
from watchers.git.ls_remote import LsRemote
from watchers.git.process import GitProcesses
from watchers.git.repositories import Repositories
from watchers.repositories.poller import Pace, RepositoryPoller

pytestmark = pytest.mark.timeout(30)


class World:
    """A git host, a tool that follows a branch on it, and a poller that may be killed."""

    def __init__(self, server: GitServer, processes: GitProcesses) -> None:
        self.server = server
        self.objects = ObjectsInMemory(_now)
        self.registry = CollectorRegistry()
        self._repositories = Repositories(
            Guard(Policy(allow=("127.0.0.1:*",))), LsRemote(processes, timedelta(seconds=2))
        )

    def follow(self, name: str, ref: str = "main") -> None:
        """Have the tool `demo` follow a ref of one of the host's repositories."""
        web = builders.component(self.server.address(name), ref)
        spec = builders.config(web=web).model_copy(update={"auto_deploy": True})
        self.objects.put("demo", spec)

    @asynccontextmanager
    async def polling(self) -> AsyncIterator["asyncio.Task[None]"]:
        """One life of a controller."""
        poller = RepositoryPoller(
            self.objects,
            self._repositories,
            PollMetrics(CollectorRegistry()),
            lambda: True,
            Pace(_now, random.random, timedelta(seconds=0.15), soon=timedelta()),
        )
        self.objects.changed = poller.config_changed
        task = asyncio.create_task(poller.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task])

    def has_deployed(self, *commits: str) -> bool:
        """Whether there are deployments for exactly these commits, and that is written down."""
        watch = self.objects.configs["demo"].status.components.get("web")
        made = self.objects.commits("demo") == [{"web": it} for it in commits]
        return made and watch is not None and watch.created

    def error(self) -> str:
        """The reason in the status."""
        return self.objects.configs["demo"].status.components["web"].error_reason

    async def until_deployed(self, *commits: str) -> None:
        """Wait until there are deployments for exactly these commits."""
        await self.until(lambda: self.has_deployed(*commits))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so, twenty seconds at most."""
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A world whose git host has no repository yet."""
    processes = GitProcesses(4)
    async with GitServer(tmp_path) as server:
        yield World(server, processes)
    processes.close()


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251


async def test_each_push_is_deployed_once_through_restarts(world: World) -> None:
    repository = world.server.repository("app.git")
    first = repository.commit({"a": "1"})
    world.follow("app.git")
    async with world.polling():
        await world.until_deployed(first)
    second = repository.commit({"a": "2"})
    async with world.polling():
        await world.until_deployed(first, second)
        third = repository.commit({"a": "3"}, orphan=True)
        await world.until_deployed(first, second, third)
    async with world.polling():
        await asyncio.sleep(0.4)

    assert world.objects.commits("demo") == [{"web": it} for it in (first, second, third)]


async def test_a_push_to_another_branch_with_the_same_ending_deploys_nothing(world: World) -> None:
    repository = world.server.repository("app.git")
    tip = repository.commit({"a": "1"})
    world.follow("app.git")
    async with world.polling():
        await world.until_deployed(tip)
        repository.commit({"a": "2"}, "dependabot/main")
        repository.tag("main", repository.commit({"a": "3"}, "main2"))
        await asyncio.sleep(0.5)

    assert world.objects.commits("demo") == [{"web": tip}]


@pytest.mark.parametrize("write", range(1, 7))
async def test_a_crash_at_any_write_neither_loses_nor_doubles_a_push(
    write: int, world: World
) -> None:
    repository = world.server.repository("app.git")
    world.follow("app.git")
    world.objects.crash_after = write
    pushed = []
    for content in ("1", "2"):
        pushed.append(repository.commit({"a": content}))
        while not world.has_deployed(*pushed):
            world.objects.crashed = False
            async with world.polling() as task:
                await world.until(lambda: world.has_deployed(*pushed) or world.objects.crashed)
            if not task.cancelled():
                assert isinstance(task.exception(), CrashError)
    async with world.polling():
        await asyncio.sleep(0.4)

    assert world.objects.writes >= write
    assert world.objects.commits("demo") == [{"web": commit} for commit in pushed]


async def test_a_vanished_branch_and_a_private_repository_are_told_apart(world: World) -> None:
    repository = world.server.repository("app.git")
    tip = repository.commit({"a": "1"})
    world.follow("app.git")
    async with world.polling():
        await world.until_deployed(tip)
        repository.delete_ref("refs/heads/main")
        await world.until(lambda: world.error() == "RefNotFound")
        world.server.faults["app.git"] = Fault(401)
        await world.until(lambda: world.error() == "RepositoryNotFound")

    watch = world.objects.configs["demo"].status.components["web"]
    assert watch.commit == tip
    assert watch.error == (
        "127.0.0.1 has no public repository at this address (HTTP 401). "
        "Check the address; a private repository needs `credentials`."
    )
