"""The plan of a tool: who waits for whom, and when it is looked at again at the latest."""

from datetime import timedelta

import pytest

from controller.backends.base import BuildState
from controller.reconcile.observed import Observed
from controller.reconcile.plan import make_plan
from tests.builders import (
    NOW,
    ago,
    build,
    deployment,
    observed,
    started,
)
from tests.unit.reconcile.plan.rows import LOST


def test_nothing_unfinished_needs_nothing() -> None:
    assert make_plan(observed(), NOW).actions == ()


def test_who_waits_knows_what_is_just_before_it() -> None:
    seen = observed(*(deployment(f"d{number}") for number in range(3)))
    steps = make_plan(seen, NOW).steps
    assert [(step.position, step.behind) for step in steps] == [(0, ""), (1, "d0"), (2, "d1")]


GOES_ON = (build(state=BuildState.RUNNING, by="d1"),)
STOPPING = started(ago(60), failure=LOST, ending_since=ago(20))
LATEST = {
    "it is looked at again by its deadline": (
        observed(deployment(status=started(ago(3590))), builds=GOES_ON),
        timedelta(seconds=10),
    ),
    "what is overdue is ended now": (
        observed(deployment(status=started(ago(3601))), builds=GOES_ON),
        None,
    ),
    "what is being stopped is looked at when there is no more time for it": (
        observed(deployment(status=STOPPING), builds=GOES_ON),
        timedelta(seconds=10),
    ),
    "nothing is due any more for what ends": (observed(deployment(status=STOPPING)), None),
    "nothing is due for a tool that rests": (observed(), None),
}


@pytest.mark.parametrize(("seen", "expected"), LATEST.values(), ids=LATEST.keys())
def test_when_it_is_looked_at_again_at_the_latest(
    seen: Observed, expected: timedelta | None
) -> None:
    assert make_plan(seen, NOW).latest == expected
