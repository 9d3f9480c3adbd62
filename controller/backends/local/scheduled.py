"""A scheduled job: started by the clock, tried again when it fails, never twice at a time.

Owned by `jobs`. APScheduler says when; the run itself, its tries and its outcome are kept on disk,
so a run that ptd was killed in goes on. Runs that were due while ptd was away are not caught up,
but for the last one where that is no longer ago than `missed_run_grace`.
"""

import asyncio
import contextlib
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from controller import errors
from controller.backends import base
from controller.backends.local import cron, files, images, logs, records, shims
from controller.backends.local.launch import launch
from controller.backends.local.machine import Machine
from controller.backends.local.tasks import Tasks
from controller.models.reasons import Reason
from controller.models.toolconfig import ScheduledRun
from controller.models.tooldeployment import JobChange

_FINISHED_KEPT = 10
_LATEST_RETRY = timedelta(minutes=10)


class ScheduledJob:
    """One job. Its directory holds job.json, runs.json, instances/<due>-<try>/ and logs/."""

    kind = base.JobKind.SCHEDULED

    def __init__(
        self,
        machine: Machine,
        scheduler: AsyncIOScheduler,
        directory: Path,
        tool: str,
        definition: records.Definition,
    ) -> None:
        self._machine, self._scheduler = machine, scheduler
        self._directory, self._tool = directory, tool
        self.definition = definition
        self._runs = records.runs(files.read_json(directory / "runs.json"))
        self._tasks = Tasks()
        self._clockwork = f"{tool}/{definition.spec.name}"

    @property
    def _run(self) -> ScheduledRun:
        return cast("ScheduledRun", self.definition.spec.run)

    async def start(self) -> None:
        """Set the clock; go on with the run that was going, or with the one just missed."""
        files.make_directory(self._directory / "logs")
        trigger = self._set_clock()
        if self._runs.current is None and (due := self._missed(trigger)):
            self._remember(replace(self._runs, current=records.RunRecord(due)))
        if self._runs.current is not None:
            self._tasks.start(self._carry_out())

    async def apply(self, spec: base.JobSpec) -> base.Applied:
        """Become `spec` from the next run on; a run that is going stays as it is."""
        before = self.definition
        if spec == before.spec:
            return base.Applied(JobChange.UNCHANGED)
        after = before.changed(spec, self._machine.clock())
        await asyncio.to_thread(records.store, self._directory, after)
        self.definition = after
        self._set_clock()
        restarted = replace(before.spec, restart_id=spec.restart_id) == spec
        change = JobChange.RESTARTED if restarted else JobChange.UPDATED
        return base.Applied(change, (self._next_words(),))

    async def leave(self) -> None:
        """Look after it no longer; a run that is going goes on."""
        if self._scheduler.get_job(self._clockwork):
            self._scheduler.remove_job(self._clockwork)
        await self._tasks.close()

    async def stop(self) -> None:
        """End the run that is going; what is on disk stays."""
        await self.leave()
        if current := self._runs.current:
            await shims.stop(self._place(current))

    def job(self) -> base.Job:
        """The job as it is now."""
        spec = self.definition.spec
        missing = images.find(self._machine.layout, spec.image) is None
        last = self._runs.finished[0].result if self._runs.finished else ""
        words = [self._next_words(), f"last run: {last}" if last else ""]
        if missing:
            words.insert(0, f"the image {spec.image} is not on this machine any more")
        return base.Job(
            name=spec.name,
            kind=self.kind,
            spec=spec,
            status=base.JobStatus(
                phase=base.JobPhase.INSTALLED,
                since=self.definition.changed_at,
                trouble=Reason.IMAGE_UNAVAILABLE if missing else None,
                messages=tuple(word for word in words if word),
            ),
            owned=True,
        )

    def _set_clock(self) -> BaseTrigger:
        trigger = cron.trigger(self._run.schedule, self._tool, self.definition.spec.name)
        self._scheduler.add_job(
            self._on_time,
            trigger,
            id=self._clockwork,
            replace_existing=True,
            coalesce=True,
            max_instances=1,
            misfire_grace_time=int(self._machine.settings.missed_run_grace.total_seconds()) or 1,
        )
        return trigger

    def _missed(self, trigger: BaseTrigger) -> datetime | None:
        now = self._machine.clock()
        since = max(now - self._machine.settings.missed_run_grace, self.definition.changed_at)
        due: datetime | None = trigger.get_next_fire_time(None, since)
        seen = {run.due for run in self._runs.finished}
        return due if due is not None and due <= now and due not in seen else None

    async def _on_time(self) -> None:
        if self._tasks.busy:
            return  # the run before is still going: no overlap
        due = self._machine.clock().replace(second=0, microsecond=0)
        self._remember(replace(self._runs, current=records.RunRecord(due)))
        self._tasks.start(self._carry_out())

    async def _carry_out(self) -> None:
        """The tries of the present run, from wherever it was left, to its end."""
        while (run := self._runs.current) is not None:
            try:
                story = await self._try(self._place(run))
            except errors.Transient:  # a full disk
                await asyncio.sleep(self._machine.settings.restarts.first.total_seconds())
                continue
            if story is None or story.succeeded or run.tries >= self._run.retry:
                await self._finish(run, story)
            else:
                pause = self._machine.settings.restarts.retry_first * 2**run.tries
                pause = min(pause, _LATEST_RETRY)
                await self._note(f"{story.text}; tried again in {pause.total_seconds():g} s")
                await asyncio.sleep(pause.total_seconds())
                self._remember(replace(self._runs, current=replace(run, tries=run.tries + 1)))

    async def _try(self, place: Path) -> shims.Exit | None:
        """One try, or the one that is going or has ended already; None: there is no image."""
        while True:
            shim = await shims.find(place)
            if shim is None:
                ended = shims.last_exit(place)
                if ended is not None and ended.reason in ("", "timeout"):
                    return ended
                shim = await self._spawn(place)
            if shim is None:
                return None
            if await shim.wait() is None:
                return shims.lost()  # before our eyes: not with the machine, nor with ptd

    async def _spawn(self, place: Path) -> shims.Shim | None:
        image = images.find(self._machine.layout, self.definition.spec.image)
        if image is None:
            return None
        data = self._machine.layout.data(self._tool)
        for directory in (place, data):
            await asyncio.to_thread(files.make_directory, directory)
        command = self._machine.command(
            launch(self._run, image, data, None),
            Path("..", "..", self._log),
        )
        command = replace(command, timeout=timedelta(seconds=self._run.timeout))
        return await shims.start(place, command)

    async def _finish(self, run: records.RunRecord, story: shims.Exit | None) -> None:
        result = story.text if story else "the image was not on this machine"
        await self._note(result)
        done = replace(
            run,
            ended=self._machine.clock(),
            result=f"{run.due:%Y-%m-%d %H:%M} UTC {result} (try {run.tries + 1})",
            succeeded=bool(story and story.succeeded),
        )
        finished = (done, *self._runs.finished)[:_FINISHED_KEPT]
        self._remember(records.RunsRecord(current=None, finished=finished))
        for place in (self._directory / "instances").glob("*"):
            await shims.remove(place)
        logs.forget(self._directory / "logs")
        self._machine.on_change(self._tool)

    @property
    def _log(self) -> Path:
        return Path("logs", f"{self.definition.generation}-0.log")

    async def _note(self, how: str) -> None:
        """Add to the log how a try ended: what prints nothing is seen to have run, too."""
        now = self._machine.clock()
        await asyncio.to_thread(logs.note, self._directory / self._log, how, now)

    def _place(self, run: records.RunRecord) -> Path:
        return self._directory / "instances" / f"{int(run.due.timestamp())}-{run.tries}"

    def _remember(self, runs: records.RunsRecord) -> None:
        self._runs = runs
        with contextlib.suppress(errors.Transient):  # a full disk: the run goes on all the same
            files.write_json(self._directory / "runs.json", records.dump(runs))

    def _next_words(self) -> str:
        clockwork = self._scheduler.get_job(self._clockwork)
        due = getattr(clockwork, "next_run_time", None)
        return f"next run: {due:%Y-%m-%d %H:%M} UTC" if due else ""
