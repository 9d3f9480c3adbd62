"""What the loop does with each answer and each error of a reconcile, on virtual time."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from controller import errors, logs
from controller.metrics import ReconcileMetrics
from controller.runtime.loop import Loop
from controller.runtime.result import Result
from controller.runtime.workqueue import WorkQueue
from tests.support.virtualtime import START, virtual_time

SECOND = timedelta(seconds=1)


class World:
    """A loop over a scripted reconcile, and what happened when."""

    def __init__(self, reconcile: Callable[[str], Awaitable[Result]], workers: int = 1) -> None:
        clock = asyncio.get_running_loop().time
        self.runs: list[tuple[str, float]] = []
        self.registry = CollectorRegistry()
        self.queue = WorkQueue(clock, lambda: 0.0, first_retry=SECOND)
        self._reconcile = reconcile
        self.loop = Loop(
            self.queue,
            self._record,
            ReconcileMetrics(self.registry),
            clock,
            workers=workers,
            time_limit=timedelta(seconds=30),
        )

    def clock(self) -> float:
        return round(asyncio.get_running_loop().time() - START, 3)

    async def _record(self, key: str) -> Result:
        self.runs.append((key, self.clock()))
        return await self._reconcile(key)

    def count(self, outcome: str) -> float:
        return self.registry.get_sample_value("ptd_reconciles_total", {"outcome": outcome}) or 0

    def times(self, key: str = "a") -> list[float]:
        return [at for ran, at in self.runs if ran == key]


@asynccontextmanager
async def world(
    answers: list[Result | Exception] | Callable[[str], Awaitable[Result]], workers: int = 1
) -> AsyncIterator[World]:
    """A running loop whose reconcile gives these answers in turn, the last for ever."""
    left = list(answers) if isinstance(answers, list) else []

    async def scripted(_key: str) -> Result:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    made = World(scripted if isinstance(answers, list) else answers, workers)
    task = asyncio.create_task(made.loop.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.wait({task})


DONE = Result()
NO_ANSWER = errors.Transient("Retrying", "no answer")

ANSWERS: list[tuple[str, list[Result | Exception], str, list[float]]] = [
    ("a key that is done rests", [DONE], "done", [0]),
    ("a result asks for the next look", [Result(5 * SECOND), DONE], "again", [0, 5]),
    (
        "waiting comes again when it said",
        [errors.Waiting("BuildQueueFull", "full", 7 * SECOND), DONE],
        "waiting",
        [0, 7],
    ),
    (
        "a transient fault backs off twice as long each time",
        [NO_ANSWER, NO_ANSWER, NO_ANSWER, DONE],
        "transient",
        [0, 1, 3, 7],
    ),
    (
        "a transient fault is not tried before Retry-After",
        [errors.Transient("Retrying", "busy", 20 * SECOND), DONE],
        "transient",
        [0, 20],
    ),
    ("a refusal is not tried again", [errors.Terminal("JobRefused", "no")], "terminal", [0]),
    ("a bug backs off", [ZeroDivisionError("x"), ZeroDivisionError("x"), DONE], "bug", [0, 1, 3]),
    (
        "what is due earlier is looked at then",
        [
            NO_ANSWER,
            NO_ANSWER,
            NO_ANSWER,
            errors.Transient("Retrying", "busy", 20 * SECOND, latest=3 * SECOND),
            DONE,
        ],
        "transient",
        [0, 1, 3, 7, 10],
    ),
    (
        "success ends the backoff",
        [NO_ANSWER, NO_ANSWER, Result(10 * SECOND), NO_ANSWER, DONE],
        "transient",
        [0, 1, 3, 13, 14],
    ),
    (
        "waiting ends the backoff",
        [
            NO_ANSWER,
            NO_ANSWER,
            errors.Waiting("BuildQueueFull", "full", 7 * SECOND),
            NO_ANSWER,
            DONE,
        ],
        "waiting",
        [0, 1, 3, 10, 11],
    ),
    (
        "of reads side by side the fault that may pass decides",
        [
            ExceptionGroup("reads", [errors.Terminal("JobRefused", "no"), NO_ANSWER]),
            DONE,
        ],
        "transient",
        [0, 1],
    ),
    (
        "a bug among reads side by side is a bug",
        [ExceptionGroup("reads", [NO_ANSWER, ExceptionGroup("x", [KeyError("k")])]), DONE],
        "bug",
        [0, 1],
    ),
    (
        "a time-out that a reconcile raises by itself is a bug",
        [TimeoutError("inner"), DONE],
        "bug",
        [0, 1],
    ),
]


@pytest.mark.parametrize(
    ("answers", "outcome", "times"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS]
)
@virtual_time
async def test_answers(answers: list[Result | Exception], outcome: str, times: list[float]) -> None:
    async with world(answers) as made:
        made.queue.add("a")
        await asyncio.sleep(600)
        assert made.times() == times
        assert made.count(outcome) >= 1


@virtual_time
async def test_a_refusal_ends_the_backoff() -> None:
    refusal = errors.Terminal("JobRefused", "no")
    async with world([NO_ANSWER, NO_ANSWER, refusal, NO_ANSWER, DONE]) as made:
        made.queue.add("a")
        await asyncio.sleep(100)
        made.queue.add("a")
        await asyncio.sleep(100)
        assert made.times() == [0, 1, 3, 100, 101]


@virtual_time
async def test_a_reconcile_over_its_time_limit_is_cancelled_and_tried_again() -> None:
    cancelled = asyncio.Event()

    async def hangs(key: str) -> Result:
        if cancelled.is_set():
            return DONE
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return DONE

    async with world(hangs) as made:
        made.queue.add("a")
        await asyncio.sleep(300)
        assert made.times() == [0, 31]
        assert (made.count("timeout"), made.count("bug")) == (1, 0)


@virtual_time
async def test_a_key_that_hangs_does_not_hold_up_the_others() -> None:
    async def hangs_for_a(key: str) -> Result:
        await asyncio.sleep(20 if key == "a" else 0)
        return DONE

    async with world(hangs_for_a, workers=2) as made:
        for key in ("a", "b", "c"):
            made.queue.add(key)
        await asyncio.sleep(1)
        assert made.runs == [("a", 0), ("b", 0), ("c", 0)]


@virtual_time
async def test_a_bug_of_one_key_does_not_stop_the_others() -> None:
    async def breaks_for_a(key: str) -> Result:
        if key == "a":
            raise ZeroDivisionError(key)
        return DONE

    async with world(breaks_for_a) as made:
        made.queue.add("a")
        made.queue.add("b")
        await asyncio.sleep(0.1)
        assert made.times("b") == [0]
        assert made.registry.get_sample_value("ptd_reconcile_bugs_total") == 1


@virtual_time
async def test_a_cancellation_that_is_none_of_the_workers_own_is_a_bug_of_its_key() -> None:
    """Awaiting what somebody else cancelled must not cost a worker."""

    async def awaits_the_cancelled_for_a(key: str) -> Result:
        if key == "a":
            gone: asyncio.Future[Result] = asyncio.Future()
            gone.cancel()
            return await gone
        return DONE

    async with world(awaits_the_cancelled_for_a) as made:
        made.queue.add("a")
        made.queue.add("b")
        await asyncio.sleep(2)
        assert made.runs == [("a", 0), ("b", 0), ("a", 1)]
        assert made.count("bug") == 2


@virtual_time
async def test_a_bug_is_logged_with_its_traceback_once_and_then_in_one_line() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    bug = ZeroDivisionError("by zero")
    async with world([bug, bug, DONE, bug]) as made:
        made.queue.add("a")
        await asyncio.sleep(10)
        made.queue.add("a")
        await asyncio.sleep(0.1)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    found = [(line["event"], line["tool"], "exception" in line) for line in lines]
    assert found == [("reconcile_bug", "a", full) for full in (True, False, True)]


@virtual_time
async def test_one_key_never_runs_twice_at_a_time() -> None:
    running = most = 0

    async def counts(_key: str) -> Result:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1
        return DONE

    async with world(counts, workers=8) as made:
        for _ in range(20):
            made.queue.add("a")
            await asyncio.sleep(0.3)
        assert (most, len(made.runs)) == (1, 6)


@virtual_time
async def test_stopping_lets_a_running_reconcile_end_and_takes_no_other() -> None:
    ended: list[str] = []

    async def slow(key: str) -> Result:
        await asyncio.sleep(5)
        ended.append(key)
        return DONE

    async with world(slow, workers=2) as made:
        for key in ("a", "b", "c"):
            made.queue.add(key)
        await asyncio.sleep(1)
        await made.loop.stop(timedelta(seconds=10))
        assert (made.clock(), ended, made.queue.depth) == (5, ["a", "b"], 1)


@virtual_time
async def test_stopping_cancels_what_outlasts_the_grace_and_keeps_its_key() -> None:
    async def endless(_key: str) -> Result:
        await asyncio.sleep(29)
        return DONE

    async with world(endless) as made:
        made.queue.add("a")
        await asyncio.sleep(1)
        await made.loop.stop(timedelta(seconds=10))
        assert (made.clock(), made.queue.depth, made.count("cancelled")) == (11, 1, 1)


@virtual_time
async def test_stopping_an_idle_loop_takes_no_time_and_ends_run() -> None:
    async with world([DONE], workers=3) as made:
        run = asyncio.create_task(made.loop.run())
        await asyncio.sleep(1)
        await made.loop.stop(timedelta(seconds=10))
        await run
        assert made.clock() == 1


@virtual_time
async def test_a_loop_that_never_ran_can_be_stopped() -> None:
    made = World(lambda _key: asyncio.sleep(0, DONE))
    await made.loop.stop(SECOND)
    assert made.clock() == 0


@virtual_time
async def test_a_loop_that_was_cancelled_runs_again_with_the_keys_it_had() -> None:
    async def slow(_key: str) -> Result:
        await asyncio.sleep(10)
        return DONE

    made = World(slow)
    for _ in range(2):
        made.queue.add("a")
        run = asyncio.create_task(made.loop.run())
        await asyncio.sleep(1)
        run.cancel()
        await asyncio.wait({run})
    assert (made.times(), made.queue.depth) == ([0, 1], 1)


def backlog(made: World) -> tuple[float | None, ...]:
    names = ("ptd_workqueue_depth", "ptd_workqueue_longest_wait_seconds")
    return tuple(made.registry.get_sample_value(name) for name in names)


@virtual_time
async def test_what_is_ready_where_nobody_works_is_no_backlog() -> None:
    """A controller that does not lead sees every change, and leaves it to the one that does."""
    busy = asyncio.Event()

    async def hangs(key: str) -> Result:
        await busy.wait()
        return DONE

    made = World(hangs)
    made.queue.add("a")
    made.queue.add("b")
    await asyncio.sleep(3600)
    assert backlog(made) == (0, 0)
    task = asyncio.create_task(made.loop.run())
    await asyncio.sleep(20)
    assert backlog(made) == (1, 20)
    task.cancel()
    await asyncio.wait({task})
    assert backlog(made) == (0, 0)
