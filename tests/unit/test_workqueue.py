"""The work queue's promises: client-go's, on virtual time."""

import asyncio
from datetime import timedelta

import pytest

from controller.runtime.workqueue import WorkQueue
from tests.support.virtualtime import virtual_time


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def queue(**settings: timedelta) -> WorkQueue:
    """A queue on the loop's virtual clock, without jitter."""
    return WorkQueue(asyncio.get_running_loop().time, lambda: 0.0, **settings)


async def taken_at(q: WorkQueue) -> tuple[str, float]:
    """The next key and the virtual seconds until it came."""
    start = asyncio.get_running_loop().time()
    key = await q.take()
    return key, round(asyncio.get_running_loop().time() - start, 6)


@virtual_time
async def test_a_key_that_is_added_twice_runs_once() -> None:
    q = queue()
    q.add("a")
    q.add("a")
    assert (q.depth, await q.take(), q.depth) == (1, "a", 0)


@virtual_time
async def test_keys_come_in_the_order_in_which_they_became_ready() -> None:
    q = queue()
    for key in ("a", "b", "a", "c"):
        q.add(key)
    assert [await q.take() for _ in range(3)] == ["a", "b", "c"]


@virtual_time
async def test_a_key_that_runs_is_given_to_no_other_worker() -> None:
    q = queue()
    q.add("a")
    await q.take()
    q.add("a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(q.take(), 1000)


@virtual_time
async def test_a_key_added_while_it_runs_runs_again_behind_the_others() -> None:
    q = queue()
    q.add("a")
    await q.take()
    q.add("a")
    q.add("b")
    q.done("a")
    assert [await q.take(), await q.take()] == ["b", "a"]


@virtual_time
async def test_a_key_that_was_not_added_again_rests_after_its_run() -> None:
    q = queue()
    q.add("a")
    q.done(await q.take())
    assert (q.depth, q.delayed) == (0, 0)


@virtual_time
async def test_a_delayed_key_comes_when_it_is_due() -> None:
    q = queue()
    q.add_after("a", seconds(90))
    assert q.delayed == 1
    assert await taken_at(q) == ("a", 90)
    assert q.delayed == 0


@pytest.mark.parametrize("delays", [(30, 10), (10, 30)])
@virtual_time
async def test_of_several_delays_the_earliest_wins(delays: tuple[float, float]) -> None:
    q = queue()
    for delay in delays:
        q.add_after("a", seconds(delay))
    assert await taken_at(q) == ("a", 10)
    q.done("a")
    await asyncio.sleep(100)
    assert q.depth == 0


@virtual_time
async def test_a_delay_that_was_answered_does_not_bring_a_later_one_forward() -> None:
    q = queue()
    q.add_after("a", seconds(10))
    q.add("a")
    q.done(await q.take())
    q.add_after("a", seconds(20))
    assert await taken_at(q) == ("a", 20)


@virtual_time
async def test_keys_with_different_delays_come_each_in_time() -> None:
    q = queue()
    for key, delay in (("c", 3), ("a", 1), ("b", 2)):
        q.add_after(key, seconds(delay))
    assert [await taken_at(q) for _ in range(3)] == [("a", 1), ("b", 1), ("c", 1)]


@virtual_time
async def test_no_delay_is_now() -> None:
    q = queue()
    q.add_after("a", seconds(0))
    assert (q.depth, q.delayed) == (1, 0)


@virtual_time
async def test_a_run_answers_the_delayed_request_of_its_key_too() -> None:
    q = queue()
    q.add_after("a", seconds(10))
    q.add("a")
    q.done(await q.take())
    await asyncio.sleep(60)
    assert q.depth == 0


@virtual_time
async def test_a_delay_that_ends_during_the_run_lets_the_key_run_again() -> None:
    q = queue()
    q.add("a")
    await q.take()
    q.add_after("a", seconds(5))
    await asyncio.sleep(10)
    assert q.depth == 0
    q.done("a")
    assert q.depth == 1


@virtual_time
async def test_a_retry_waits_twice_as_long_each_time_up_to_the_cap() -> None:
    q = queue(first_retry=seconds(1), longest_retry=seconds(5))
    assert [q.retry("a").total_seconds() for _ in range(5)] == [1, 2, 4, 5, 5]


@virtual_time
async def test_a_key_that_failed_a_thousand_times_still_waits_the_cap() -> None:
    q = queue()
    for _ in range(1_000):
        delay = q.retry("a")
    assert delay == seconds(300)


@virtual_time
async def test_backoff_is_counted_for_each_key_by_itself() -> None:
    q = queue(first_retry=seconds(1))
    q.retry("a")
    assert (q.retry("a"), q.retry("b")) == (seconds(2), seconds(1))


@virtual_time
async def test_forget_starts_the_backoff_anew() -> None:
    q = queue(first_retry=seconds(1))
    q.retry("a")
    q.forget("a")
    q.forget("never failed")
    assert q.retry("a") == seconds(1)


@virtual_time
async def test_a_retry_never_comes_before_the_other_side_asked_for() -> None:
    q = queue(first_retry=seconds(1))
    assert q.retry("a", at_least=seconds(120)) == seconds(120)


@virtual_time
async def test_jitter_adds_at_most_a_fifth() -> None:
    q = WorkQueue(asyncio.get_running_loop().time, lambda: 0.999, first_retry=seconds(10))
    assert seconds(11.9) < q.retry("a") < seconds(12)


@virtual_time
async def test_the_longest_wait_is_that_of_the_oldest_ready_key() -> None:
    q = queue()
    assert q.longest_wait == seconds(0)
    q.add("a")
    await asyncio.sleep(7)
    q.add("b")
    await asyncio.sleep(3)
    assert q.longest_wait == seconds(10)
    await q.take()
    assert q.longest_wait == seconds(3)


@virtual_time
async def test_a_worker_that_is_cancelled_while_it_waits_loses_no_key() -> None:
    q = queue()
    waiting = [asyncio.create_task(q.take()) for _ in range(2)]
    await asyncio.sleep(0)
    q.add("a")
    waiting[0].cancel()
    done, _ = await asyncio.wait(waiting, return_when=asyncio.ALL_COMPLETED)
    assert [task.result() for task in done if not task.cancelled()] == ["a"]


@virtual_time
async def test_what_outdated_delays_leave_behind_is_cleared_away() -> None:
    q = queue()
    for _ in range(5_000):
        q.add_after("a", seconds(3600))
        q.add("a")
        q.done(await q.take())
    q.add_after("b", seconds(50))
    assert len(q._heap) < 200
    assert await taken_at(q) == ("b", 50)
