"""The gate's steps: all of them run, and every failure counts."""

import sys

import pytest

from tests.gate import checks


def _step(name: str, code: int) -> checks.Step:
    return checks.Step(name, name.title(), (sys.executable, "-c", f"exit({code})"), "mend it")


def test_a_failing_step_does_not_hide_the_next(capfd: pytest.CaptureFixture[str]) -> None:
    steps = [_step("first", 3), _step("second", 0), _step("third", 1)]
    assert checks.run(steps) == [steps[0], steps[2]]
    shown = capfd.readouterr().out
    assert "=== [2/3] Second" in shown
    assert "--- First: FAILED (exit 3); mend it in" in shown


def test_a_missing_tool_fails_its_step(capfd: pytest.CaptureFixture[str]) -> None:
    absent = checks.Step("tool", "Tool", ("/nowhere/tool",), "install it")
    assert checks.run([absent]) == [absent]
    assert "/nowhere/tool" in capfd.readouterr().out


def test_an_unknown_step_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert checks.main(["spelling"]) == 2
    assert "no step spelling; there are: format, lint" in capsys.readouterr().err


def test_the_tests_come_last_so_that_their_count_is_what_is_read_last() -> None:
    assert checks.STEPS[-1].name == "tests"
