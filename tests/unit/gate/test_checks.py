"""The gate's steps: all of them run, and every failure counts."""

import sys

import pytest

from tests.gate import checks, environment


def _step(name: str, code: int) -> checks.Step:
    return checks.Step(name, name.title(), (sys.executable, "-c", f"exit({code})"), "mend it")


def test_a_failing_step_does_not_hide_the_next(capfd: pytest.CaptureFixture[str]) -> None:
    steps = [_step("first", 3), _step("second", 0), _step("third", 1)]
    assert checks.run(steps) == [steps[0], steps[2]]
    shown = capfd.readouterr().out
    assert "=== [2/3] Second" in shown
    assert "--- First: FAILED (exit 3); mend it in" in shown


def test_what_a_step_prints_is_shown_below_its_heading(capfd: pytest.CaptureFixture[str]) -> None:
    talk = (sys.executable, "-c", "import os; os.write(1, b'said\\n'); os.write(2, b'cried\\n')")
    talking = checks.Step("talking", "Talking", talk, "mend it")
    assert checks.run([talking, _step("last", 0)]) == []
    shown = capfd.readouterr().out
    assert "=== [1/2] Talking\nsaid\ncried\n--- Talking: passed" in shown


def test_no_test_is_left_out() -> None:
    """What the last step ignores is what the step before it runs."""
    commands = {step.name: step.command for step in checks.STEPS}
    ignored = {each.removeprefix("--ignore=") for each in commands["tests"] if "--ignore=" in each}
    assert ignored == {each for each in commands["coverage"] if each.startswith("tests/")}
    assert all((environment.ROOT / path).exists() for path in ignored)


def test_a_missing_tool_fails_its_step(capfd: pytest.CaptureFixture[str]) -> None:
    absent = checks.Step("tool", "Tool", ("/nowhere/tool",), "install it")
    assert checks.run([absent]) == [absent]
    assert "/nowhere/tool" in capfd.readouterr().out


def test_an_unknown_step_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert checks.main(["spelling"]) == 2
    assert "no step spelling; there are: coverage, types" in capsys.readouterr().err


def test_the_tests_come_last_so_that_their_count_is_what_is_read_last() -> None:
    assert checks.STEPS[-1].name == "tests"
