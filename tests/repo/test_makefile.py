"""The Makefile: every target explains itself, and does nothing by itself."""

import re
import subprocess
from pathlib import Path

from tests.repo import tree

LINES = tree.text(Path("Makefile")).splitlines()
TARGETS = [found.group(1) for line in LINES if (found := re.match(r"([a-z][a-z-]*):(?!=)", line))]
EXPECTED = {
    *("help", "setup", "demo", "run", "test", "unit", "fmt", "lint", "types", "imports"),
    *("crds", "generate", "verify", "faults", "bench", "image", "clean"),
}


def test_the_targets_that_people_know_exist() -> None:
    assert set(TARGETS) >= EXPECTED


def test_every_target_says_what_it_does() -> None:
    silent = [line for line in LINES if re.match(r"[a-z][a-z-]*:(?!=)", line) and "## " not in line]
    assert silent == []


def test_every_target_is_phony() -> None:
    declared = next(line for line in LINES if line.startswith(".PHONY:")).split()[1:]
    assert sorted(declared) == sorted(TARGETS)


def test_make_alone_shows_every_target() -> None:
    shown = subprocess.run(
        ["make", "--no-print-directory"], cwd=tree.ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert [line.split()[0] for line in shown.splitlines()] == TARGETS


def test_recipes_only_call_modules_and_remove_leftovers() -> None:
    recipes = [line.strip().lstrip("@") for line in LINES if line.startswith("\t")]
    allowed = re.compile(r"\$\((PYTHON|VENV)\) -m |\.ci/packages$|awk |rm |find ")
    logic = [line for line in recipes if not allowed.match(line)]
    assert logic == []
