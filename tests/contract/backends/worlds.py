"""What the contract suite needs of a backend, whichever it is.

A backend joins the suite by a class with these members and a fixture in `conftest.py`.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from controller.backends import base
from controller.models.toolconfig import ContinuousRun, ScheduledRun

T = TypeVar("T")
TOOL = "tool-a"
OTHER_TOOL = "tool-b"


class World(Protocol):
    """One backend with a tool's sources and images at hand."""

    @property
    def jobs(self) -> base.Jobs:
        """The jobs service under test."""
        ...

    async def image(self) -> str:
        """The name of an image that `steady` and `crashing` can run."""
        ...

    async def other_image(self) -> str:
        """Another one with the same programs."""
        ...

    @property
    def steady(self) -> ContinuousRun:
        """Settings of a component that prints `ready` and stays up."""
        ...

    @property
    def crashing(self) -> ContinuousRun:
        """Settings of a component that prints `crashing` and fails, again and again."""
        ...

    @property
    def scheduled(self) -> ScheduledRun:
        """Settings of a component that runs once a day."""
        ...

    async def progress(self) -> None:
        """Let the other side get on."""
        ...


async def until(world: World, probe: Callable[[], Awaitable[T | None]]) -> T:
    """What `probe` answers when it does; the test's own limit ends the waiting."""
    while (found := await probe()) is None:
        await world.progress()
    return found


async def job_that(world: World, holds: Callable[[base.Job], bool], tool: str = TOOL) -> base.Job:
    """The tool's only job, when `holds` says yes of it."""

    async def probe() -> base.Job | None:
        jobs = await world.jobs.list(tool)
        return next((job for job in jobs if holds(job)), None)

    return await until(world, probe)
