"""Whose turn it is, as a table."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from controller.models.summary import DeploymentSummary
from controller.models.tooldeployment import ToolDeployment, Trigger
from controller.reconcile.turns import take_turns, turn_began
from tests.builders import NOW, ago, deployment, finished, started


def at(second: int, name: str, trigger: Trigger = Trigger.MANUAL, **more: object) -> ToolDeployment:
    created = NOW + timedelta(seconds=second)
    return deployment(name, created=created, trigger=trigger, **more)  # type: ignore[arg-type]


@dataclass
class Row:
    """Of these deployments one is active, and the others wait or end."""

    unfinished: list[ToolDeployment]
    active: str | None
    waiting: tuple[str, ...] = ()
    cancelled: tuple[str, ...] = ()
    superseded: tuple[tuple[str, str], ...] = ()


POLL = Trigger.POLL
ROWS = {
    "nobody": Row([], None),
    "the oldest begins": Row([at(2, "b"), at(1, "a")], "a", ("b",)),
    "of the same second the first by name begins": Row([at(1, "b"), at(1, "a")], "a", ("b",)),
    "the one that has started goes on": Row(
        [at(1, "a"), at(2, "b", status=started())], "b", ("a",)
    ),
    "a cancelled one that waits ends without its turn": Row(
        [at(1, "a", cancel=True), at(2, "b")], "b", (), ("a",)
    ),
    "a cancelled one that has started keeps its turn to be cleaned up": Row(
        [at(1, "a", cancel=True, status=started()), at(2, "b")], "a", ("b",)
    ),
    "a newer poll replaces one that waits": Row(
        [at(1, "a"), at(2, "b", POLL), at(3, "c", POLL)], "a", ("c",), (), (("b", "c"),)
    ),
    "a newer poll replaces one whose turn would be next": Row(
        [at(1, "a", POLL), at(2, "b", POLL)], "b", (), (), (("a", "b"),)
    ),
    "a poll that has started is not replaced": Row(
        [at(1, "a", POLL, status=started()), at(2, "b", POLL)], "a", ("b",)
    ),
    "a poll gives way to a newer one that has started": Row(
        [at(1, "a", POLL), at(2, "b", POLL, status=started())], "b", (), (), (("a", "b"),)
    ),
    "a manual deployment is never replaced": Row(
        [at(1, "a"), at(2, "b"), at(3, "c", POLL)], "a", ("b", "c")
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_turns(row: Row) -> None:
    turns = take_turns(tuple(row.unfinished))
    found = Row(
        row.unfinished,
        turns.active.name if turns.active else None,
        tuple(d.name for d in turns.waiting),
        tuple(d.name for d in turns.cancelled),
        tuple((old.name, new.name) for old, new in turns.superseded),
    )
    assert found == row


def ended(seconds_ago: float) -> DeploymentSummary:
    return replace(finished(created=ago(3600)), finished_at=ago(seconds_ago))


BEGINNINGS = {
    "when it was created": (deployment(created=ago(60)), (), ago(60)),
    "when the one before it ended": (
        deployment(created=ago(60)),
        (ended(1800), ended(30), ended(40)),
        ago(30),
    ),
    "when it was created, after the one before it": (
        deployment(created=ago(60)),
        (ended(70), replace(ended(0), finished_at=None)),
        ago(60),
    ),
    "when it was first worked on": (
        deployment(created=ago(60), status=started(ago(20))),
        (ended(30),),
        ago(20),
    ),
}


@pytest.mark.parametrize("row", BEGINNINGS.values(), ids=BEGINNINGS.keys())
def test_a_turn_begins(
    row: tuple[ToolDeployment, tuple[DeploymentSummary, ...], datetime],
) -> None:
    active, before, expected = row
    assert turn_began(active, before) == expected
