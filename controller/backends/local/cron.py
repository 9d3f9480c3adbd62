"""Schedules as the jobs service understands them, as triggers of APScheduler. Always UTC.

The dialect is described and checked in `models.schedule`; here it is made to come true. The moments
of macros are spread by a digest of tool and job. Used by `scheduled`; knows no job.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC

from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    first: int
    last: int


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12),
    _Field("weekday", 0, 7),
)
_MACROS = {
    "@hourly": "M * * * *",
    "@daily": "M H * * *",
    "@weekly": "M H * * W",
    "@monthly": "M H D * *",
    "@yearly": "M H D N *",
}
_SPREAD = {"M": (0, 60), "H": (0, 24), "D": (1, 28), "N": (1, 12), "W": (0, 7)}
_DAYS_OF = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30} | dict.fromkeys((1, 3, 5, 7, 8, 10, 12), 31)
_DAYS = {name: str(n) for n, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}


def trigger(schedule: str, tool: str, job: str) -> BaseTrigger:
    """The trigger of a valid schedule. Raises ValueError for a day that never comes."""
    words = actual(schedule, tool, job).split()
    minute, hour, day, month, weekday = (
        _values(word, field) for word, field in zip(words, _FIELDS, strict=True)
    )
    if words[4].startswith("*") and min(day) > max(_DAYS_OF[value] for value in month):
        raise ValueError(f"there is no such day: {schedule!r}")
    # Sunday is 0 or 7 in cron, and 6 in APScheduler.
    weekdays = sorted({(value - 1) % 7 for value in weekday})

    def when(days: list[int], weekdays: list[int]) -> CronTrigger:
        fields = {"minute": minute, "hour": hour, "day": days, "month": month}
        return CronTrigger(
            **{name: _listed(values) for name, values in fields.items()},
            day_of_week=_listed(weekdays),
            timezone=UTC,
        )

    if words[2].startswith("*") or words[4].startswith("*"):
        return when(day, weekdays)
    # As in cron, a day that fits either of two restricted fields is a day to run.
    every_day, every_weekday = list(range(1, 32)), list(range(7))
    return OrTrigger([when(day, every_weekday), when(every_day, weekdays)])


def actual(schedule: str, tool: str, job: str) -> str:
    """The five fields of a schedule: macros replaced by moments that stay the same for a job."""
    text = " ".join(schedule.lower().split())
    if not text.startswith("@"):
        return text
    digest = hashlib.sha256(f"{tool} {job}".encode()).digest()
    spread = {
        letter: str(first + digest[index] % count)
        for index, (letter, (first, count)) in enumerate(_SPREAD.items())
    }
    return " ".join(spread.get(word, word) for word in _MACROS[text].split())


def _values(word: str, field: _Field) -> list[int]:
    values: set[int] = set()
    for part in word.split(","):
        text = _DAYS.get(part, part) if field.name == "weekday" else part
        span, _, step = text.partition("/")
        first, _, last = span.partition("-")
        if first == "*":
            begin, end = field.first, field.last
        else:
            begin = int(first)
            end = int(last) if last else field.last if step else begin
        values.update(range(begin, end + 1, int(step or 1)))
    return sorted(values)


def _listed(values: list[int]) -> str:
    return ",".join(str(value) for value in values)
