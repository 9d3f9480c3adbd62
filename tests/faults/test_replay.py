"""Plans that failed once, kept as files; and the one that PTD_PLAN names."""

import os
from pathlib import Path

import pytest

from tests.faults import tape, trials

KEPT = sorted((Path(__file__).parent / "plans").glob("*.json"))
NAMED = [Path(name) for name in os.environ.get("PTD_PLAN", "").split(":") if name]


@pytest.mark.parametrize("path", [*KEPT, *NAMED], ids=lambda path: path.stem)
def test_a_plan_that_failed_once_passes(path: Path) -> None:
    name, plan = tape.read_plan(path)
    assert trials.check(trials.scenario_named(name), plan) == []
