"""Quantities and chains of reuse, as numbers and names."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.models import reuse
from controller.models.fields import quantity

QUANTITIES = {
    "1": 1,
    "0.5": Decimal("0.5"),
    ".5": Decimal("0.5"),
    "1.": 1,
    "500m": Decimal("0.5"),
    "5u": Decimal("0.000005"),
    "1k": 1000,
    "1e3": 1000,
    "1E": 10**18,
    "1E3": 1000,
    "1Ki": 1024,
    "1.5Gi": 1610612736,
}


@pytest.mark.parametrize(("text", "number"), QUANTITIES.items())
def test_a_quantity_is_a_number(text: str, number: Decimal | int) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize("text", ["", "0", "0.0Gi", "-1", "+1", "1ki", "1 Gi", "Gi", "1.2.3", "1K"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        quantity(text)


NAMES = st.sampled_from("abcdefg")


@given(st.dictionaries(NAMES, st.none() | NAMES))
def test_every_chain_ends_is_a_loop_or_misses_something(links: dict[str, str | None]) -> None:
    circles = reuse.loops(links)
    assert len({name for circle in circles for name in circle}) == sum(map(len, circles))
    for circle in circles:
        assert [links[name] for name in circle] == [*circle[1:], circle[0]]
    if not circles and not reuse.missing(links):
        assert all(links[reuse.source_of(name, links)] is None for name in links)
