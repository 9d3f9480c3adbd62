"""Requirements: pinned, hashed, free of any index, and each with its reason."""

import re
from pathlib import Path

import pytest

from tests.repo import tree

INPUTS = sorted((tree.ROOT / "requirements").glob("*.in"))
LOCKS = sorted((tree.ROOT / "requirements").glob("*.txt"))


def _id(path: Path) -> str:
    return path.name


def _asked_for(path: Path) -> set[str]:
    lines = (line.strip() for line in path.read_text().splitlines())
    names = (
        re.match(r"[A-Za-z0-9._-]+", line) for line in lines if not line.startswith(("#", "-"))
    )
    return {_normal(found.group()) for found in names if found}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _pins(path: Path) -> dict[str, str]:
    entries = re.findall(r"(?m)^([A-Za-z0-9._-]+)==(\S+) \\$", path.read_text())
    return {_normal(name): version for name, version in entries}


def test_every_input_has_its_lock() -> None:
    assert [path.stem for path in INPUTS] == [path.stem for path in LOCKS]


@pytest.mark.parametrize("path", INPUTS, ids=_id)
def test_whatever_is_asked_for_is_pinned(path: Path) -> None:
    assert _asked_for(path) - set(_pins(path.with_suffix(".txt"))) == set()


@pytest.mark.parametrize("path", LOCKS, ids=_id)
def test_every_line_of_a_lock_is_a_pin_a_hash_or_a_comment(path: Path) -> None:
    allowed = re.compile(
        r"""
        $ | \s*\#.*                                   # nothing, or why it is there
        | [A-Za-z0-9._-]+==[^\s;]+(\ ;\ [^\\]+)?\ \\  # a pin, always followed by a hash
        | \s+--hash=sha256:[0-9a-f]{64}(\ \\)?        # a hash
        """,
        re.VERBOSE,
    )
    strange = [line for line in path.read_text().splitlines() if not allowed.fullmatch(line)]
    assert strange == []


def test_the_checks_run_on_the_versions_that_the_program_runs_on() -> None:
    run, dev = (_pins(tree.ROOT / "requirements" / f"{name}.txt") for name in ("run", "dev"))
    assert run.items() - dev.items() == set()


def test_every_dependency_is_explained() -> None:
    explained = set(re.findall(r"(?m)^\| `([^`]+)`", tree.text(Path("docs/dependencies.md"))))
    debian = [line.split() for line in tree.text(Path(".ci/debian-packages")).splitlines()]
    asked = {name for path in INPUTS for name in _asked_for(path)}
    asked |= {words[1] for words in debian if words[0] != "#"}
    assert {_normal(name) for name in explained} == asked
