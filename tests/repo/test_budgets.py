"""Small files and functions that say what they are for: docs/contributing.md, "Budgets"."""

import ast
from pathlib import Path

from tests.repo import tree

FILE_LINES = 400
TEST_FILE_LINES = 600
BODY_LINES = 50
TEST_BODY_LINES = 60  # a world and what is expected of it stay together
PARAMETERS = 6
BANNED_NAMES = {"manager", "helper", "helpers", "util", "utils", "common", "misc"}

MODULES = tree.named(".py")


# One test a rule, not one a module: thousands of tests would cost the gate ten seconds.


def test_a_module_fits_its_budget() -> None:
    lines = {path: len(tree.text(path).splitlines()) for path in MODULES}
    limits = {path: TEST_FILE_LINES if _is_test(path) else FILE_LINES for path in MODULES}
    assert {path: number for path, number in lines.items() if number > limits[path]} == {}


def test_a_function_fits_on_a_screen() -> None:
    too_long = {
        f"{path}: {function.name}, line {function.lineno}": tree.body_lines(function)
        for path in MODULES
        for function in tree.functions(path)
        if tree.body_lines(function) > (TEST_BODY_LINES if _is_test(path) else BODY_LINES)
    }
    assert too_long == {}


def test_a_module_says_what_it_is_for() -> None:
    """Open it with a docstring: what for, who calls it."""
    words = {
        path: len((ast.get_docstring(ast.parse(tree.text(path))) or "").split()) for path in MODULES
    }
    assert [path for path, number in words.items() if number < (1 if _is_test(path) else 4)] == []


def test_nothing_is_named_after_being_useful() -> None:
    words = {
        path: {*path.stem.lower().split("_"), *(part.lower() for part in path.parts[:-1])}
        for path in MODULES
    }
    assert [path for path in MODULES if words[path] & BANNED_NAMES] == []


def _is_test(path: Path) -> bool:
    return path.parts[0] == "tests"
