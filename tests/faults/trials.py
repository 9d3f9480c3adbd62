"""Runs of scenarios under plans, compared with their reference; how many is `scale`'s affair.

The numbers of `make test` are the first column of the programme, those of `make faults` (it sets
PTD_FAULTS=whole) the second.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.faults import oracle, timeline
from tests.faults.oracle import Result, result_of
from tests.faults.scenarios import RESTARTS_TWICE, SCENARIOS, Scenario, fields
from tests.faults.tape import Entry, Fault, Plan, write_plan
from tests.faults.world import opened
from tests.support import size

WHOLE = size.WHOLE
SILENCE = 1200.0 if WHOLE else 300.0
HOUR = 3600.0
RACES = 2  # requests
SILENT = 45.0  # the longest that one request is waited for (40 s: a job's deletion), and a little
FAILED = Path(".cache/faults")
_references: dict[Scenario, "Run"] = {}


@dataclass
class Run:
    """What a run left: how it ended, and what passed until then."""

    result: Result
    entries: list[Entry]
    events: int

    @property
    def changes(self) -> list[Entry]:
        """The requests that change something."""
        return [entry for entry in self.entries if entry.changes]

    @property
    def reads(self) -> list[Entry]:
        """The others, but for watches."""
        return [entry for entry in self.entries if entry.verb == "GET"]


def reference(scenario: Scenario) -> Run:
    """The run without faults."""
    if scenario not in _references:
        found = run(scenario, (), HOUR)
        assert found.result.broken == []
        ends = [ends[0] for ends in found.result.world["deployments"].values()]
        assert ends == [state.value for state in SCENARIOS[scenario]]
        _references[scenario] = found
    return _references[scenario]


def run(scenario: Scenario, plan: Plan, silence: float = SILENCE) -> Run:
    """One run, from nothing to silence."""
    runs: list[Run] = []

    async def work() -> None:
        async with opened(plan, **fields(scenario)) as world:
            await scenario(world)
            entries, events = list(world.tape.entries), world.tape.events
            result = await result_of(world, silence)
            # How many events come depends on when a watch began, and a recovery may write nothing;
            # a race with a user's own write may cost a request more in one run than in another.
            missed = world.tape.missed_by()
            if missed > RACES and any(fault.kind != "view" for fault in plan):
                result.broken.append(f"no fault was met: the first was {missed} requests away")
            runs.append(Run(result, entries, events))

    timeline.run(work)
    return runs[0]


def check(scenario: Scenario, plan: Plan, patience: float = oracle.PATIENCE) -> list[str]:
    """What is wrong with a run under a plan; a plan that fails is kept as a file.

    Only an event that never comes may be what a comparison list finds.
    """
    expected = reference(scenario).result
    try:
        found = run(scenario, plan).result
        dropped = any(fault.how == "drop" for fault in plan)
        faults = sum(fault.times for fault in plan)
        restarts = faults if scenario in RESTARTS_TWICE else 0
        if any(fault.how == "silence" for fault in plan):
            patience = max(patience, SILENT)
        wrong = oracle.differences(expected, found, faults, restarts, patience)
        wrong += [] if dropped else found.differed
    except AssertionError as stuck:
        wrong = [str(stuck)]
    if wrong:
        kept = FAILED / f"{scenario.__name__}-{abs(hash(plan)) % 10**8}.json"
        write_plan(kept, scenario.__name__, plan)
        wrong.append(f"replay: PTD_PLAN={kept} pytest tests/faults/test_replay.py")
    return wrong


def scenario_named(name: str) -> Scenario:
    """The scenario of that name."""
    return next(scenario for scenario in SCENARIOS if scenario.__name__ == name)


def sample(everything: Iterable[Plan], bounded: int, whole: int | None = None) -> list[Plan]:
    """All, or as many as the run asks for, evenly spread; None is all."""
    plans = list(everything)
    count = whole if WHOLE else bounded
    if count is None or count >= len(plans):
        return plans
    chosen = random.Random(1).sample(range(len(plans)), count)
    return [plans[index] for index in sorted(chosen)]


def crashes(scenario: Scenario) -> list[Plan]:
    """A kill at each request that changes something, at three moments of it."""
    kinds = ("crash before", "crash unanswered", "crash after")
    points = range(1, len(reference(scenario).changes) + 1)
    return [(Fault(kind, at),) for at in points for kind in kinds]
