"""Durations as users write them: `90s`, `5m`, `1h30m`.

Used by the ToolConfig model and by whoever needs the timedelta. No other spelling is known.
"""

import re
from datetime import timedelta

PATTERN = r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"
_PARTS = re.compile(
    r"(?:(?P<hours>[0-9]{1,9})h)?(?:(?P<minutes>[0-9]{1,9})m)?(?:(?P<seconds>[0-9]{1,9})s)?"
)


def parse(text: str) -> timedelta:
    """`1h30m` → timedelta. Raises ValueError where it is not a duration."""
    match = _PARTS.fullmatch(text)
    if not match or not text:
        raise ValueError(f"{text!r} is not a duration such as 90s, 5m or 1h")
    return timedelta(**{unit: int(number or 0) for unit, number in match.groupdict().items()})
