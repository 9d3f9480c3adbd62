"""Collectors of the repository watcher; recorded by `watchers.repositories.poller`."""

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry

from controller.metrics.group import LAG_BUCKETS, OTHER, REQUEST_BUCKETS, Group

MOST_HOSTS = 20


class PollMetrics(Group):
    """The repository watcher."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._polls = self._counter(
            "repository_polls_total", "Checks of a repository, by outcome.", "outcome"
        )
        self._errors = self._counter(
            "repository_poll_errors_total", "Failed checks of a repository, by reason.", "reason"
        )
        self._lag = self._histogram(
            "repository_poll_lag_seconds",
            "How much later than planned a check of a repository began.",
            LAG_BUCKETS,
        )
        self._seconds = self._histogram(
            "repository_poll_seconds", "How long a check of a repository took.", REQUEST_BUCKETS
        )
        self._last_good = self._gauge(
            "repository_last_good_poll_timestamp_seconds",
            "When any repository was last checked with success (Unix time).",
        )
        self._watched = self._gauge("repositories_watched", "Repositories that are polled.")
        self._refs = self._counter("refs_found_total", "Refs that checks have resolved.")
        self._overdue = self._gauge(
            "repository_most_overdue_seconds",
            "How long ago the check should have begun that is the latest and has not ended.",
        )
        self._by_host = self._reading(
            "repositories_on_host",
            f"Repositories that are polled, of the {MOST_HOSTS} hosts with most; then other.",
            "host",
        )
        self._unreachable = self._reading(
            "repositories_unreachable",
            "Those of them whose last check had no usable answer from the host.",
            "host",
        )
        self._saved = self._counter(
            "repository_polls_saved_total",
            "Checks that were not needed because components share a repository.",
        )

    def polled(self, took: timedelta, lag: timedelta, *, refs: int, at: datetime) -> None:
        """A check succeeded at `at`, began `lag` late and resolved `refs` refs."""
        self._polls.labels("good").inc()
        self._seconds.observe(took.total_seconds())
        self._lag.observe(max(0.0, lag.total_seconds()))
        self._refs.inc(refs)
        self._last_good.set(at.timestamp())

    def failed(self, reason: str, lag: timedelta) -> None:
        """A check failed for `reason`, a word of `models.reasons`."""
        self._polls.labels("failed").inc()
        self._errors.labels(reason).inc()
        self._lag.observe(max(0.0, lag.total_seconds()))

    def saved(self, checks: int) -> None:
        """So many checks were answered by one of another component."""
        self._saved.inc(checks)

    def watched(self, repositories: int) -> None:
        """So many repositories are polled now."""
        self._watched.set(repositories)

    def watch(
        self,
        *,
        overdue: Callable[[], timedelta],
        on_host: Callable[[], Mapping[str, int]],
        unreachable: Callable[[], Mapping[str, int]],
    ) -> None:
        """Read these at every scrape; hosts are chosen by tenants, so few are told apart."""
        self._overdue.set_function(lambda: overdue().total_seconds())
        self._by_host.read = lambda: _capped(on_host(), on_host())
        self._unreachable.read = lambda: _capped(unreachable(), on_host())


def _capped(numbers: Mapping[str, int], sizes: Mapping[str, int]) -> Mapping[str, float]:
    """The numbers of the largest hosts, 0 where there is none, and the sum of all others."""
    largest = [host for host, _ in Counter(sizes).most_common(MOST_HOSTS)]
    shown: dict[str, float] = {host: numbers.get(host, 0) for host in largest}
    if len(sizes) > len(largest):
        shown[OTHER] = sum(numbers.values()) - sum(shown.values())
    return shown
