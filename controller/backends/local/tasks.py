"""Background work that belongs to one object: kept, cancelled with it, and never silently failed.

Used by whatever in this package does something after its call has returned.
"""

import asyncio
from collections.abc import Coroutine

from controller import logs

_log = logs.logger("local-backend")


class Tasks:
    """A set of running tasks."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None]) -> None:
        """Begin something that is to be finished, or cancelled by `close`."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    @property
    def busy(self) -> bool:
        """Whether something is going on."""
        return bool(self._tasks)

    async def close(self) -> None:
        """Cancel what is going on, and wait until it has ended."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("task_failed", exc_info=error)
