"""A tool's deployments as a table: a row each, and below it what does not fit beside it.

Used by `listing`, which asks for them. Made from the answer of `T/deployment`; no request is made
here. In a pipe each deployment is one line, however long.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from controller.cli import display, standing
from controller.models import terminal

JSON = Mapping[str, Any]

RUNS_NOW = "*"
"""Before the id of the deployment whose version runs now."""

_HEADER = ("  ID", "STATE", "TRIGGER", "STARTED", "TOOK", "COMMITS", "MESSAGE")
_FIRST_OPTIONAL = _HEADER.index("COMMITS")
_UNLIMITED = 10_000
_COLOURS = {
    "pending": "yellow",
    "running": "yellow",
    "cancelling": "yellow",
    "successful": "green",
    "failed": "red",
    "timed_out": "red",
    "cancelled": "magenta",
}


def lines(shown: Sequence[JSON], running: str, now: datetime, width: int | None) -> list[str]:
    """The table; `running` is the id of the one that runs now.

    `width` is that of a terminal, whose columns that do not fit go to lines of their own; None is a
    pipe or a file.
    """
    rows = [_row(each, each["deploy_id"] == running, now) for each in shown]
    out = Console(file=StringIO(), force_terminal=width is not None, width=_UNLIMITED)
    tables = {n: _table(rows, n) for n in range(len(_HEADER), _FIRST_OPTIONAL - 1, -1)}
    room = width or _UNLIMITED
    fitting = (
        n for n, it in tables.items() if Measurement.get(out, out.options, it).maximum <= room
    )
    columns = next(fitting, _FIRST_OPTIONAL)
    with out.capture() as captured:
        out.print(tables[columns])
    head, *body = captured.get().splitlines()
    told = [head.rstrip()]
    for line, row in zip(body, rows, strict=True):
        told.append(line.rstrip())
        if below := "  ".join(cell for cell in row[columns:] if cell):
            told.append(f"    {below}")
    return told


def _table(rows: Sequence[Sequence[str]], columns: int) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in _HEADER[:columns]:
        table.add_column(name, no_wrap=True)
    for row in rows:
        state = Text(row[1], style=_COLOURS.get(row[1], ""))
        table.add_row(Text(row[0]), state, *map(Text, row[2:columns]))
    return table


def _row(shown: JSON, runs: bool, now: datetime) -> tuple[str, ...]:
    started, ended = (_moment(shown.get(name)) for name in ("started_at", "finished_at"))
    cells = (
        f"{RUNS_NOW if runs else ' '} {shown['deploy_id']}",
        shown["status"],
        shown.get("trigger", "-"),
        f"{_brief(now - started)} ago" if started else "-",
        _brief((ended or now) - started) if started else "-",
        _commits(standing.commits(shown)) or "-",
        "; ".join(_message(shown)),
    )
    return tuple(" ".join(terminal.safe(cell).split("\n")) for cell in cells)


def _message(shown: JSON) -> Iterator[str]:
    """What it is for, or why it has not succeeded: a success needs no words of its own."""
    state, message = shown["status"], str(shown.get("message") or shown.get("long_status") or "")
    if position := shown.get("queue_position"):
        behind = f", behind {shown['blocked_by']}" if shown.get("blocked_by") else ""
        yield f"number {position} in the queue{behind}"
    elif newer := shown.get("superseded_by"):
        yield f"replaced by {newer}"
    elif state not in ("successful", message):
        yield (shown.get("failure") or {}).get("message") or message or "waits for its turn"
    if description := shown.get("description"):
        yield description


def _commits(commits: Mapping[str, str]) -> str:
    """`90ab12cd34` where it is one, else each with its component."""
    short = {name: display.short(commit) for name, commit in commits.items()}
    if len(set(short.values())) == 1:
        return next(iter(short.values()))
    return ", ".join(f"{name} {commit}" for name, commit in short.items())


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def _brief(span: timedelta) -> str:
    """`12s`, `3m5s`, `47m`, `5h`, `3d`: as exact as somebody wants to know it."""
    seconds = max(0, round(span.total_seconds()))
    minutes, hours = seconds // 60, seconds // 3600
    if seconds < 60:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s"
    if hours < 2:
        return f"{minutes}m"
    return f"{hours}h" if hours < 48 else f"{hours // 24}d"
