"""The seeded bugs still fit the source, and the whole run tries each of them."""

import pytest

from tests.faults import mutants, trials
from tests.faults.conftest import Tried
from tests.faults.mutants import MUTANTS, ROOT, Mutant

each_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name.replace(" ", "_"))


@each_mutant
def test_each_seeded_bug_fits_the_source_and_is_python(mutant: Mutant) -> None:
    source = mutants.with_bug(mutant, (ROOT / mutant.file).read_text())
    compile(source, mutant.file, "exec")


@pytest.mark.skipif(not trials.WHOLE, reason="make faults tries them all")
@each_mutant
def test_each_seeded_bug_is_noticed(mutant: Mutant, tried: Tried) -> None:
    found = mutants.tried(mutant)
    assert found.caught, found.said
    tried("seeded bugs", 1)
