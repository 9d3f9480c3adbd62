"""The local backend in the contract suite: real processes, real git, no network."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from controller.backends import base
from controller.backends.local.backend import LocalBackend
from controller.models.toolconfig import ContinuousRun, ScheduledRun
from tests.support import localbackend


class LocalWorld:
    """Implements `worlds.World`."""

    def __init__(self, root: Path, local: LocalBackend) -> None:
        self._root, self._local = root, local

    @property
    def jobs(self) -> base.Jobs:
        return self._local.jobs

    async def image(self) -> str:
        return localbackend.make_image(self._root, "web")

    async def other_image(self) -> str:
        return localbackend.make_image(self._root, "other")

    @property
    def steady(self) -> ContinuousRun:
        return ContinuousRun(command="sh -c 'echo ready; exec sleep 1000'")

    @property
    def crashing(self) -> ContinuousRun:
        return ContinuousRun(command="sh -c 'echo crashing; exit 3'")

    @property
    def scheduled(self) -> ScheduledRun:
        return ScheduledRun(command="true", schedule="@daily")

    async def progress(self) -> None:
        await asyncio.sleep(0.02)


@asynccontextmanager
async def local_world(directory: Path) -> AsyncIterator[LocalWorld]:
    root = directory / "local"
    async with LocalBackend(root, localbackend.QUICK, localbackend.now) as local:
        yield LocalWorld(root, local)
