"""One build: started under a shim, found again after a kill, and what became of it.

Owned by `builds`. It is stored before its process starts, under an id that is derived from what was
asked, and begins again under the same id when its process was lost with the machine or with ptd.
"""

import asyncio
import hashlib
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import controller
from controller import errors
from controller.backends import base
from controller.backends.local import (
    builder,
    files,
    handover,
    images,
    launch,
    logs,
    records,
    shims,
)
from controller.backends.local.machine import Machine
from controller.backends.local.tasks import Tasks
from controller.models import credentials
from controller.models.credentials import SecretRef
from controller.models.sources import target_of

LOG = Path("logs", "0-0.log")
_TAIL = 20
# Mirrors, mostly, and whom git is to believe.
_PASSED_ON_PREFIXES = ("PIP_", "NPM_CONFIG_", "npm_config_", "GIT_SSL_CAINFO")

T = TypeVar("T")


class LocalBuild:
    """A build of `tool`, in a directory of its own. `shown` is what is known of it."""

    def __init__(self, machine: Machine, tool: str, directory: Path, shown: base.Build) -> None:
        self._machine, self._tool, self._limits = machine, tool, machine.settings.builds
        self.directory, self.shown = directory, shown
        self._tasks = Tasks()

    @property
    def live(self) -> bool:
        """Whether it may still become successful."""
        return self.shown.state.live

    def store(self, request: base.BuildRequest) -> None:
        """Put a new build on disk: from then on it is known, and will be seen through."""
        files.make_directory(self.directory / LOG.parent)
        layout = self._machine.layout
        # A short name, because it becomes part of many paths and of the first line of programs.
        tree = hashlib.sha256(f"{self._tool}/{self.shown.id}".encode()).hexdigest()[:12]
        plan = builder.Plan(
            root=layout.root,
            tree=layout.trees / tree,
            repository=request.repository,
            ref=request.ref,
            commit=request.commit,
            protocols=self._limits.protocols,
            stall_seconds=int(self._limits.fetch_stall.total_seconds()) or 1,
            image_bytes=self._limits.image_bytes,
            credentials=request.credentials,
        )
        data = builder.PLAN.dump_python(plan, mode="json")
        files.write_json(self.directory / "plan.json", data, durable=True)
        files.write_json(self.directory / "build.json", records.dump(self.shown), durable=True)

    def start(self, ended: Callable[[str], None]) -> None:
        """Begin to see it through; `ended` is called with the tool's name."""
        self._tasks.start(self._see_through(ended))

    async def leave(self) -> None:
        """Look after it no longer; its process goes on."""
        await self._tasks.close()

    async def stop(self) -> None:
        """End its process; the next ptd begins it again."""
        await self.leave()
        if self.live:
            await shims.stop(self.directory)

    async def cancel(self) -> None:
        """Ask for its end, in a way that survives ptd. Raises Transient."""
        await asyncio.to_thread(files.write_json, self.directory / "cancelled", {}, durable=True)
        await shims.end(self.directory)

    @property
    def _cancelled(self) -> bool:
        return (self.directory / "cancelled").exists()

    async def _see_through(self, ended: Callable[[str], None]) -> None:
        story = await self._run()
        await asyncio.to_thread(builder.clear, self.directory)
        outcome = await asyncio.to_thread(self._outcome, story)
        path, data = self.directory / "build.json", records.dump(outcome)
        await _patiently(lambda: asyncio.to_thread(files.write_json, path, data, durable=True))
        self.shown = outcome
        ended(self._tool)

    async def _run(self) -> shims.Exit | None:
        """How its builder ended; None when it never could."""
        command = self._command()
        for _ in range(self._limits.attempts):
            shim = await shims.find(self.directory)
            story = shims.last_exit(self.directory)
            if shim is None and (self._cancelled or _is_final(story)):
                return story
            if shim is None:
                try:
                    await _patiently(self._hand_over)
                except errors.Terminal as error:
                    return shims.never_began(f"{error.message}. {error.hint}")
                if self._cancelled:
                    return story
                await asyncio.to_thread(self._note_another_begin)
                shim = await _patiently(lambda: shims.start(self.directory, command))
            self.shown = replace(self.shown, state=base.BuildState.RUNNING)
            if self._cancelled:  # asked for while it was started
                shim.terminate()
            story = await shim.wait()
            if self._cancelled or _is_final(story):
                return story
        return None

    def _note_another_begin(self) -> None:
        log = self.directory / LOG
        if log.exists():
            why = "the build ended before it was done, and begins again"
            logs.note(log, why, self._machine.clock())

    async def _hand_over(self) -> None:
        """Leave credentials for a builder that needs some. Raises Terminal, Transient."""
        plan = await asyncio.to_thread(files.read_json, self.directory / "plan.json")
        if name := plan.get("credentials"):
            try:
                credential = await self._machine.credentials(SecretRef(self._tool, name))
            except errors.Transient:
                if self._cancelled:
                    return  # nobody needs them any more
                raise
            credentials.check(credential, target_of(plan["repository"]))
            await asyncio.to_thread(handover.give, self.directory, credential)

    def _command(self) -> shims.Command:
        settings = self._machine.settings
        return shims.Command(
            argv=(sys.executable, "-m", builder.__name__, str(self.directory)),
            cwd=str(self._machine.layout.root),
            env=_environment(os.environ),
            log=shims.LogFile(str(LOG), settings.log_bytes, settings.log_files),
            keeper=str(self._machine.layout.lock),
            linger=settings.linger,
            grace=settings.grace,
            timeout=self._limits.timeout,
            limits={"RLIMIT_FSIZE": self._limits.file_bytes},
        )

    def _outcome(self, story: shims.Exit | None) -> base.Build:
        result = files.read_json(self.directory / builder.RESULT)
        state, message, image = base.BuildState.FAILED, "the builder was killed", None
        if self._cancelled:
            state, message = base.BuildState.CANCELLED, "the build was cancelled"
        elif story is not None and story.reason == "timeout":
            limit = f"{self._limits.timeout.total_seconds():g} s"
            state = base.BuildState.TIMED_OUT
            message = f"the build took longer than {limit} and was stopped"
        elif story is not None and story.succeeded:
            state, message = base.BuildState.SUCCESSFUL, ""
            image = images.reference(self._tool, self.shown.component, result["digest"])
        elif story is not None:
            message = result.get("error") or story.text
        unhappy = state in (base.BuildState.FAILED, base.BuildState.TIMED_OUT)
        if message and not result.get("error"):  # the builder could not say it itself
            logs.note(self.directory / LOG, message, self._machine.clock())
        tail = logs.tail(self.directory / LOG, _TAIL) if unhappy else []
        return replace(
            self.shown,
            state=state,
            message=message,
            image=image,
            finished_at=story.ended if story else self._machine.clock(),
            log_tail=logs.without_stamps(tail),
        )


async def _patiently(write: Callable[[], Awaitable[T]]) -> T:
    """Try again until there is room on the disk, and the control plane answers; nothing is lost."""
    while True:
        try:
            return await write()
        except errors.Transient:
            await asyncio.sleep(1)


def _is_final(story: shims.Exit | None) -> bool:
    """Whether a builder ended because it was done, and not because ptd or the machine did."""
    return story is not None and story.reason in ("", "timeout")


def _environment(surrounding: Mapping[str, str]) -> dict[str, str]:
    """The builder's environment: what it needs to find this package, and little else."""
    mirrors = {k: v for k, v in surrounding.items() if k.startswith(_PASSED_ON_PREFIXES)}
    home = str(Path(controller.__file__).parents[1])
    return {**launch.passed_on(surrounding), **mirrors, "PYTHONPATH": home}
