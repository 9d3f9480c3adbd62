"""The jobs service of this machine: `base.Jobs` over continuous and scheduled jobs.

Used through `backend.LocalBackend`. Holds the jobs that there are, by tool and name; each looks
after itself. What is on disk decides what there is: a job exists when its job.json does.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from pathlib import Path

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from controller import errors
from controller.backends import base
from controller.backends.local import cron, files, logs, records, shims
from controller.backends.local.continuous import ContinuousJob
from controller.backends.local.layout import check_name
from controller.backends.local.machine import Machine
from controller.backends.local.scheduled import ScheduledJob
from controller.backends.local.tasks import Tasks
from controller.models.reasons import Reason
from controller.models.toolconfig import ScheduledRun
from controller.models.tooldeployment import JobChange

AnyJob = ContinuousJob | ScheduledJob


class LocalJobs:
    """Implements `base.Jobs`."""

    def __init__(self, machine: Machine, scheduler: AsyncIOScheduler) -> None:
        self._machine, self._scheduler = machine, scheduler
        self._jobs: dict[tuple[str, str], AnyJob] = {}
        # The jobs of a tool come and go one at a time.
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks = Tasks()

    async def start(self) -> None:
        """Take over whatever the disk knows.

        What did its work gets its port before what never came up, as where both declare the same.
        """
        folders = sorted(self._machine.layout.tools.glob("*/jobs/*"))
        found = [(each, it) for each in folders if (it := records.stored(each)) is not None]
        for directory, definition in sorted(found, key=lambda each: each[1].took_over is None):
            tool = directory.parts[-3]
            job = self._make(directory, tool, definition)
            self._jobs[tool, definition.spec.name] = job
            await job.start()
        for directory in self._machine.layout.tools.glob("*/removed/*"):
            self._tasks.start(_clear(directory))

    async def close(self, *, stop_jobs: bool) -> None:
        """Look after the jobs no longer; `stop_jobs` also ends their processes, all at once."""
        await self._tasks.close()
        ends: list[Callable[[], Coroutine[None, None, None]]] = [
            job.stop if stop_jobs else job.leave for job in self._jobs.values()
        ]
        await asyncio.gather(*(end() for end in ends))

    def images(self) -> set[str]:
        """The images that some job needs."""
        definitions = [job.definition for job in self._jobs.values()]
        specs = [spec for d in definitions for spec in (d.spec, d.serving) if spec]
        return {spec.image for spec in specs}

    async def list(self, tool: str) -> Sequence[base.Job]:
        """As `base.Jobs.list`."""
        return [job.job() for (owner, _), job in sorted(self._jobs.items()) if owner == tool]

    async def apply(self, tool: str, spec: base.JobSpec) -> base.Applied:
        """As `base.Jobs.apply`."""
        check_name("tool", tool, Reason.JOB_REFUSED)
        check_name("component", spec.name, Reason.JOB_REFUSED)
        if isinstance(spec.run, ScheduledRun):
            _check_schedule(tool, spec.name, spec.run)
        async with self._locks[tool]:
            job = self._jobs.get((tool, spec.name))
            if job is not None and job.kind is spec.kind:
                return await job.apply(spec)
            if job is not None:
                await self._remove(tool, spec.name)
            await self._create(tool, spec)
        self._machine.on_change(tool)
        return base.Applied(JobChange.UPDATED if job else JobChange.CREATED)

    async def delete(self, tool: str, name: str) -> None:
        """As `base.Jobs.delete`; its processes end in the background."""
        async with self._locks[tool]:
            if (tool, name) in self._jobs:
                await self._remove(tool, name)
                self._machine.on_change(tool)

    async def log(
        self, tool: str, name: str, *, follow: bool = False, lines: int = 500
    ) -> AsyncIterator[str]:
        """As `base.Jobs.log`. Lines begin with their time; a job that is unknown has none."""
        job = self._jobs.get((tool, name))
        if job is None:
            return
        directory = self._machine.layout.jobs(tool) / name / "logs"
        replicas = getattr(job.definition.spec.run, "replicas", 1)

        def label(path: Path) -> str:
            return f"[{path.stem.partition('-')[2]}] " if replicas > 1 else ""

        def known() -> bool:
            return follow and self._jobs.get((tool, name)) is job

        async for line in logs.follow(lambda: logs.files_in(directory), lines, label, known):
            yield line

    async def _create(self, tool: str, spec: base.JobSpec) -> None:
        directory = self._machine.layout.jobs(tool) / spec.name
        definition = records.Definition(spec, generation=1, changed_at=self._machine.clock())
        await asyncio.to_thread(files.make_directory, directory)
        await asyncio.to_thread(records.store, directory, definition)
        job = self._make(directory, tool, definition)
        await job.start()  # before it is known: one that could not begin is made anew
        self._jobs[tool, spec.name] = job

    async def _remove(self, tool: str, name: str) -> None:
        """Gone in one step (a rename); its processes end afterwards, also by the next ptd.

        Raises Transient, and then it goes on as it was.
        """
        removed, directory = (
            self._machine.layout.removed(tool),
            self._machine.layout.jobs(tool) / name,
        )
        await asyncio.to_thread(files.make_directory, removed)
        job = self._jobs.pop((tool, name))
        await job.leave()
        try:
            target = files.move_into(directory, removed)
        except errors.Transient:
            same = self._jobs[tool, name] = self._make(directory, tool, job.definition)
            await same.start()
            raise
        self._tasks.start(_clear(target))

    def _make(self, directory: Path, tool: str, definition: records.Definition) -> AnyJob:
        if definition.spec.kind is base.JobKind.SCHEDULED:
            return ScheduledJob(self._machine, self._scheduler, directory, tool, definition)
        return ContinuousJob(self._machine, directory, tool, definition)


async def _clear(directory: Path) -> None:
    """End whatever runs below a removed job's directory, then delete it."""
    await asyncio.gather(*(shims.remove(place) for place in directory.glob("instances/*")))
    await asyncio.to_thread(files.remove_tree, directory)


def _check_schedule(tool: str, name: str, run: ScheduledRun) -> None:
    try:
        cron.trigger(run.schedule, tool, name)
    except ValueError as error:
        hint = "Write a day that its months have."
        raise errors.Terminal(Reason.JOB_REFUSED, f"schedule: {error}", hint) from error
