"""Virtual time for whole programs: hours pass in milliseconds, and the disk is waited for.

The loop of `tests.support.virtualtime`, which also knows of work in threads (SQLite): while that
goes on, time stands still. APScheduler, which asks the machine for the time, is given this one.
"""

import asyncio
import datetime as real
import gc
import random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import apscheduler.schedulers.base
import apscheduler.triggers.interval
import pytest

from tests.support.virtualtime import START, VirtualLoop

BEGIN = real.datetime(2026, 11, 21, 12, 0, tzinfo=real.UTC)
_SLICE = 0.05  # seconds of real waiting for a thread, at most, between two looks


class PatientLoop(VirtualLoop):
    """A VirtualLoop whose time stands still while a thread works for it."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = 0
        jump = self._jumping.select

        def select(timeout: float | None = None) -> list[Any]:
            if self._threads == 0 or (timeout is not None and timeout <= 0):
                return jump(timeout)
            return super(type(self._jumping), self._jumping).select(_SLICE)

        self._jumping.select = select  # type: ignore[method-assign]

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """No time passes while something real goes on within: another process, or a socket."""
        self._threads += 1
        try:
            yield
        finally:
            self._threads -= 1

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> Any:
        """Count what runs in threads."""
        self._threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _: object) -> None:
        self._threads -= 1


def seconds() -> float:
    """Virtual seconds since the beginning."""
    return asyncio.get_running_loop().time() - START


def now() -> real.datetime:
    """The virtual time of day."""
    return BEGIN + real.timedelta(seconds=seconds())


def run(work: Callable[[], Coroutine[Any, Any, None]], seed: int = 1) -> None:
    """Run `work` on a virtual loop of its own; chance is the same each time."""
    problems: list[dict[str, Any]] = []
    random.seed(seed)
    try:
        with _scheduler_time(), asyncio.Runner(loop_factory=PatientLoop) as runner:
            runner.get_loop().set_exception_handler(lambda _, problem: problems.append(problem))
            runner.run(work())
    finally:
        gc.unfreeze()  # a leader freezes what it has read; here thousands of them come and go
    assert problems == []


class _Kind(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, real.datetime)


class _Datetime(real.datetime, metaclass=_Kind):
    """`datetime` whose `now` is virtual."""

    @classmethod
    def now(cls, tz: real.tzinfo | None = None) -> Any:
        return now().astimezone(tz)


@contextmanager
def _scheduler_time() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for module in (apscheduler.schedulers.base, apscheduler.triggers.interval):
            patch.setattr(module, "datetime", _Datetime)
        yield
