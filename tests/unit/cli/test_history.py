"""The table of `ptd list`: a line each in a pipe, what does not fit below it on a terminal."""

import re
from datetime import UTC, datetime
from typing import Any

from controller.cli import history

NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
GOOD, NEXT, LAST = (f"20261122-06{minute}00-abcdefghij" for minute in (10, 50, 59))


def shown(name: str, status: str, **more: Any) -> dict[str, Any]:
    """A deployment as the API shows it."""
    return {"deploy_id": name, "status": status, "trigger": "api", "builds": {}, **more}


MADE = [
    shown(LAST, "pending", queue_position=1, blocked_by=NEXT),
    shown(
        NEXT,
        "failed",
        started_at="2026-11-22T06:50:00Z",
        finished_at="2026-11-22T06:52:30Z",
        builds={"web": {"commit": "a" * 40}, "worker": {"commit": "b" * 40}, "job": {}},
        message="it failed",
        failure={"message": "component web: \x1b[2Jno\nanswer"},
        description="T1",
    ),
    shown(
        GOOD,
        "successful",
        started_at="2026-11-22T06:10:00+00:00",
        finished_at="2026-11-22T06:10:07+00:00",
        builds={"web": {"commit": "c" * 40}, "worker": {"commit": "c" * 40}},
        message="every component runs as configured",
    ),
]


def lines(width: int | None) -> list[str]:
    told = history.lines(MADE, GOOD, NOW, width)
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in told]


def test_in_a_pipe_each_deployment_is_one_line() -> None:
    commits = "web aaaaaaaaaa, worker bbbbbbbbbb"
    assert [re.sub("  +", "|", line) for line in lines(None)] == [
        "|ID|STATE|TRIGGER|STARTED|TOOK|COMMITS|MESSAGE",
        f"|{LAST}|pending|api|-|-|-|number 1 in the queue, behind {NEXT}",
        f"|{NEXT}|failed|api|10m ago|2m30s|{commits}|component web: no answer; T1",
        f"* {GOOD}|successful|api|50m ago|7s|cccccccccc",
    ]


def test_on_a_terminal_what_does_not_fit_stands_below() -> None:
    assert lines(80) == [
        "  ID                          STATE       TRIGGER  STARTED  TOOK",
        f"  {LAST}  pending     api      -        -",
        f"    -  number 1 in the queue, behind {NEXT}",
        f"  {NEXT}  failed      api      10m ago  2m30s",
        "    web aaaaaaaaaa, worker bbbbbbbbbb  component web: no answer; T1",
        f"* {GOOD}  successful  api      50m ago  7s",
        "    cccccccccc",
    ]


def test_a_wide_terminal_shows_all_columns() -> None:
    assert lines(200) == lines(None)


def test_an_object_of_the_older_service_is_a_line_too() -> None:
    old = {"deploy_id": "old", "status": "successful", "builds": {}, "runs": {}}
    assert history.lines([old], "", NOW, None)[1:] == [
        "  old  successful  -        -        -     -"
    ]
