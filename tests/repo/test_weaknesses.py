"""docs/weaknesses.md: every number of the review is there, and every test that it names exists.

`path::test[row]` names a row of the test's table, by the words that the row has.
"""

import re
from pathlib import Path

import pytest

from tests.repo import tree

PAGE = tree.text(Path("docs/weaknesses.md"))
_ROW = re.compile(r"(?m)^\| (W\d+[a-z]?) \|[^|\n]+\|[^|\n]+\| ([^|\n]+) \|$")
_TEST = re.compile(r"`(tests/[^`:]+\.py)::(test_\w+)(?:\[([^`]+)\])?`")

ROWS = _ROW.findall(PAGE)
TESTS = [(number, *found) for number, shown in ROWS for found in _TEST.findall(shown)]


def test_every_number_of_the_review_is_there_once() -> None:
    numbers = {f"W{n}" for n in range(1, 50)} | {f"W23{letter}" for letter in "bcde"}
    assert sorted(number for number, _ in ROWS) == sorted(numbers)


def test_every_weakness_names_a_test() -> None:
    assert {number for number, *_ in TESTS} == {number for number, _ in ROWS}


@pytest.mark.parametrize(("number", "path", "test", "row"), TESTS)
def test_the_named_test_exists(number: str, path: str, test: str, row: str) -> None:
    assert Path(path) in tree.files(), number
    assert test in {found.name for found in tree.functions(Path(path))}
    assert row in tree.text(Path(path))
