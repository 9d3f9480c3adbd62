"""`make demo` as a test: the main job in a terminal, told with claims that were all checked."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.repo import tree

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]

# Less than a minute by itself; other tests may run beside it.
_LIMIT_SECONDS = 100.0


@pytest.fixture(scope="module")
def told() -> str:
    """What the demo printed, and that it ended well and in time."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        cwd=tree.ROOT,
        env={**os.environ, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=140,
        check=False,
    )
    took = time.monotonic() - began
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert took < _LIMIT_SECONDS
    return done.stdout


def _claims(text: str) -> list[str]:
    """The claims that held, without what differs between two runs."""
    found = re.findall(r"(?m)^\s*[\d.]+ s ✓  (.+?)\s*$", text)
    return [re.sub(r"process \d+", "process N", claim) for claim in found]


def test_every_claim_of_the_demo_holds(told: str) -> None:
    assert _claims(told)[-1] == "Nothing is left running"
    assert "✗" not in told
    assert f"All {len(_claims(told))} claims held" in told


def test_the_demo_shows_what_the_readme_says_that_it_shows(told: str) -> None:
    promised = _claims(tree.text(Path("README.md")))
    assert promised == _claims(told)[-len(promised) :]
    assert len(promised) > 10
