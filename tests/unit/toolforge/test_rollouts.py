"""The memory of what pods are made from: a pod runs what was in force when it started."""

from datetime import UTC, datetime, timedelta

import pytest

from controller.backends.toolforge.rollouts import Rollouts

BEGIN = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
JOB = ("tool", "web")


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


@pytest.fixture
def seen() -> Rollouts:
    """`good` from 0 s on, `bad` from 10 s on."""
    rollouts = Rollouts()
    rollouts.changed(JOB, "good", at(0), "")
    rollouts.changed(JOB, "bad", at(10), "")
    return rollouts


@pytest.mark.parametrize(
    ("since", "current"),
    [(5, False), (8.9, False), (9.5, True), (12, True)],
    ids=["made by what was before", "just so", "within the rounding of ages", "made since"],
)
def test_age_tells_what_a_pod_was_made_from(seen: Rollouts, since: float, current: bool) -> None:
    assert seen.current(JOB, "bad", at(since)) is current


def test_nothing_is_known_of_other_jobs_nor_of_what_others_changed(seen: Rollouts) -> None:
    assert seen.current(("tool", "other"), "bad", at(12)) is None
    assert seen.current(JOB, "changed by hand", at(12)) is None
    seen.check(JOB, "changed by hand")
    assert not seen.knows(JOB, "bad")


def test_putting_back_what_runs_keeps_it(seen: Rollouts) -> None:
    assert (seen.keeps(JOB, "good", at(5)), seen.keeps(JOB, "good", at(12))) == (True, False)
    seen.changed(JOB, "good", at(20), "")
    assert (seen.current(JOB, "good", at(5)), seen.current(JOB, "good", at(12))) == (True, False)


def test_a_restart_replaces_pods_of_the_same_template(seen: Rollouts) -> None:
    seen.restarted(JOB, "bad", at(20), "d1")
    assert (seen.current(JOB, "bad", at(12)), seen.current(JOB, "bad", at(21))) == (False, True)
    assert (seen.was_restarted_by(JOB, "d1"), seen.was_restarted_by(JOB, "d2")) == (True, False)
    # The next change takes the mark of the restart away, so that it makes new pods as well.
    assert (seen.is_marked(JOB), seen.keeps(JOB, "bad", at(21))) == (True, False)


def test_pods_from_before_the_first_change_that_was_seen_may_be_anything() -> None:
    rollouts = Rollouts()
    assert rollouts.keeps(JOB, "good", at(-5)) is None
    rollouts.changed(JOB, "bad", at(0), "")
    assert rollouts.keeps(JOB, "good", at(-5)) is None
    assert rollouts.current(JOB, "bad", at(-5)) is False


def test_what_was_learned_is_not_of_our_making() -> None:
    rollouts = Rollouts()
    rollouts.learned(JOB, "good")
    assert (rollouts.current(JOB, "good", at(-5)), rollouts.made(JOB, at(-5))) == (True, False)
    rollouts.changed(JOB, "good", at(0), "")
    assert rollouts.made(JOB, at(5)) is True


def test_the_memory_is_bounded() -> None:
    rollouts = Rollouts()
    for number in range(10_001):
        rollouts.changed(("tool", str(number)), "x", at(0), "")
    assert (rollouts.knows(("tool", "0"), "x"), rollouts.knows(("tool", "1"), "x")) == (False, True)
