"""Counts what was tried, over all workers, and says it at the end of the run."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.faults import trials, world

Tried = Callable[[str, int], None]


@pytest.fixture(scope="session", autouse=True)
def _template() -> Iterator[None]:
    yield
    world.forget_template()


@pytest.fixture
def tried(record_property: Callable[[str, object], None]) -> Tried:
    """`tried("crash points", 12)`: so many were tried."""

    def record(what: str, count: int) -> None:
        record_property(f"faults: {what}", count)

    return record


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole run takes its time."""
    for item in items:
        if trials.WHOLE and "tests/faults" in item.nodeid:
            item.add_marker(pytest.mark.timeout(1800))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the sums."""
    sums: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", ()):
        for name, value in report.user_properties:
            if name.startswith("faults: "):
                sums[name.removeprefix("faults: ")] += value
    for name, count in sorted(sums.items()):
        terminalreporter.write_line(f"{name}: {count} tried, all passed")
