"""The backend in memory and virtual time, which other tests use, in the contract suite."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.backends import base
from controller.models.toolconfig import ContinuousRun, ScheduledRun
from tests.contract.backends.worlds import DEPLOYMENT
from tests.support.fakebackend import FakeBackend, image_of

_GOOD, _OTHER, _BAD = "a" * 40, "b" * 40, "c" * 40


class FakeWorld:
    """Implements `worlds.World`; its time passes when somebody waits."""

    slots = 2
    last_words = "it is broken"

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 21, 21, 22, 43, tzinfo=UTC)
        fake = FakeBackend(lambda: self._now, slots=self.slots)
        fake.broken_builds.add(_BAD)
        fake.crashing.add(_BAD)
        self.builds: base.Builds = fake.builds
        self.jobs: base.Jobs = fake.jobs

    def good_build(self) -> base.BuildRequest:
        return self._request("web", _GOOD)

    def bad_build(self) -> base.BuildRequest:
        return self._request("web", _BAD)

    def endless_build(self, component: str) -> base.BuildRequest:
        return self._request(component, _GOOD)  # it takes as long as nobody waits

    def steady_job(self) -> base.JobSpec:
        return base.JobSpec("web", image_of("web", _GOOD), ContinuousRun(command="serve"))

    def other_image(self) -> str:
        return image_of("web", _OTHER)

    def crashing_job(self) -> base.JobSpec:
        return base.JobSpec("web", image_of("web", _BAD), ContinuousRun(command="serve"))

    def scheduled_job(self) -> base.JobSpec:
        run = ScheduledRun(command="tidy", schedule="@daily")
        return base.JobSpec("nightly", image_of("web", _GOOD), run)

    async def progress(self) -> None:
        self._now += timedelta(seconds=0.5)

    def _request(self, component: str, commit: str) -> base.BuildRequest:
        return base.BuildRequest(
            component=component,
            repository="https://git.example.org/demo/web.git",
            ref="main",
            commit=commit,
            options=base.BuildOptions(),
            deployment=DEPLOYMENT,
        )


@asynccontextmanager
async def fake_world(_: Path) -> AsyncIterator[FakeWorld]:
    yield FakeWorld()
