"""Leadership with two and three candidates, every fault of the control plane, in virtual time."""

import asyncio
from datetime import timedelta

import pytest

from controller.runtime.leader import Terms
from tests.support import leaseserver
from tests.support.leading import alone, now, world
from tests.support.leaseserver import Fault
from tests.support.virtualtime import virtual_time


@virtual_time
async def test_who_makes_the_lease_leads_after_a_former_leader_must_have_stopped() -> None:
    async with world("a", "b") as w:
        a, b = w.candidates
        assert (a.leads, b.leads, w.reigns) == (True, False, ["a"])
        assert 10 <= a.began[0] <= 10.1
        assert w.server.record is not None
        assert (w.server.record.holder, w.server.record.duration) == ("a", timedelta(seconds=15))


@virtual_time
async def test_a_leader_keeps_its_lease_with_a_request_every_two_seconds() -> None:
    async with world("a", "b") as w:
        calls = w.candidates[0].wire.calls
        await asyncio.sleep(900)
        assert w.reigns == ["a"]
        assert 440 <= w.candidates[0].wire.calls - calls <= 450
        assert w.server.record is not None
        assert w.server.record.transitions == 0


@virtual_time
async def test_a_leader_that_was_killed_is_followed_within_twenty_seconds() -> None:
    async with world("a", "b", "c") as w:
        killed = now()
        await w.candidates[0].kill()
        await asyncio.sleep(25)
        (successor,) = [each for each in w.candidates[1:] if each.leads]
        assert 13 <= successor.began[0] - killed <= 20


@virtual_time
async def test_an_orderly_stop_hands_over_within_three_seconds_after_the_work_has_ended() -> None:
    async with world("a", "b") as w:
        a, b = w.candidates
        stopped = now()
        await a.stop()
        assert a.ended == [stopped]
        await asyncio.sleep(3)
        assert b.leads
        assert b.began[0] - stopped <= 3
        assert w.server.record is not None
        assert w.server.record.transitions == 1


FAULTS = [leaseserver.black_hole, leaseserver.refused, leaseserver.unavailable]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault.__name__))
@virtual_time
async def test_a_leader_cut_off_stops_by_its_deadline_and_before_another_acts(
    fault: Fault,
) -> None:
    async with world("a", "b") as w:
        a, b = w.candidates
        cut = now()
        a.wire.fault = fault
        await asyncio.sleep(40)
        assert a.ended
        assert a.ended[0] - cut <= 10
        assert a.last_act <= a.ended[0] < b.began[0]
        assert b.began[0] - cut <= 20
        a.wire.fault = None
        await b.stop()
        await asyncio.sleep(5)
        assert a.leads
        assert w.reigns == ["a", "b", "a"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault.__name__))
@virtual_time
async def test_a_fault_shorter_than_the_deadline_changes_nothing(fault: Fault) -> None:
    async with world("a", "b") as w:
        for each in w.candidates:
            each.wire.fault = fault
        await asyncio.sleep(5)
        for each in w.candidates:
            each.wire.fault = None
        await asyncio.sleep(60)
        assert (w.reigns, len(w.candidates[0].began)) == (["a"], 1)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: str(fault.__name__))
@virtual_time
async def test_when_the_control_plane_is_away_nobody_leads_and_afterwards_one_does(
    fault: Fault,
) -> None:
    async with world("a", "b", "c") as w:
        for each in w.candidates:
            each.wire.fault = fault
        await asyncio.sleep(600)
        assert not any(each.leads for each in w.candidates)
        for each in w.candidates:
            each.wire.fault = None
        await asyncio.sleep(20)
        assert sum(each.leads for each in w.candidates) == 1


@pytest.mark.parametrize("lost", FAULTS[:2], ids=lambda fault: str(fault.__name__))
@virtual_time
async def test_a_renewal_whose_answer_was_lost_is_found_and_goes_on(lost: Fault) -> None:
    async with world("a", "b") as w:
        w.candidates[0].wire.lost = lost
        await asyncio.sleep(60)
        assert (w.reigns, len(w.candidates[0].began)) == (["a"], 1)


