"""Schedules as the jobs service understands them, as triggers of APScheduler. Always UTC.

Five fields (minute, hour, day, month, weekday) of `*`, `*/n`, `a`, `a/n`, `a-b` and comma lists, or
one of five macros, whose moments are spread by a digest of tool and job. Source of the dialect: the
jobs-api of Toolforge. Used by `scheduled`; knows no job.
"""

import hashlib
import re
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
_PART = re.compile(r"(?:\*|(?P<first>\d+))(?:/(?P<step>\d+)|-(?P<last>\d+))?")


def trigger(schedule: str, tool: str, job: str) -> BaseTrigger:
    """The trigger of a schedule. Raises ValueError with what is wrong and where."""
    words = actual(schedule, tool, job).split()
    if len(words) != len(_FIELDS):
        raise ValueError(f"a schedule has 5 fields, {schedule!r} has {len(words)}")
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
    if text not in _MACROS:
        raise ValueError(f"unknown macro {text!r}: use one of {', '.join(_MACROS)}")
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
        match = _PART.fullmatch(text)
        if match is None or (match["last"] and match["first"] is None):
            raise ValueError(f"{field.name} field: {part!r} is not understood")
        values.update(_range(match, field, part))
    return sorted(values)


def _range(match: re.Match[str], field: _Field, part: str) -> range:
    first = int(match["first"]) if match["first"] else field.first
    last = field.last if match["step"] or match["first"] is None else first
    last = int(match["last"]) if match["last"] else last
    step = int(match["step"]) if match["step"] else 1
    if not (field.first <= first <= last <= field.last and 0 < step <= field.last):
        raise ValueError(
            f"{field.name} field: {part!r} is outside of {field.first} to {field.last}"
        )
    return range(first, last + 1, step)


def _listed(values: list[int]) -> str:
    return ",".join(str(value) for value in values)
