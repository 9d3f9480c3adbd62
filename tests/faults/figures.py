"""The figures of a run: how many faults of each kind were tried in each scenario, and what failed.

`conftest` prints the sums of every run. `Progress` is the whole run's own reporter: a line for each
test that ends, and a file at the end; `python -m tests.faults.figures` puts that file's figures
into docs/reliability.md.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.faults.scenarios import SCENARIOS

PROPERTY = "faults"
KEPT = Path(".cache/faults/figures.json")
PAGE = Path("docs/reliability.md")
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
_ELSEWHERE = "elsewhere"  # the column of what belongs to no scenario
_NAMES = {scenario.__name__ for scenario in SCENARIOS}


@dataclass
class Sum:
    """Faults of one kind: how many, how many of them failed, and how long they took."""

    tried: int = 0
    failed: int = 0
    seconds: float = 0.0


@dataclass
class Figures:
    """What a whole run leaves."""

    commit: str
    ended: str
    tests: int = 0
    of: int = 0
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0
    kinds: dict[str, dict[str, Sum]] = field(default_factory=dict)
    """By kind of fault, then by scenario."""


def sums(reports: Iterable[pytest.TestReport]) -> dict[str, dict[str, Sum]]:
    """What was tried, by kind and scenario."""
    found: dict[str, dict[str, Sum]] = {}
    for report in reports:
        told = _told(report)
        for what, count, failed in told:
            one = found.setdefault(what, {}).setdefault(_scenario(report.nodeid), Sum())
            one.tried += count
            one.failed += failed
            one.seconds += report.duration / len(told)
    return found


def lines(kinds: dict[str, dict[str, Sum]]) -> Iterator[str]:
    """A line for each kind."""
    for kind, row in sorted(kinds.items()):
        tried, failed = sum(s.tried for s in row.values()), sum(s.failed for s in row.values())
        ended = f"{failed} FAILED" if failed else "all passed"
        yield f"{kind}: {tried:,} tried, {ended}"


class Progress:
    """A plugin of pytest: instead of dots a line for each test, and at last the figures."""

    def __init__(self, whole: bool) -> None:
        self._whole = whole
        self._commit = _commit()
        self._began = time.monotonic()
        self._expected = 0
        self._reports: list[pytest.TestReport] = []
        self._failures: list[str] = []

    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """How many there are to come."""
        self._expected = len(ids)

    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, str] | None:
        """No dots."""
        return ("passed", "", "") if report.passed and report.when == "call" else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Say how a test ended."""
        if report.failed:
            self._failures.append(report.nodeid)
        if report.when != "call":
            return
        self._reports.append(report)
        tried = ", ".join(f"{count:,} {what}" for what, count, _ in _told(report))
        passed = timedelta(seconds=round(time.monotonic() - self._began))
        print(
            f"{passed} {len(self._reports)}/{self._expected} "
            f"{'passed' if report.passed else 'FAILED'} in {report.duration:.0f} s: "
            f"{report.nodeid.removeprefix('tests/')}{tried and f' ({tried})'}",
            flush=True,
        )

        if self._whole:
            self._keep()

    def pytest_sessionfinish(self) -> None:
        """Print the figures."""
        print("\n" + "\n".join(table(self._figures())), flush=True)

    def _figures(self) -> Figures:
        return Figures(
            commit=self._commit,
            ended=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            tests=len(self._reports),
            of=self._expected,
            failures=sorted(set(self._failures)),
            seconds=time.monotonic() - self._began,
            kinds=sums(self._reports),
        )

    def _keep(self) -> None:
        """Keep the figures so far: a run that is interrupted has some, too."""
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        KEPT.write_text(json.dumps(asdict(self._figures()), indent=1) + "\n")


def table(found: Figures) -> Iterator[str]:
    """The figures in Markdown: a row for each kind of fault, then one for each scenario."""
    yield (
        f"Ended {found.ended}, commit `{found.commit}`: {found.tests:,} tests of "
        f"{found.of:,}, "
        f"{len(found.failures)} failures, {timedelta(seconds=round(found.seconds))} on "
        "two workers."
    )
    yield ""
    yield "| Fault | Tried | Failed | Seconds |"
    yield "|---|---|---|---|"
    for kind, row in sorted(found.kinds.items()):
        yield f"| {kind} | {_cells(row.values())} |"
    yield f"| **all** | {_cells(one for row in found.kinds.values() for one in row.values())} |"
    yield ""
    yield "| Scenario | Requests that change something | Faults tried | Failed | Seconds |"
    yield "|---|---|---|---|---|"
    for name in sorted(_NAMES):
        points = found.kinds.get("crash points", {}).get(name, Sum()).tried // 3
        of_it = [row[name] for row in found.kinds.values() if name in row]
        yield f"| `{name}` | {points} | {_cells(of_it)} |"


def write_page(found: Figures, page: Path = PAGE) -> None:
    """Put the figures between their marks."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    assert after, f"{page} has no {BEGIN} and {END}"
    page.write_text("\n".join((before + BEGIN, *table(found), END)) + after)


def read(path: Path = KEPT) -> Figures:
    """The figures that a whole run left."""
    content = json.loads(path.read_text())
    kinds = {
        kind: {name: Sum(**one) for name, one in row.items()}
        for kind, row in content.pop("kinds").items()
    }
    return Figures(**content, kinds=kinds)


def _cells(of: Iterable[Sum]) -> str:
    counted = list(of)
    tried, failed = sum(one.tried for one in counted), sum(one.failed for one in counted)
    return f"{tried:,} | {failed:,} | {sum(one.seconds for one in counted):,.0f}"


def _told(report: pytest.TestReport) -> list[tuple[str, int, int]]:
    """What a test said of itself: kind, how many, how many of them failed."""
    properties: list[tuple[str, Any]] = report.user_properties
    return [(value[0], value[1], value[2]) for name, value in properties if name == PROPERTY]


def _scenario(nodeid: str) -> str:
    """The scenario among a test's parameters."""
    parameters = nodeid.partition("[")[2].removesuffix("]").split("-")
    return next((each for each in parameters if each in _NAMES), _ELSEWHERE)


def _commit() -> str:
    words = ["git", "rev-parse", "--short", "HEAD"]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    write_page(read())
    print(f"{PAGE}: figures of the run that ended {read().ended}", file=sys.stderr)
