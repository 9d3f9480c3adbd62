"""Schedules: the dialect of the jobs service, and when it comes true."""

from datetime import UTC, datetime

import pytest

from controller.backends.local import cron
from controller.models.schedule import MACROS

START = datetime(2026, 11, 21, 21, 22, 43, tzinfo=UTC)  # a Saturday


def next_times(schedule: str, count: int = 2) -> list[str]:
    trigger = cron.trigger(schedule, "tool-a", "nightly")
    now, times = START, []
    for _ in range(count):
        due = trigger.get_next_fire_time(None, now)
        times.append(f"{due:%a %d %b %H:%M}")
        now = due.replace(second=1)
    return times


@pytest.mark.parametrize(
    ("schedule", "times"),
    [
        ("* * * * *", ["Sat 21 Nov 21:23", "Sat 21 Nov 21:24"]),
        ("*/20 * * * *", ["Sat 21 Nov 21:40", "Sat 21 Nov 22:00"]),
        ("5/25 * * * *", ["Sat 21 Nov 21:30", "Sat 21 Nov 21:55"]),
        ("0 3,5 * * *", ["Sun 22 Nov 03:00", "Sun 22 Nov 05:00"]),
        ("0 3-4 * * *", ["Sun 22 Nov 03:00", "Sun 22 Nov 04:00"]),
        ("0 0 1 * *", ["Tue 01 Dec 00:00", "Fri 01 Jan 00:00"]),
        ("0 0 * * 0", ["Sun 22 Nov 00:00", "Sun 29 Nov 00:00"]),
        ("0 0 * * 7", ["Sun 22 Nov 00:00", "Sun 29 Nov 00:00"]),
        ("0 0 * * Mon", ["Mon 23 Nov 00:00", "Mon 30 Nov 00:00"]),
        ("0 0 * * 1-2", ["Mon 23 Nov 00:00", "Tue 24 Nov 00:00"]),
        ("0 0 29 2 *", ["Tue 29 Feb 00:00", "Sun 29 Feb 00:00"]),
        ("0 0 25 * mon", ["Mon 23 Nov 00:00", "Wed 25 Nov 00:00"]),
    ],
)
def test_a_schedule_comes_true_at(schedule: str, times: list[str]) -> None:
    assert next_times(schedule) == times


def test_a_day_that_never_comes_is_named() -> None:
    with pytest.raises(ValueError, match=r"^there is no such day: '0 0 31 2 \*'$"):
        cron.trigger("0 0 31 2 *", "tool-a", "nightly")
    assert cron.trigger("0 0 31 2 1", "tool-a", "nightly")  # Mondays of February do come


@pytest.mark.parametrize("macro", MACROS)
def test_a_macro_is_spread_over_jobs_and_stays_the_same_for_one(macro: str) -> None:
    jobs = {cron.actual(macro, "tool-a", f"job-{number}") for number in range(50)}
    assert cron.actual(macro, "tool-a", "nightly") == cron.actual(macro, "tool-a", "nightly")
    assert len(jobs) > 20
    assert all(cron.trigger(job, "tool-a", "nightly") for job in jobs)
