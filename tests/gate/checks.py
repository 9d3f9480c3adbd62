"""The gate's steps, with a heading and a time each: `make test` runs them all.

Called by the Makefile with the clone's own Python. `python -m tests.gate.checks` runs every step
and reports all that failed, not only the first; names of steps as arguments run only those. A tool
that is missing fails its step: nothing is ever skipped. Two steps run side by side, because most
use one core; what each prints is shown when it ends. The last one has the machine for itself.
"""

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.gate import environment, kubectl

_PYTHON = sys.executable
_BIN = Path(sys.executable).parent
_SIDE_BY_SIDE = 2


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
    "tests/unit/test_leader_work.py",
    "tests/unit/test_loop.py",
    "tests/unit/test_workqueue.py",
    "tests/unit/watchers/test_decide.py",
    "tests/unit/watchers/test_decide_around.py",
)

# Those that take longest come first, so that the two that run side by side end together.
STEPS = (
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
        "format",
        "The code is formatted",
        (_PYTHON, "-m", "ruff", "format", "--check", "."),
        "make fmt",
    ),
    Step("lint", "Lint", (_PYTHON, "-m", "ruff", "check", "."), "make fmt mends what can be"),
    Step(
        "tests",
        "All other tests",
        (
            # One more than the cores of a small machine: many wait for processes and clocks.
            *(_PYTHON, "-m", "pytest", "-n", "3", "--dist", "worksteal", "-q"),
            *(f"--ignore={path}" for path in _DECISION_TESTS),
        ),
        "make unit for the fast ones",
    ),
)


@dataclass(frozen=True)
class Ended:
    """How a step ended: its exit code, how long it took, and what it printed (if that was kept)."""

    code: int
    seconds: float
    printed: str


def run(steps: Sequence[Step]) -> list[Step]:
    """Run all steps, whatever fails: all but the last side by side. Answers those that failed."""
    surroundings = os.environ | {kubectl.VARIABLE: str(kubectl.find())}
    failed = []
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        running = [pool.submit(_run, step, surroundings, keep=True) for step in steps[:-1]]
        for number, step in enumerate(steps, 1):
            print(f"\n=== [{number}/{len(steps)}] {step.title}", flush=True)
            last = number == len(steps)
            ended = _run(step, surroundings, keep=False) if last else running[number - 1].result()
            verdict = "passed" if ended.code == 0 else f"FAILED (exit {ended.code}); {step.hint}"
            print(
                f"{ended.printed}--- {step.title}: {verdict} in {ended.seconds:.1f} s", flush=True
            )
            if ended.code != 0:
                failed.append(step)
    return failed


def _run(step: Step, surroundings: Mapping[str, str], *, keep: bool) -> Ended:
    output = (subprocess.PIPE, subprocess.STDOUT) if keep else (None, None)
    began = time.monotonic()
    try:
        done = subprocess.run(
            step.command,
            check=False,
            cwd=environment.ROOT,
            env=surroundings,
            stdout=output[0],
            stderr=output[1],
            text=True,
        )
    except OSError as error:
        return Ended(127, 0, f"{step.command[0]} cannot be run: {error}\n")
    return Ended(done.returncode, time.monotonic() - began, done.stdout or "")


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
