"""What the contract suite needs of a backend, whichever it is.

A backend joins the suite by a class with these members and an entry in `conftest.WORLDS`.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from controller.backends import base

T = TypeVar("T")
TOOL = "tool-a"
OTHER_TOOL = "tool-b"
DEPLOYMENT = "20261121-212243-tjjijwzt46"
LATER_DEPLOYMENT = "20261121-212250-a5k2m9x0qd"


class World(Protocol):
    """One backend, and sources and images that it can work with."""

    @property
    def builds(self) -> base.Builds:
        """The build service under test."""
        ...

    @property
    def jobs(self) -> base.Jobs:
        """The jobs service under test."""
        ...

    @property
    def slots(self) -> int:
        """How many builds may go at a time."""
        ...

    @property
    def last_words(self) -> str:
        """A part of what a failing build or a crashing job says in the end."""
        ...

    def good_build(self) -> base.BuildRequest:
        """A build that becomes successful."""
        ...

    def bad_build(self) -> base.BuildRequest:
        """A build that fails."""
        ...

    def endless_build(self, component: str) -> base.BuildRequest:
        """A build that goes on for longer than a test."""
        ...

    def steady_job(self) -> base.JobSpec:
        """A continuous job `web` that comes up and stays up."""
        ...

    def other_image(self) -> str:
        """An image that the steady job can be moved to."""
        ...

    def crashing_job(self) -> base.JobSpec:
        """A continuous job `web` that fails again and again."""
        ...

    def scheduled_job(self) -> base.JobSpec:
        """A job `nightly` that runs once a day."""
        ...

    async def progress(self) -> None:
        """Let the other side get on."""
        ...


async def until(world: World, probe: Callable[[], Awaitable[T | None]]) -> T:
    """What `probe` answers when it does; the test's own limit ends the waiting."""
    while (found := await probe()) is None:
        await world.progress()
    return found


async def job_that(world: World, holds: Callable[[base.Job], bool]) -> base.Job:
    """The tool's first job that `holds` says yes of."""

    async def probe() -> base.Job | None:
        jobs = await world.jobs.list(TOOL)
        return next((job for job in jobs if holds(job)), None)

    return await until(world, probe)


async def finished(world: World, build_id: str) -> base.Build:
    """The build of that id, when it has ended."""

    async def probe() -> base.Build | None:
        builds = await world.builds.list(TOOL)
        return next((b for b in builds if b.id == build_id and not b.state.live), None)

    return await until(world, probe)
