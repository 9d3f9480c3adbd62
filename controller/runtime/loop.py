"""The loop: workers take a key, reconcile it under a time limit, and put it back as it deserves.

Used by the composition root of the controller's role. What a reconcile answers or raises decides
when its key comes again; see `_run`. The only `except Exception` of the program lives here, so that
a bug of ours stops one key for a while and never the others. Nothing of the domain belongs here.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from controller import errors, logs
from controller.metrics import ReconcileMetrics
from controller.runtime.result import Result
from controller.runtime.workqueue import WorkQueue

Reconcile = Callable[[str], Awaitable[Result]]

_log = logs.logger("loop")


class Loop:
    """N workers over one queue.

    `time_limit` bounds one reconcile: a run that exceeds it is cancelled and tried again with
    backoff. `clock` is monotonic seconds.
    """

    def __init__(
        self,
        queue: WorkQueue,
        reconcile: Reconcile,
        metrics: ReconcileMetrics,
        clock: Callable[[], float],
        *,
        workers: int = 8,
        time_limit: timedelta = timedelta(minutes=2),
    ) -> None:
        self._queue = queue
        self._reconcile = reconcile
        self._metrics = metrics
        self._clock = clock
        self._workers = workers
        self._time_limit = time_limit
        self._tasks: set[asyncio.Task[None]] = set()
        self._idle: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._began: float | None = None  # when the workers did; None: there are none
        self._reported: dict[str, str] = {}  # the bug that was last logged in full, by key
        metrics.watch_queue(
            depth=self._depth, delayed=lambda: queue.delayed, longest_wait=self._longest_wait
        )

    async def run(self) -> None:
        """Work until `stop`, or until cancelled, which cancels the running reconciles at once."""
        self._stopping = False
        self._began = self._clock()
        self._tasks = {
            asyncio.create_task(self._work(), name=f"worker-{number}")
            for number in range(self._workers)
        }
        try:
            await asyncio.wait(self._tasks)
        finally:
            await _cancel(self._tasks)
            self._began = None

    async def stop(self, grace: timedelta) -> None:
        """Take no more keys, let running reconciles end within `grace`, then cancel them.

        `run` returns when this is done.
        """
        self._stopping = True
        for worker in self._idle:
            worker.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace.total_seconds())
        await _cancel(self._tasks)

    def _depth(self) -> int:
        """What is ready for the workers: where there are none, another process does the work."""
        return 0 if self._began is None else self._queue.depth

    def _longest_wait(self) -> timedelta:
        """How long the oldest ready key has waited for the workers, not for their beginning."""
        if self._began is None:
            return timedelta()
        return min(self._queue.longest_wait, timedelta(seconds=self._clock() - self._began))

    async def _work(self) -> None:
        me = asyncio.current_task()
        assert me is not None  # noqa: S101 - a coroutine always runs in a task
        while not self._stopping:
            self._idle.add(me)
            try:
                key = await self._queue.take()
            finally:
                self._idle.discard(me)
            with logs.bound(tool=key):
                await self._run(key)

    async def _run(self, key: str) -> None:
        started = self._clock()
        self._metrics.started()
        outcome = "cancelled"
        try:
            outcome = await self._attempt(key)
        finally:
            if outcome == "cancelled":
                self._queue.add(key)  # for the next term, in this process
            self._queue.done(key)
            self._metrics.ended(outcome, self._clock() - started)

    async def _attempt(self, key: str) -> str:
        limit = asyncio.timeout(self._time_limit.total_seconds())
        try:
            async with limit:
                result = await self._reconcile(key)
        except asyncio.CancelledError as error:
            if _is_ours():
                raise
            stray = RuntimeError("what the reconcile awaited was cancelled by somebody else")
            stray.__cause__ = error
            return self._failed(key, stray)
        except Exception as error:  # noqa: BLE001 - a bug of one key must not stop the others
            if isinstance(error, TimeoutError) and limit.expired():
                return self._timed_out(key)
            return self._failed(key, _plain(error))
        self._reported.pop(key, None)
        self._queue.forget(key)
        if result.after is None:
            return "done"
        self._queue.add_after(key, result.after)
        return "again"

    def _timed_out(self, key: str) -> str:
        delay = self._queue.retry(key)
        limit = self._time_limit.total_seconds()
        _log.warning("reconcile_timed_out", limit_seconds=limit, again_in=delay.total_seconds())
        return "timeout"

    def _failed(self, key: str, error: Exception) -> str:
        match error:
            case errors.Waiting():
                self._queue.forget(key)
                self._queue.add_after(key, error.after)
                return "waiting"
            case errors.Transient():
                delay = self._queue.retry(key, error.after or timedelta())
                if error.latest is not None and error.latest < delay:
                    delay = error.latest
                    self._queue.add_after(key, delay)
                _log.info(
                    "reconcile_tries_again",
                    reason=error.reason,
                    message=error.message,
                    again_in=delay.total_seconds(),
                )
                return "transient"
            case errors.Terminal():
                self._queue.forget(key)
                _log.warning("reconcile_refused", reason=error.reason, message=error.message)
                return "terminal"
            case _:
                self._report(key, error, self._queue.retry(key))
                return "bug"

    def _report(self, key: str, error: Exception, delay: timedelta) -> None:
        """Log a bug in full once, and in one line each time it comes again."""
        which = f"{type(error).__qualname__}: {error}"
        known = self._reported.get(key) == which
        self._reported[key] = which
        _log.error(
            "reconcile_bug",
            error=which,
            again_in=delay.total_seconds(),
            exc_info=None if known else error,
        )


def _plain(error: Exception) -> Exception:
    """The one error to act on: of a group (reads run side by side) the one that says most.

    A bug before anything else; then what may pass, because trying again answers the rest as well.
    """
    if not isinstance(error, ExceptionGroup):
        return error
    leaves = [_plain(leaf) for leaf in error.exceptions]
    return min(leaves, key=_weight)


def _weight(error: Exception) -> int:
    order = (errors.Transient, errors.Waiting, errors.Terminal)
    return next((at for at, kind in enumerate(order) if isinstance(error, kind)), -1)


def _is_ours() -> bool:
    """Whether the running task has been told to end."""
    me = asyncio.current_task()
    return me is not None and me.cancelling() > 0


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel what still runs and wait until it has ended."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
