"""What the watches show is late, repeated, cut off, or missing: the world ends the same."""

from dataclasses import replace

import pytest

from tests.faults import trials
from tests.faults.conftest import Tried
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.tape import Fault

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
DAMAGE = (
    Fault("view", how="hold", seconds=1),
    Fault("view", how="hold", seconds=10),
    Fault("view", how="twice"),
    Fault("view", how="twice", times=1000),
    Fault("view", how="half"),
    Fault("view", how="cut"),
    Fault("view", how="expire"),
)


@each_scenario
def test_a_damaged_view_changes_nothing(scenario: Scenario, tried: Tried) -> None:
    points = range(1, trials.reference(scenario).events + 1)
    everything = [(replace(damage, at=at),) for at in points for damage in DAMAGE]
    plans = trials.sample(everything, bounded=2, whole=60)
    wrong = {plan: found for plan in plans if (found := trials.check(scenario, plan))}
    tried("damaged views", len(plans), wrong)
    assert wrong == {}


@each_scenario
@pytest.mark.parametrize(("how", "patience"), [("silence", 120.0), ("drop", 700.0)])
def test_what_is_never_shown_is_found_out(
    scenario: Scenario, how: str, patience: float, tried: Tried
) -> None:
    """A watch that says nothing more is left after 70 s; a lost event is found by comparison."""
    points = range(1, trials.reference(scenario).events + 1)
    plans = trials.sample([(Fault("view", at, how),) for at in points], bounded=1, whole=8)
    wrong = {plan: found for plan in plans if (found := trials.check(scenario, plan, patience))}
    tried("events never shown", len(plans), wrong)
    assert wrong == {}
