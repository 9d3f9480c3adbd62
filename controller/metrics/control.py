"""Collectors of the loop, the object watcher and leadership; recorded by those themselves."""

from collections.abc import Callable
from datetime import timedelta

from prometheus_client import CollectorRegistry

from controller.metrics.group import REQUEST_BUCKETS, Group


class ReconcileMetrics(Group):
    """The loop and its queue."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._outcomes = self._counter(
            "reconciles_total",
            "Reconciles by outcome: done, again, waiting, transient, terminal, timeout, bug.",
            "outcome",
        )
        self._bugs = self._counter(
            "reconcile_bugs_total", "Exceptions that nobody meant: each is a bug of this program."
        )
        self._seconds = self._histogram(
            "reconcile_seconds", "How long a reconcile took.", REQUEST_BUCKETS
        )
        self._running = self._gauge("reconciles_running", "Reconciles that run now.")
        self._depth = self._gauge("workqueue_depth", "Tools that wait for a worker.")
        self._delayed = self._gauge("workqueue_delayed", "Tools that wait for their time.")
        self._wait = self._gauge(
            "workqueue_longest_wait_seconds", "How long the oldest ready tool has waited."
        )

    def started(self) -> None:
        """A reconcile begins."""
        self._running.inc()

    def ended(self, outcome: str, seconds: float) -> None:
        """A reconcile ended; `outcome` is one of the loop's words."""
        self._running.dec()
        self._seconds.observe(seconds)
        self._outcomes.labels(outcome).inc()
        if outcome == "bug":
            self._bugs.inc()

    def watch_queue(
        self,
        *,
        depth: Callable[[], float],
        delayed: Callable[[], float],
        longest_wait: Callable[[], timedelta],
    ) -> None:
        """Read the queue's gauges from these functions at every scrape."""
        self._depth.set_function(depth)
        self._delayed.set_function(delayed)
        self._wait.set_function(lambda: longest_wait().total_seconds())


class WatchMetrics(Group):
    """The object watcher and its cache. `kind` is the plural of one of our kinds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._restarts = self._counter(
            "watch_restarts_total", "Watches that ended and were begun again.", *("kind", "cause")
        )
        self._relists = self._counter("watch_relists_total", "Full lists for a watch.", "kind")
        self._age = self._gauge(
            "watch_newest_line_age_seconds",
            "Age of the newest line (event or bookmark) of a watch.",
            "kind",
        )
        self._differences = self._counter(
            "resync_differences_total",
            "Objects that a comparison found different in the cache; must stay 0.",
            "kind",
        )
        self._unreadable = self._gauge(
            "objects_unreadable", "Stored objects that cannot be read and are left alone.", "kind"
        )

    def restarted(self, kind: str, cause: str) -> None:
        """A watch ended for `cause` (one of the watcher's words)."""
        self._restarts.labels(kind, cause).inc()

    def relisted(self, kind: str) -> None:
        """All objects of a kind were listed."""
        self._relists.labels(kind).inc()

    def differed(self, kind: str, objects: int) -> None:
        """A comparison found so many objects different."""
        self._differences.labels(kind).inc(objects)

    def watch(
        self, kind: str, *, age: Callable[[], timedelta], unreadable: Callable[[], float]
    ) -> None:
        """Read the gauges of a kind from these functions at every scrape."""
        self._age.labels(kind).set_function(lambda: age().total_seconds())
        self._unreadable.labels(kind).set_function(unreadable)
        self._differences.labels(kind)


class LeaderMetrics(Group):
    """Who leads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._leads = self._gauge("leader", "1 while this process leads, else 0.")
        self._terms = self._counter("leader_terms_total", "How often this process became leader.")

    def leads(self, value: bool) -> None:
        """This process became leader, or is none any more."""
        self._leads.set(value)
        if value:
            self._terms.inc()
