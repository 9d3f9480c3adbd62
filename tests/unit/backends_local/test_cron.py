"""Schedules: the dialect of the jobs service, and when it comes true."""

import re
from datetime import UTC, datetime

import pytest

from controller.backends.local import cron

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


@pytest.mark.parametrize(
    ("schedule", "complaint"),
    [
        ("* * * *", "a schedule has 5 fields, '* * * *' has 4"),
        ("60 * * * *", "minute field: '60' is outside of 0 to 59"),
        ("*/0 * * * *", "minute field: '*/0' is outside of 0 to 59"),
        ("* 5-3 * * *", "hour field: '5-3' is outside of 0 to 23"),
        ("* * 0 * *", "day field: '0' is outside of 1 to 31"),
        ("* * * jan *", "month field: 'jan' is not understood"),
        ("* * * * mon-fri", "weekday field: 'mon-fri' is not understood"),
        ("1-5/2 * * * *", "minute field: '1-5/2' is not understood"),
        ("*-5 * * * *", "minute field: '*-5' is not understood"),
        ("1,,2 * * * *", "minute field: '' is not understood"),
        ("0 0 31 2 *", "there is no such day: '0 0 31 2 *'"),
        ("@reboot", "unknown macro '@reboot'"),
    ],
)
def test_a_schedule_that_is_wrong_says_where(schedule: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(complaint)}"):
        cron.trigger(schedule, "tool-a", "nightly")


@pytest.mark.parametrize("macro", ["@hourly", "@daily", "@weekly", "@monthly", "@yearly"])
def test_a_macro_is_spread_over_jobs_and_stays_the_same_for_one(macro: str) -> None:
    jobs = {cron.actual(macro, "tool-a", f"job-{number}") for number in range(50)}
    assert cron.actual(macro, "tool-a", "nightly") == cron.actual(macro, "tool-a", "nightly")
    assert len(jobs) > 20
    assert all(cron.trigger(job, "tool-a", "nightly") for job in jobs)
