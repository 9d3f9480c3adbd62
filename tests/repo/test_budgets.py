"""Small files and functions that say what they are for: docs/contributing.md, "Budgets"."""

import ast
from pathlib import Path

import pytest

from tests.repo import tree

FILE_LINES = 400
TEST_FILE_LINES = 600
BODY_LINES = 50
TEST_BODY_LINES = 60  # a world and what is expected of it stay together
PARAMETERS = 6
BANNED_NAMES = {"manager", "helper", "helpers", "util", "utils", "common", "misc"}

MODULES = tree.named(".py")


def _id(path: Path) -> str:
    return str(path)


@pytest.mark.parametrize("path", MODULES, ids=_id)
def test_a_module_fits_its_budget(path: Path) -> None:
    limit = TEST_FILE_LINES if path.parts[0] == "tests" else FILE_LINES
    assert len(tree.text(path).splitlines()) <= limit


@pytest.mark.parametrize("path", MODULES, ids=_id)
def test_a_function_fits_on_a_screen(path: Path) -> None:
    limit = TEST_BODY_LINES if path.parts[0] == "tests" else BODY_LINES
    too_long = {
        f"{function.name}, line {function.lineno}": tree.body_lines(function)
        for function in tree.functions(path)
        if tree.body_lines(function) > limit
    }
    assert too_long == {}


@pytest.mark.parametrize("path", MODULES, ids=_id)
def test_a_module_says_what_it_is_for(path: Path) -> None:
    purpose = ast.get_docstring(ast.parse(tree.text(path))) or ""
    words = 1 if path.parts[0] == "tests" else 4
    assert len(purpose.split()) >= words, "open it with a docstring: what for, who calls it"


@pytest.mark.parametrize("path", MODULES, ids=_id)
def test_nothing_is_named_after_being_useful(path: Path) -> None:
    words = set(path.stem.lower().split("_"))
    words |= {part.lower() for part in path.parts[:-1]}
    assert words & BANNED_NAMES == set()
