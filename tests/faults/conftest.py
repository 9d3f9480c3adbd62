"""Fixtures of the fault tests; what was tried is counted, and told at the end of each run."""

import os
from collections.abc import Callable, Iterator, Sized
from typing import Any

import pytest

from tests.faults import figures, trials, world

Tried = Callable[..., None]


@pytest.fixture(scope="session", autouse=True)
def _template() -> Iterator[None]:
    yield
    world.forget_template()


@pytest.fixture(scope="package", autouse=True)
def _no_certificates() -> Iterator[None]:
    """No authority of the machine is trusted: to read them all takes longer than the rest of a run.

    Every controller that is started makes two TLS contexts, 50 to 75 ms each.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", os.devnull)
        patch.setenv("SSL_CERT_DIR", os.devnull)
        yield


@pytest.fixture
def tried(record_property: Callable[[str, object], None]) -> Tried:
    """`tried("crash points", 12, wrong)`: so many were tried, and those in `wrong` failed.

    Called before the assertion, so that a test that fails counts, too.
    """

    def record(what: str, count: int, wrong: Sized = ()) -> None:
        record_property(figures.PROPERTY, [what, count, len(wrong)])

    return record


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The whole run takes its time, and begins with what the project promises most."""
    if trials.WHOLE:
        items.sort(key=lambda item: "test_crashes" not in item.nodeid)
    for item in items:
        if trials.WHOLE and "tests/faults" in item.nodeid:
            item.add_marker(pytest.mark.timeout(3600))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the sums."""
    reports = [
        report
        for kind in ("passed", "failed")
        for report in terminalreporter.stats.get(kind, ())
        if report.when == "call"
    ]
    for line in figures.lines(figures.sums(reports)):
        terminalreporter.write_line(line)
