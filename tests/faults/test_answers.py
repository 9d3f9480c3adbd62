"""Answers that are lost, refused, broken off, late or nonsense, on each call of each scenario."""

import pytest

from tests.faults import scenarios, trials
from tests.faults.conftest import Tried
from tests.faults.scenarios import SCENARIOS, Scenario
from tests.faults.tape import Fault, Plan

each_scenario = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
LOST = ("reset", "504", "silence", "half")
REFUSED = ("429", "500", "503", "reset", "silence", "half", "garbage", "wrong")


def failures(scenario: Scenario, plans: list[Plan]) -> dict[Plan, list[str]]:
    """The plans that do not end as the reference does."""
    return {plan: wrong for plan in plans if (wrong := trials.check(scenario, plan))}


@each_scenario
def test_a_write_whose_answer_is_lost_is_not_done_twice(scenario: Scenario, tried: Tried) -> None:
    points = range(1, len(trials.reference(scenario).changes) + 1)
    everything = [(Fault("lost", at, how),) for at in points for how in LOST]
    plans = trials.sample(everything, bounded=3, whole=48)
    wrong = failures(scenario, plans)
    tried("lost answers", len(plans), wrong)
    assert wrong == {}


@each_scenario
def test_a_write_that_is_refused_is_tried_again(scenario: Scenario, tried: Tried) -> None:
    points = range(1, len(trials.reference(scenario).changes) + 1)
    everything = [(Fault("refused", at, how),) for at in points for how in REFUSED]
    plans = trials.sample(everything, bounded=1, whole=48)
    wrong = failures(scenario, plans)
    tried("refused writes", len(plans), wrong)
    assert wrong == {}


@each_scenario
def test_a_read_that_fails_is_tried_again(scenario: Scenario, tried: Tried) -> None:
    points = range(1, len(trials.reference(scenario).reads) + 1)
    everything = [
        (Fault("refused", at, how, verbs=("GET",), times=times),)
        for at in points
        for how in REFUSED
        for times in (1, 3)
    ]
    plans = trials.sample(everything, bounded=1, whole=48)
    wrong = failures(scenario, plans)
    tried("failing reads", len(plans), wrong)
    assert wrong == {}


@each_scenario
def test_conflicts_are_looked_at_again(scenario: Scenario, tried: Tried) -> None:
    writes = [e for e in trials.reference(scenario).changes if e.path.endswith("/status")]
    everything = [
        (Fault("refused", at, "409", verbs=("PATCH",), path="/status", times=times),)
        for at in range(1, len(writes) + 1)
        for times in (1, 3, 10)
        if at + times <= len(writes)
    ]
    of_the_control_plane = [e for e in trials.reference(scenario).changes if e.neighbour == "kube"]
    everything += [
        (Fault("refused", at, "409", path="/apis/"),)
        for at in range(1, len(of_the_control_plane) + 1)
    ]
    plans = trials.sample(everything, bounded=1, whole=45)
    wrong = failures(scenario, plans)
    tried("conflicts", len(plans), wrong)
    assert wrong == {}


@each_scenario
def test_a_write_that_takes_its_time_is_waited_for(scenario: Scenario, tried: Tried) -> None:
    points = range(1, len(trials.reference(scenario).changes) + 1)
    everything = [(Fault("slow", at, seconds=late),) for at in points for late in (1, 10)]
    plans = trials.sample(everything, bounded=1, whole=12)
    wrong = failures(scenario, plans)
    tried("slow writes", len(plans), wrong)
    assert wrong == {}


FEW = (scenarios.poll_trigger, scenarios.more_than_are_kept)


@pytest.mark.parametrize(
    "scenario", SCENARIOS if trials.WHOLE else FEW, ids=lambda scenario: scenario.__name__
)
def test_a_write_that_is_carried_out_after_its_sender_gave_up_changes_nothing(
    scenario: Scenario, tried: Tried
) -> None:
    """Its connection breaks at once, and it reaches the control plane five seconds later.

    builds-api and jobs-api have no versions: what that costs is told in docs/reliability.md.
    """
    everything: list[Plan] = [
        (Fault("late", at, seconds=5.0),)
        for at, entry in enumerate(trials.reference(scenario).changes, 1)
        if entry.neighbour == "kube"
    ]
    plans = trials.sample(everything, bounded=2, whole=16)
    wrong = failures(scenario, plans)
    tried("writes that arrive late", len(plans), wrong)
    assert wrong == {}
