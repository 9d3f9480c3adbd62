"""Real controllers killed with kill -9, or stopped for a while, at their k-th write."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.faults import processes, trials
from tests.faults.conftest import Tried
from tests.faults.tape import Fault, Plan

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800 if trials.WHOLE else 180)]
KINDS = ("crash before", "crash unanswered", "crash after")
KILLS = 4
RUNS = 15 if trials.WHOLE else 1
ENDED = {
    "states": ["successful", "successful"],
    "builds": 1,
    "jobs": ["web", "worker"],
    "changed": Counter({"web": 1, "worker": 1}),
}


def kills(run: int) -> Plan:
    """Each life but the last is killed, at another write in each run."""
    return tuple(
        Fault(KINDS[(run + life) % 3], 1 + (run + 2 * life) % 4, life=life)
        for life in range(1, KILLS + 1)
    )


@pytest.mark.parametrize("run", range(RUNS))
async def test_kill_9_at_any_write_changes_nothing(tmp_path: Path, run: int, tried: Tried) -> None:
    async with processes.opened(tmp_path, kills(run)) as machine:
        assert await processes.deployed(machine) == ENDED, machine.tape.met
        before = len(machine.tape.changes)
        await asyncio.sleep(2)
        assert machine.tape.changes[before:] == []
        met = len(machine.tape.met)
        assert met > 0
    assert "Traceback" not in machine.logs()
    tried("kill -9 of real processes", met)


STOPS = [(at, kind, pause) for pause in (0.5, 3.0) for at in (1, 2, 4, 5, 6) for kind in KINDS[:2]]
STOPS += [(at, "crash unanswered", 30.0) for at in (1, 2, 4, 6)]


@pytest.mark.parametrize(("at", "kind", "pause"), STOPS if trials.WHOLE else [(4, KINDS[0], 3.0)])
async def test_who_was_stopped_in_the_middle_does_nothing_twice(
    tmp_path: Path, at: int, kind: str, pause: float, tried: Tried
) -> None:
    """SIGSTOP at a write, for less than a term of its Lease, or until another has led for long."""
    plan = (Fault(kind, at, life=1),)
    async with processes.opened(tmp_path, plan, pause) as machine:
        assert await processes.deployed(machine) == ENDED
        while machine.starting:
            await asyncio.gather(*machine.starting)
        before = len(machine.tape.changes)
        await asyncio.sleep(5 if trials.WHOLE else 1)
        assert machine.tape.changes[before:] == []
        assert machine.tape.met
    assert "Traceback" not in machine.logs()
    tried("processes stopped", 1)
