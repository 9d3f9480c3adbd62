"""The work of a leader, and its end: what is awaited, what is raised, and the Lease afterwards."""

import asyncio
import dataclasses

import pytest

from tests.support import leaseserver
from tests.support.leading import Candidate, alone, now, world
from tests.support.virtualtime import virtual_time


@virtual_time
async def test_work_is_awaited_while_the_lease_is_still_renewed() -> None:
    async with world() as w:
        finished: list[float] = []

        async def slow_to_end() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(30)
                finished.append(now())

        a = Candidate(w, "a", work=slow_to_end)
        w.candidates.append(a)
        await asyncio.sleep(1)
        b = w.join("b")
        await asyncio.sleep(15)
        await a.stop()
        assert len(finished) == 1
        assert b.began == []
        await asyncio.sleep(3)
        assert b.leads


@virtual_time
async def test_work_that_ends_by_itself_ends_the_leadership_and_releases_the_lease() -> None:
    leadership, wire = alone()

    async def work() -> None:
        await asyncio.sleep(5)

    await leadership.run(work)
    assert wire.server.record is not None
    assert (wire.server.record.holder, leadership.may_act()) == ("", False)


@virtual_time
async def test_what_work_raises_is_raised_and_the_lease_is_released() -> None:
    leadership, wire = alone()

    async def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await leadership.run(work)
    assert wire.server.record is not None
    assert wire.server.record.holder == ""


@virtual_time
async def test_a_bug_in_the_renewal_is_not_hidden() -> None:
    leadership, wire = alone()

    async def work() -> None:
        wire.fault = broken
        await asyncio.Event().wait()

    async def broken() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await leadership.run(work)


@virtual_time
async def test_a_release_that_is_not_answered_does_not_hold_up_the_stop() -> None:
    async with world("a") as w:
        w.candidates[0].wire.fault = leaseserver.black_hole
        before = now()
        await w.candidates[0].stop()
        assert now() - before <= 2


@virtual_time
async def test_a_stop_in_the_middle_of_a_renewal_still_releases_the_lease() -> None:
    async with world("a", "b") as w:
        a, b = w.candidates

        async def stored_but_not_answered() -> None:
            stopping.set()
            await asyncio.sleep(1)

        stopping = asyncio.Event()
        a.wire.lost = stored_but_not_answered
        await stopping.wait()
        await a.stop()
        await asyncio.sleep(3)
        assert b.leads


@virtual_time
async def test_a_lease_that_is_another_s_by_the_time_of_the_release_is_left_alone() -> None:
    async with world("a") as w:
        assert w.server.record is not None
        w.server.store("theft", dataclasses.replace(w.server.record, holder="thief"))
        await w.candidates[0].stop()
        assert w.server.record.holder == "thief"
