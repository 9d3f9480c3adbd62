"""One replica of one generation of a continuous job: started, watched, started again.

Owned by `continuous.Version`. Its one task starts the shim (or finds the one that runs), asks the
health check, and waits out the backoff. It decides nothing about other instances.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from controller import errors
from controller.backends.base import JobPhase
from controller.backends.local import files, health, images, launch, logs, records, shims
from controller.backends.local.machine import Machine
from controller.backends.local.tasks import Tasks
from controller.models.reasons import Reason
from controller.models.toolconfig import ContinuousRun

T = TypeVar("T")


class Instance:
    """One replica of `what` (image and settings); `changed` is called whenever `record` changes."""

    def __init__(
        self,
        machine: Machine,
        directory: Path,
        tool: str,
        what: tuple[str, ContinuousRun],
        changed: Callable[[], None],
    ) -> None:
        self._machine, self._directory = machine, directory
        self._image, self._run = what
        self._data = machine.layout.data(tool)
        self._log = Path("..", "..", "logs", f"{directory.name}.log")
        self._changed = changed
        self._tasks = Tasks()
        self._stored = records.instance(files.read_json(directory / "instance.json"))
        fresh = self._stored or records.InstanceRecord(since=machine.clock())
        self.record = replace(fresh, phase=JobPhase.PENDING)  # until its process has been found

    @property
    def up(self) -> bool:
        """Whether it runs, and its check passes."""
        return self.record.phase is JobPhase.UP

    @property
    def port(self) -> int | None:
        """The port that it was told to listen on."""
        return self.record.port

    def start(self) -> None:
        """Begin to look after it."""
        self._tasks.start(self._look_after())

    async def leave(self) -> None:
        """Stop looking after it; its process goes on."""
        await self._tasks.close()

    async def stop(self) -> None:
        """End its process, and look after it no longer."""
        await self.leave()
        await shims.stop(self._directory)

    async def _look_after(self) -> None:
        shim = await self._patiently(self._find)
        while True:
            await self._patiently(partial(self._live, shim))
            shim = None

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it when it can be done; a full disk says nothing against the process."""
        while True:
            try:
                return await work()
            except errors.Transient as error:
                self._note(message=error.message)
                await asyncio.sleep(self._machine.settings.restarts.first.total_seconds())

    async def _find(self) -> shims.Shim | None:
        """What an earlier ptd left running, after the backoff where it has ended meanwhile."""
        await asyncio.to_thread(files.make_directory, self._directory)
        shim = await shims.find(self._directory)
        if shim is not None and self._stored is not None:
            self.record = self._stored
            self._changed()
        if shim is None and (ended := shims.last_exit(self._directory)) and ended.by_itself:
            await self._back_off(ended.text)
        return shim

    async def _live(self, shim: shims.Shim | None) -> None:
        """One life of the process, and the backoff after it."""
        image = images.find(self._machine.layout, self._image)
        if image is None and shim is None:
            message = f"the image {self._image} is not on this machine any more"
            self._note(phase=JobPhase.DOWN, trouble=Reason.IMAGE_UNAVAILABLE, message=message)
            await asyncio.sleep(self._machine.settings.restarts.cap.total_seconds())
            return
        port = self.record.port
        if shim is None:
            port = self._choose_port()
            self._note(phase=JobPhase.PENDING, port=port, outlook="")
        image = image or images.Image(Path("/"))
        started = launch.launch(self._run, image, self._data, port)
        if shim is None:
            shim = await self._spawn(started)
        why = await self._watch(shim, self._check(started, port))
        unknown = why.startswith(shims.NOT_FOUND)
        await self._back_off(f"{why} ({launch.named(image)})" if unknown else why)

    def _choose_port(self) -> int | None:
        if self._run.port is None or self._run.port_protocol == "udp":
            return self._run.port  # there is no proxy for udp: it listens on the declared port
        return self._machine.free_port()

    def _check(self, started: launch.Launch, port: int | None) -> health.Check | None:
        settings = self._machine.settings
        return health.check_for(self._run, port, started, settings.host, settings.health.timeout)

    async def _spawn(self, started: launch.Launch) -> shims.Shim:
        await asyncio.to_thread(files.make_directory, self._data)
        return await shims.start(self._directory, self._machine.command(started, self._log))

    async def _watch(self, shim: shims.Shim, check: health.Check | None) -> str:
        """Until the process has ended; why it did, for people."""
        ended = asyncio.create_task(shim.wait())
        unhealthy = asyncio.create_task(self._until_unhealthy(check))
        try:
            await asyncio.wait((ended, unhealthy), return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await shims.stop(self._directory)
                return unhealthy.result()
            return (ended.result() or shims.lost()).text
        finally:
            for task in (ended, unhealthy):
                task.cancel()
            await asyncio.gather(ended, unhealthy, return_exceptions=True)

    async def _until_unhealthy(self, check: health.Check | None) -> str:
        timings = self._machine.settings.health
        if self.record.phase is not JobPhase.UP:
            why = await self._until_up(check)
            if why:
                why = f"health check not passed in {_text(timings.start_timeout)}: {why}"
                self._note(trouble=Reason.HEALTH_CHECK_FAILED, message=why)
                return why
            self._note(phase=JobPhase.UP, trouble=None, message="")
        failures = 0
        while check is None or failures < timings.failures:
            await asyncio.sleep(timings.interval.total_seconds())
            if check is not None:
                why = await check()
                failures = failures + 1 if why else 0
        return f"health check failed {failures} times: {why}"

    async def _until_up(self, check: health.Check | None) -> str:
        """ "" when it is up; else, when the time for it is over, why it is not."""
        timings = self._machine.settings.health
        if check is None:
            await asyncio.sleep(timings.min_up.total_seconds())
            return ""
        why = ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timings.start_timeout.total_seconds()):
                while why := await check():
                    self._note(message=f"health check: {why}")
                    await asyncio.sleep(timings.start_interval.total_seconds())
                return ""
        return why or "it never answered"

    async def _back_off(self, why: str) -> None:
        """Note an end, say how long until the next start, and wait so long."""
        settings = self._machine.settings.restarts
        now = self._machine.clock()
        ends = (*(end for end in self.record.ends if now - end < settings.window), now)
        pause = min(settings.cap, settings.first * 2 ** min(len(ends) - 1, 30))
        trouble = self.record.trouble
        if len(ends) >= settings.crash_loop and trouble is not Reason.HEALTH_CHECK_FAILED:
            trouble = Reason.CRASH_LOOP
        outlook = f"starts again in {_text(pause)}"
        log = self._directory / self._log
        await asyncio.to_thread(logs.note, log, f"{why}; {outlook}", now)
        self._note(
            phase=JobPhase.DOWN,
            restarts=self.record.restarts + 1,
            ends=ends[-50:],
            trouble=trouble,
            message=f"{why} ({len(ends)} times)" if trouble is Reason.CRASH_LOOP else why,
            outlook=outlook,
        )
        await asyncio.sleep(pause.total_seconds())

    def _note(self, **changes: object) -> None:
        """Change the record; the disk is told when it can be, as only facts to look up are lost."""
        if changes.get("phase", self.record.phase) is not self.record.phase:
            changes["since"] = self._machine.clock()
        changed = replace(self.record, **changes)  # type: ignore[arg-type]
        if changed == self.record:
            return
        self.record = changed
        with contextlib.suppress(errors.Transient):
            files.write_json(self._directory / "instance.json", records.dump(self.record))
        self._changed()


def _text(duration: timedelta) -> str:
    return f"{duration.total_seconds():g} s"
