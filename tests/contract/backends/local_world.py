"""The local backend in the contract suite: real processes, real git, no network."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from controller.backends import base
from controller.backends.local.backend import LocalBackend
from controller.models.toolconfig import ContinuousRun, ScheduledRun
from tests.contract.backends.worlds import DEPLOYMENT
from tests.support import localbackend
from tests.support.gitrepo import BareRepository


class LocalWorld:
    """Implements `worlds.World`."""

    slots = localbackend.QUICK.builds.parallel
    last_words = "too bad"

    def __init__(self, directory: Path, local: LocalBackend) -> None:
        self.builds: base.Builds = local.builds
        self.jobs: base.Jobs = local.jobs
        self._root = directory / "local"
        self._repository = BareRepository.create(directory / "repository.git")
        self._fifo = directory / "endless"  # a build that reads it waits for somebody who writes
        os.mkfifo(self._fifo)

    def good_build(self) -> base.BuildRequest:
        return self._request("web", {"Procfile": "web: ./serve\n", "serve": "#!/bin/sh\n"})

    def bad_build(self) -> base.BuildRequest:
        return self._request("web", {"Procfile": "too bad\n"})

    def endless_build(self, component: str) -> base.BuildRequest:
        return self._request(component, {"requirements.txt": f"-r {self._fifo}\n"})

    def steady_job(self) -> base.JobSpec:
        run = ContinuousRun(command="sh -c 'echo ready; exec sleep 1000'")
        return base.JobSpec("web", localbackend.make_image(self._root, "web"), run)

    def other_image(self) -> str:
        return localbackend.make_image(self._root, "other")

    def crashing_job(self) -> base.JobSpec:
        run = ContinuousRun(command="sh -c 'echo too bad; exit 3'")
        return base.JobSpec("web", localbackend.make_image(self._root, "web"), run)

    def scheduled_job(self) -> base.JobSpec:
        run = ScheduledRun(command="true", schedule="@daily")
        return base.JobSpec("nightly", localbackend.make_image(self._root, "web"), run)

    async def progress(self) -> None:
        await asyncio.sleep(0.02)

    def _request(self, component: str, files: dict[str, str]) -> base.BuildRequest:
        return base.BuildRequest(
            component=component,
            repository=self._repository.path.as_uri(),
            ref="main",
            commit=self._repository.commit(files),
            options=base.BuildOptions(),
            deployment=DEPLOYMENT,
        )


@asynccontextmanager
async def local_world(directory: Path) -> AsyncIterator[LocalWorld]:
    root = directory / "local"
    async with LocalBackend(root, localbackend.QUICK, localbackend.now) as local:
        yield LocalWorld(directory, local)