@pytest.mark.parametrize("lost", FAULTS[:2], ids=lambda fault: str(fault.__name__))
@virtual_time
async def test_an_acquisition_whose_answer_was_lost_is_found_and_used(lost: Fault) -> None:
    async with world("a", "b") as w:
        a, b = w.candidates
        b.wire.lost = lost
        await a.stop()
        stopped = now()
        await asyncio.sleep(8)
        assert b.leads
        assert b.began[0] - stopped <= 7


@virtual_time
async def test_a_leader_whose_lease_was_deleted_makes_it_again_and_goes_on() -> None:
    async with world("a") as w:
        w.server.delete()
        await asyncio.sleep(30)
        assert (w.reigns, len(w.candidates[0].began)) == (["a"], 1)
        assert ("create", "a") in w.server.log[1:]


@virtual_time
async def test_who_makes_a_deleted_lease_anew_acts_only_after_the_former_leader_stopped() -> None:
    async with world("a", "b") as w:
        a, b = w.candidates
        a.wire.fault = leaseserver.black_hole
        w.server.delete()
        await asyncio.sleep(30)
        assert b.leads
        assert a.last_act <= a.ended[0] <= b.began[0]


@virtual_time
async def test_a_leader_that_finds_another_in_the_lease_stops_at_once() -> None:
    async with world("a", "b") as w:
        a, b = w.candidates
        a.wire.fault = leaseserver.black_hole
        w.server.delete()
        await asyncio.sleep(3)
        assert w.server.record is not None
        assert w.server.record.holder == "b"
        a.wire.fault = None
        await asyncio.sleep(4.5)
        assert a.ended
        assert a.ended[0] < b.began[0] if b.began else True


@pytest.mark.parametrize("minutes", [-300, -5, 5, 300])
@virtual_time
async def test_a_wrong_wall_clock_does_not_matter(minutes: int) -> None:
    async with world("a") as w:
        b = w.join("b", timedelta(minutes=minutes))
        await asyncio.sleep(60)
        assert w.reigns == ["a"]
        cut = now()
        w.candidates[0].wire.fault = leaseserver.black_hole
        await asyncio.sleep(30)
        assert b.leads
        assert b.began[0] - cut <= 20


@virtual_time
async def test_a_stopped_process_that_wakes_after_its_term_does_not_act() -> None:
    async with world("a", "b") as w:
        a = w.candidates[0]
        asyncio.get_running_loop()._jumping.now += 20  # type: ignore[attr-defined]
        assert not a.leadership.may_act()
        await asyncio.sleep(60)
        assert sum(each.leads for each in w.candidates) == 1


@virtual_time
async def test_of_candidates_that_start_at_the_same_moment_one_leads() -> None:
    async with world() as w:
        for name in ("a", "b", "c"):
            w.join(name)
        await asyncio.sleep(60)
        assert (len(w.reigns), [call for call, _ in w.server.log].count("create")) == (1, 1)


@virtual_time
async def test_who_made_the_lease_may_not_act_before_its_work_begins() -> None:
    async with world() as w:
        a = w.join("a")
        await asyncio.sleep(9)
        assert (a.leads, a.leadership.may_act(), a.began) == (True, False, [])
        await asyncio.sleep(2)
        assert a.leadership.may_act()


@virtual_time
async def test_a_term_counts_from_before_the_request_that_renewed_it() -> None:
    async with world("a", "b") as w:
        a = w.candidates[0]

        async def slow() -> None:
            a.wire.fault = leaseserver.black_hole
            committed.append(now())
            await asyncio.sleep(1.5)

        committed: list[float] = []
        a.wire.lost = slow
        await asyncio.sleep(20)
        assert a.ended[0] - committed[0] < 10


@virtual_time
async def test_no_request_outlasts_the_deadline() -> None:
    terms = Terms(request=timedelta(seconds=7))
    leadership, wire = alone(terms)
    ended: list[float] = []

    async def work() -> None:
        wire.fault = leaseserver.black_hole
        began = now()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(now() - began)

    running = asyncio.create_task(leadership.run(work))
    await asyncio.sleep(40)
    running.cancel()
    await asyncio.wait({running})
    assert ended
    assert ended[0] <= 10


@virtual_time
async def test_a_candidate_that_never_led_may_not_act() -> None:
    async with world("a", "b") as w:
        assert [each.leadership.may_act() for each in w.candidates] == [True, False]
