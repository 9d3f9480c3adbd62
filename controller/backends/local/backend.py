"""The local backend: builds and runs on this machine, below one directory.

Made by the composition root of `ptd local`. Owns the root's lock (one ptd at a time), the order of
start and shutdown, and the removal of images that nobody needs. Decides nothing else.
"""

import asyncio
import contextlib
import fcntl
import os
from datetime import UTC
from pathlib import Path
from types import TracebackType

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from controller import errors
from controller.backends import base
from controller.backends.local import files
from controller.backends.local.builds import LocalBuilds
from controller.backends.local.jobs import LocalJobs
from controller.backends.local.layout import Layout
from controller.backends.local.machine import (
    Clock,
    Credentials,
    Machine,
    OnChange,
    no_credentials,
)
from controller.backends.local.settings import LocalSettings
from controller.backends.local.tasks import Tasks
from controller.models.reasons import Reason

_LOCK_TRIES = 50  # shims look at the lock for moments


class LocalBackend:
    """Builds and jobs below `root`, while the context lasts.

    `on_change` is called in the event loop, with the tool's name, when one of its builds ends or
    one of its jobs changes its phase. `credentials` reads the Secret of a tool. Entering raises
    Terminal when another ptd works on `root`.
    """

    def __init__(
        self,
        root: Path,
        settings: LocalSettings,
        clock: Clock,
        on_change: OnChange = lambda _: None,
        credentials: Credentials = no_credentials,
    ) -> None:
        layout = Layout(root.absolute())
        self._on_change = on_change
        self._machine = Machine(layout, settings, clock, self._changed, credentials)
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._lock: int | None = None
        self.builds = LocalBuilds(self._machine)
        self.jobs = LocalJobs(self._machine, self._scheduler)
        self.backend = base.Backend(self.builds, self.jobs)
        self._wanted = asyncio.Event()
        self._tasks = Tasks()

    async def __aenter__(self) -> "LocalBackend":
        layout = self._machine.layout
        for directory in (layout.root, layout.images, layout.trees, layout.cache, layout.tools):
            files.make_directory(directory)
        self._lock = await _take_lock(layout.lock)
        self._scheduler.start()
        try:
            await self.jobs.start()
            await self.builds.load()
        except BaseException:
            await self.close(stop_jobs=False)
            raise
        self._tasks.start(self._collect())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self, *, stop_jobs: bool = True) -> None:
        """End the work in order; with `stop_jobs` also every process (SIGTERM, grace, SIGKILL).

        Without it, processes go on for the linger time, in which the next ptd finds them again.
        Closing twice is no error.
        """
        if self._lock is None:
            return
        self._scheduler.shutdown(wait=False)
        await self._tasks.close()
        await self.builds.close(stop=stop_jobs)
        await self.jobs.close(stop_jobs=stop_jobs)
        os.close(self._lock)
        self._lock = None

    def _changed(self, tool: str) -> None:
        self._wanted.set()
        self._on_change(tool)

    async def _collect(self) -> None:
        """Remove what has become useless, some time after the start and after changes."""
        pause = self._machine.settings.builds.collect_after.total_seconds()
        while True:
            await asyncio.sleep(pause)
            self._wanted.clear()
            await self.builds.collect(self.jobs.images())
            await self._wanted.wait()


async def _take_lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(_LOCK_TRIES):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, str(os.getpid()).encode(), 0)
            return descriptor
        await asyncio.sleep(0.02)
    holder = os.pread(descriptor, 32, 0).decode() or "unknown"
    os.close(descriptor)
    raise errors.Terminal(
        Reason.PLATFORM_UNAVAILABLE,
        f"another ptd (process {holder}) works on {path.parent}",
        "Stop it first, or give this one another directory.",
    )
