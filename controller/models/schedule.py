"""When a scheduled component runs: the dialect of cron that the jobs service accepts.

Used by the ToolConfig model and by what starts scheduled jobs on this machine. Five fields (minute,
hour, day, month, weekday) of `*`, `*/n`, `a`, `a/n`, `a-b` and comma lists of them; weekdays 0 to 7
or one of sun..sat as single values; or one of five macros. The source is the jobs-api: steps on
ranges, names in ranges and names of months are refused there, so they are refused here, earlier.
"""

import re

from controller.models.findings import mistake

MACROS = ("@hourly", "@daily", "@weekly", "@monthly", "@yearly")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS = (
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day of the month", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 6),
)
_ITEM = re.compile(r"(?P<start>\*|[0-9]{1,3}|[a-z]+)(-(?P<end>[0-9]{1,3}|[a-z]+))?(/(?P<step>.+))?")
_EXAMPLE = (
    "For example `*/15 * * * *` (every 15 minutes), `30 4 * * 1` (Mondays at 4:30), `@daily`."
)


def check_schedule(value: str) -> str:
    """The schedule unchanged, or an error that names the field and what is wrong with it."""
    text = value.strip().lower()
    if text.startswith("@"):
        if text not in MACROS:
            raise mistake(f"Unknown schedule `{text}`", f"Known are {', '.join(MACROS)}.")
        return value
    fields = text.split()
    if len(fields) != len(_FIELDS):
        raise mistake(
            f"A schedule has 5 fields (minute, hour, day, month, weekday), this has {len(fields)}",
            _EXAMPLE,
        )
    for (name, low, high), field in zip(_FIELDS, fields, strict=True):
        for item in field.split(","):
            problem = _problem(item, name, low, high)
            if problem:
                raise mistake(f"The {name} of the schedule is wrong: {problem}", _EXAMPLE)
    return value


def _problem(item: str, name: str, low: int, high: int) -> str:
    match = _ITEM.fullmatch(item)
    if not match:
        return f"`{item}` is not `*`, a number, a range `a-b` or a step `*/n`"
    start, end, step = match["start"], match["end"], match["step"]
    if end is not None:
        return _range_problem(start, end, step, low, high)
    if step is not None and not (step.isascii() and step.isdigit() and 1 <= int(step) <= high):
        return f"the step `{step}` is not between 1 and {high}"
    if start == "*":
        return ""
    if start.isalpha():
        known = name == "day of the week" and start in _WEEKDAYS
        return "" if known else f"`{start}` is not a number"
    top = 7 if name == "day of the week" else high
    return "" if low <= int(start) <= top else f"{start} is not between {low} and {top}"


def _range_problem(start: str, end: str, step: str | None, low: int, high: int) -> str:
    if not (start.isdigit() and end.isdigit()):
        return f"a range has numbers on both sides, not `{start}-{end}`"
    if step is not None:
        return f"a range cannot have a step (`{start}-{end}/{step}`); list the values instead"
    if not (low <= int(start) <= high and low <= int(end) <= high):
        return f"`{start}-{end}` is not between {low} and {high}"
    return "" if int(start) <= int(end) else f"the range `{start}-{end}` runs backwards"
