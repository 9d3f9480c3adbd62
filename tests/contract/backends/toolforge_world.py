"""The Toolforge backend in the contract suite: its services' stand-ins, simulated time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from controller.backends import base
from controller.models import names
from controller.models.toolconfig import ContinuousRun, ScheduledRun
from tests.contract.backends.worlds import DEPLOYMENT, TOOL
from tests.support.toolforge.build_runs import commit_of
from tests.support.toolforge.world import Toolforge, toolforge

REPOSITORY = "https://git.example.org/demo.git"
STEP = 0.5


class ToolforgeWorld:
    """Implements `worlds.World`."""

    last_words = "ERROR: failed to build"

    def __init__(self, services: Toolforge) -> None:
        self._services = services
        services.builds.clock.idle = STEP
        services.jobs.logs = {f"{TOOL}/web": ["starting", self.last_words]}

    @property
    def builds(self) -> base.Builds:
        return self._services.backend.builds

    @property
    def jobs(self) -> base.Jobs:
        return self._services.backend.jobs

    @property
    def slots(self) -> int:
        return self._services.builds.limits.parallel

    def good_build(self) -> base.BuildRequest:
        return _request("web", "main")

    def bad_build(self) -> base.BuildRequest:
        return _request("web", "fail")

    def endless_build(self, component: str) -> base.BuildRequest:
        return _request(component, "hang")

    def steady_job(self) -> base.JobSpec:
        return base.JobSpec("web", self._image("1"), ContinuousRun(command="steady"))

    def other_image(self) -> str:
        return self._image("2")

    def crashing_job(self) -> base.JobSpec:
        return base.JobSpec("web", self._image("1"), ContinuousRun(command="crash"))

    def scheduled_job(self) -> base.JobSpec:
        run = ScheduledRun(command="true", schedule="@daily")
        return base.JobSpec("nightly", self._image("1"), run)

    async def progress(self) -> None:
        self._services.advance(STEP)

    def _image(self, digit: str) -> str:
        host = self._services.jobs.registry.host
        return f"{host}/tool-{TOOL}/web:latest@sha256:{digit * 64}"


@asynccontextmanager
async def toolforge_world(_directory: Path) -> AsyncIterator[ToolforgeWorld]:
    start = names.creation_time(DEPLOYMENT)
    assert start is not None
    async with toolforge(start) as services:
        yield ToolforgeWorld(services)


def _request(component: str, ref: str) -> base.BuildRequest:
    commit = commit_of(REPOSITORY, ref)
    return base.BuildRequest(component, REPOSITORY, ref, commit, base.BuildOptions(), DEPLOYMENT)
