"""The gate's steps, with a heading and a time each: `make test` runs them all.

Called by the Makefile with the clone's own Python. `python -m tests.gate.checks` runs every step
and reports all that failed, not only the first; names of steps as arguments run only those. A tool
that is missing fails its step: nothing is ever skipped.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.gate import environment, kubectl

_PYTHON = sys.executable
_BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Step:
    """One thing that must pass: a command, and what a person does when it fails."""

    name: str
    title: str
    command: tuple[str, ...]
    hint: str


# Tests of decisions only: that a branch is passed on the way to something else proves nothing.
_DECISION_TESTS = (
    "tests/flow",
    "tests/properties",
    "tests/unit/reconcile",
    "tests/unit/test_leader.py",
    "tests/unit/test_loop.py",
    "tests/unit/test_workqueue.py",
    "tests/unit/watchers/test_decide.py",
    "tests/unit/watchers/test_decide_around.py",
)

STEPS = (
    Step(
        "format",
        "The code is formatted",
        (_PYTHON, "-m", "ruff", "format", "--check", "."),
        "make fmt",
    ),
    Step("lint", "Lint", (_PYTHON, "-m", "ruff", "check", "."), "make fmt mends what can be"),
    Step("types", "Types", (_PYTHON, "-m", "mypy"), "make types"),
    Step(
        "imports",
        "The architecture's import contracts",
        (str(_BIN / "lint-imports"), "--cache-dir", ".cache/imports"),
        "move the code to the layer that may know it: docs/contributing.md",
    ),
    Step(
        "generated",
        "Generated files are up to date",
        (_PYTHON, "-m", "tests.gate.generated", "--check"),
        "make generate",
    ),
    Step(
        "coverage",
        "Every branch of what decides is tested",
        (
            *(_PYTHON, "-m", "pytest", "-n", "2", "-q", *_DECISION_TESTS),
            *("--cov=controller.reconcile", "--cov=controller.runtime", "--cov=watchers.decide"),
            *("--cov-branch", "--cov-report=term-missing:skip-covered", "--cov-fail-under=100"),
        ),
        "add the row that is missing, or remove what nothing reaches",
    ),
    Step(
        "tests",
        "Tests",
        (_PYTHON, "-m", "pytest", "-n", "2", "--dist", "worksteal", "-q"),
        "make unit for the fast ones",
    ),
)


def run(steps: Sequence[Step]) -> list[Step]:
    """Run the steps in order, whatever fails; answers those that failed."""
    failed = []
    surroundings = os.environ | {kubectl.VARIABLE: str(kubectl.find())}
    for number, step in enumerate(steps, 1):
        print(f"\n=== [{number}/{len(steps)}] {step.title}", flush=True)
        began = time.monotonic()
        code = _exit_code(step, surroundings)
        verdict = "passed" if code == 0 else f"FAILED (exit {code}); {step.hint}"
        print(f"--- {step.title}: {verdict} in {time.monotonic() - began:.1f} s", flush=True)
        if code != 0:
            failed.append(step)
    return failed


def _exit_code(step: Step, surroundings: Mapping[str, str]) -> int:
    try:
        done = subprocess.run(step.command, check=False, cwd=environment.ROOT, env=surroundings)
    except OSError as error:
        print(f"{step.command[0]} cannot be run: {error}", flush=True)
        return 127
    return done.returncode


def main(names: Sequence[str]) -> int:
    """Run all steps, or the named ones; 1 when any failed."""
    unknown = set(names) - {step.name for step in STEPS}
    if unknown:
        known = ", ".join(step.name for step in STEPS)
        print(f"no step {', '.join(sorted(unknown))}; there are: {known}", file=sys.stderr)
        return 2
    chosen = [step for step in STEPS if not names or step.name in names]
    failed = run(chosen)
    if failed:
        print(f"\nFAILED: {', '.join(step.name for step in failed)}")
        return 1
    print(f"\npassed: {', '.join(step.name for step in chosen)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
