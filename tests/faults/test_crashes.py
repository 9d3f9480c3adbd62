"""A kill at every request that changes something, in every scenario, ends in the same world."""

import pytest

from tests.faults import oracle, scenarios, trials
from tests.faults.conftest import Tried
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.tape import Fault

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)


@each_scenario
def test_a_kill_at_any_write_ends_in_the_same_world(scenario: Scenario, tried: Tried) -> None:
    plans = trials.sample(trials.crashes(scenario), bounded=4)
    wrong = {plan: found for plan in plans if (found := trials.check(scenario, plan))}
    tried("crash points", len(plans), wrong)
    assert wrong == {}


@each_scenario
def test_a_second_kill_during_the_recovery_changes_nothing(
    scenario: Scenario, tried: Tried
) -> None:
    points = range(1, len(trials.reference(scenario).changes) + 1)
    everything = [
        (Fault("crash unanswered", at, life=1), Fault(kind, 1, life=2))
        for at in points
        for kind in ("crash before", "crash unanswered", "crash after")
    ]
    plans = trials.sample(everything, bounded=1, whole=34)
    wrong = {plan: found for plan in plans if (found := trials.check(scenario, plan))}
    tried("double crashes", len(plans), wrong)
    assert wrong == {}


@each_scenario
def test_kills_at_any_write_of_the_recovery_change_nothing(
    scenario: Scenario, tried: Tried
) -> None:
    """The second life is killed at its second to eighth write, and the third in between."""
    points = range(1, len(trials.reference(scenario).changes) + 1)
    everything = [
        (Fault("crash unanswered", at, life=1), Fault(kind, later, life=2), Fault(kind, 1, life=3))
        for at in points
        for later in range(2, 9)
        for kind in ("crash before", "crash unanswered")
    ]
    plans = trials.sample(everything, bounded=0, whole=34)
    wrong = {plan: found for plan in plans if (found := trials.check(scenario, plan))}
    assert wrong == {}
    tried("double crashes", len(plans))


def test_a_trial_notices_what_may_not_be() -> None:
    """The oracle itself: another scenario's world is not the reference's."""
    expected = trials.reference(scenarios.first).result
    found = trials.run(scenarios.failing_build, ()).result
    assert oracle.differences(expected, found, 0)


def test_a_plan_whose_fault_is_never_met_is_no_success() -> None:
    plan = (Fault("crash before", at=10_000),)
    assert "no fault was met" in trials.check(scenarios.first, plan)[0]
