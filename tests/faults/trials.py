"""Runs of scenarios under plans, compared with their reference; how many is `scale`'s affair.

The numbers of `make test` are the first column of the programme, those of `make faults` (it sets
PTD_FAULTS=whole) the second.
"""

import os
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.faults import timeline
from tests.faults.oracle import Result, differences, result_of
from tests.faults.scenarios import RESTARTS_TWICE, SCENARIOS, Scenario, fields
from tests.faults.tape import Entry, Fault, Plan, write_plan
from tests.faults.world import opened

WHOLE = os.environ.get("PTD_FAULTS") == "whole"
SILENCE = 3600.0 if WHOLE else 600.0
FAILED = Path(".cache/faults")
_references: dict[Scenario, tuple[Result, list[Entry]]] = {}


def reference(scenario: Scenario) -> tuple[Result, list[Entry]]:
    """The run without faults, and the requests in it that change something."""
    if scenario not in _references:
        result, entries = run(scenario, ())
        assert result.broken == []
        ends = [ends[0] for ends in result.world["deployments"].values()]
        assert ends == [state.value for state in SCENARIOS[scenario]]
        _references[scenario] = result, entries[: result.changes]
    return _references[scenario]


def run(scenario: Scenario, plan: Plan) -> tuple[Result, list[Entry]]:
    """One run, from nothing to silence."""
    results: list[tuple[Result, list[Entry]]] = []

    async def work() -> None:
        async with opened(plan, **fields(scenario)) as world:
            await scenario(world)
            result = await result_of(world, SILENCE)
            if len(world.tape.met) < len(plan):
                result.broken.append(f"of the faults only these were met: {world.tape.met}")
            results.append((result, world.tape.changes))

    timeline.run(work)
    return results[0]


def check(scenario: Scenario, plan: Plan, *, masked: Sequence[str] = ()) -> list[str]:
    """What is wrong with a run under a plan; a plan that fails is kept as a file."""
    expected, _ = reference(scenario)
    try:
        found, _ = run(scenario, plan)
        faults = sum(fault.times for fault in plan)
        restarts = faults if scenario in RESTARTS_TWICE else 0
        told = differences(expected, found, faults, restarts)
        wrong = [line for line in told if not _is(line, masked)]
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
    _, entries = reference(scenario)
    kinds = ("crash before", "crash unanswered", "crash after")
    return [(Fault(kind, at),) for at in range(1, len(entries) + 1) for kind in kinds]


def _is(line: str, masked: Sequence[str]) -> bool:
    return any(line.startswith(each) for each in masked)
