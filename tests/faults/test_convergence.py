"""Whatever happens, in whatever order: once the faults end, everything ends, and then it is quiet.

`PTD_SEED=7 python -m pytest tests/faults/test_convergence.py` replays walk 7 and shows its steps.
"""

import gc
import os
import random
import sys
from dataclasses import replace

import pytest

from tests.faults import convergence, scenarios, timeline, trials
from tests.faults.conftest import Tried
from tests.faults.walks import Walk
from tests.faults.world import POLICY, opened

STEPS = 25
PARTS = 20 if trials.WHOLE else 2
EACH = 25 if trials.WHOLE else 2
NAMED = os.environ.get("PTD_SEED", "")


def walk(seed: int) -> tuple[list[str], list[str]]:
    """What is wrong with this walk, and what was done in it."""
    told: list[Walk] = []
    wrong: list[str] = []

    async def main() -> None:
        policy = replace(POLICY, retained=4)
        async with opened((), heads=scenarios.heads(), policy=policy) as world:
            made = Walk(world, random.Random(seed))
            told.append(made)
            await made.begin()
            for _ in range(made.chance.randint(5, STEPS)):
                await made.step()
                wrong.extend(await convergence.broken_now(made))
                if wrong:
                    return
            await made.calm()
            made.did.append("from here on nothing goes wrong")
            wrong.extend(await convergence.broken_at_the_end(made, trials.SILENCE))

    try:
        timeline.run(main, seed)
    except AssertionError as stuck:
        wrong.append(str(stuck))
    finally:
        gc.unfreeze()  # controllers freeze what they hold, and there are many of them here
    return wrong, told[0].did


def report(seed: int, wrong: list[str], did: list[str]) -> str:
    """What to read when a walk fails."""
    replay = f"replay: PTD_SEED={seed} python -m pytest tests/faults/test_convergence.py"
    return "\n".join(["", *did, *wrong, replay])


@pytest.mark.parametrize("part", range(PARTS))
def test_every_walk_ends_in_silence(part: int, tried: Tried) -> None:
    for seed in range(part * EACH + 1, (part + 1) * EACH + 1):
        wrong, did = walk(seed)
        assert not wrong, report(seed, wrong, did)
    tried("random walks", EACH)


@pytest.mark.skipif(not NAMED, reason="replays the walk that PTD_SEED names")
def test_the_walk_that_was_named() -> None:
    wrong, did = walk(int(NAMED))
    sys.stdout.write("\n".join(did))
    assert not wrong, report(int(NAMED), wrong, did)
