"""Cron expressions as jobs-api reads them: five fields or one of five macros."""

import random
import re
from datetime import datetime, timedelta

_RANGES = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 6)}
_MACROS = {
    "@hourly": ("r", "*", "*", "*", "*"),
    "@daily": ("r", "r", "*", "*", "*"),
    "@weekly": ("r", "r", "*", "*", "r"),
    "@monthly": ("r", "r", "r", "*", "*"),
    "@yearly": ("r", "r", "r", "r", "*"),
}
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class BadSchedule(ValueError):
    """Not a schedule; the text is the service's."""


def actual(schedule: str, tool: str, job: str) -> str:
    """The five fields that a schedule stands for; macros get the job's own stable times."""
    if schedule.startswith("@"):
        return _macro(schedule.lower(), f"{tool} {job}")
    fields = schedule.lower().split(" ")
    if len(fields) != len(_RANGES):
        raise BadSchedule(f"Expected to find 5 space-separated values, found {len(fields)}")
    for text, (name, (low, high)) in zip(fields, _RANGES.items(), strict=True):
        _values(text, name, low, high)
    return " ".join(fields)


def next_time(fields: str, after: datetime) -> datetime | None:
    """The first minute that fits, within four years."""
    minutes, hours, days, months, weekdays = (
        _values(text, name, low, high)
        for text, (name, (low, high)) in zip(fields.split(" "), _RANGES.items(), strict=True)
    )
    day = after.replace(hour=0, minute=0, second=0, microsecond=0)
    for _ in range(4 * 366):
        fits = day.month in months and day.day in days and day.isoweekday() % 7 in weekdays
        for hour in sorted(hours) if fits else ():
            for minute in sorted(minutes):
                moment = day.replace(hour=hour, minute=minute)
                if moment > after:
                    return moment
        day += timedelta(days=1)
    return None


def _macro(macro: str, seed: str) -> str:
    if macro not in _MACROS:
        known = ", ".join(_MACROS)
        raise BadSchedule(f"Invalid at-macro '{macro}', supported macros are: {known}")
    chance = random.Random(seed)
    fields = []
    for field, (low, high) in zip(_MACROS[macro], _RANGES.values(), strict=True):
        fields.append(str(chance.randint(low, high)) if field == "r" else field)
    return " ".join(fields)


def _values(text: str, name: str, low: int, high: int) -> set[int]:
    values: set[int] = set()
    for part in text.split(","):
        values |= _part(part, name, low, high)
    return values


def _part(part: str, name: str, low: int, high: int) -> set[int]:
    if name == "weekday" and part in _WEEKDAYS:
        return {_WEEKDAYS.index(part)}
    if name == "weekday" and part == "7":
        return {0}
    found = re.fullmatch(r"(?:(\*)|([0-9]+))(?:/([0-9]+))?|([0-9]+)-([0-9]+)", part)
    if found is None:
        raise BadSchedule(f"Unable to parse '{part}' as a {name}")
    star, one, step, first, last = found.groups()
    if first is not None:
        values = set(range(int(first), int(last) + 1))
    else:
        begin = low if star else int(one)
        if step is not None and not 0 < int(step) <= high:
            raise BadSchedule(f"Invalid step '{step}' for {name}")
        values = set(range(begin, high + 1, int(step))) if step else {begin}
        values = set(range(low, high + 1)) if star and not step else values
    if not values or not values <= set(range(low, high + 1)):
        raise BadSchedule(f"'{part}' is out of range for {name}")
    return values
