"""Every Prometheus collector of the program, with its unit and help, and small functions to record.

A composition root makes one `Metrics` on a registry of its own and hands the groups to those who
record: the loop gets `metrics.reconcile`, the poller `metrics.polls`, and so on. Labels come only
from fixed sets (states, reasons, verbs, status codes, routes), never from what a tenant can choose:
10,000 tools must not mean 10,000 series. Nothing here decides anything.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
)

PREFIX = "ptd"
OTHER = "other"

_REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_PHASE_BUCKETS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)
_LAG_BUCKETS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300)

PHASES = frozenset({"waiting", "resolving", "building", "running", "verifying"})
BUILD_EVENTS = frozenset({"started", "joined", "reused", "failed", "cancelled"})
JOB_CHANGES = frozenset({"created", "updated", "restarted", "unchanged", "removed"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WATCH", "LIST"})


def _known(value: str, allowed: frozenset[str]) -> str:
    """The value itself if it is one of the few allowed, else "other"."""
    return value if value in allowed else OTHER


def _code(code: int | str) -> str:
    """A status code, or one of "timeout" and "error" where no answer came."""
    if isinstance(code, int):
        return str(code) if 100 <= code <= 599 else OTHER
    return _known(code, frozenset({"timeout", "error"}))


class _Group:
    """Makes collectors on one registry; names get the prefix."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", text, labels, registry=self._registry)

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", text, labels, buckets=buckets, registry=self._registry)


class DeploymentMetrics(_Group):
    """What became of deployments, builds and jobs."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._finished = self._counter(
            "deployments_finished_total",
            "Deployments that reached a final state.",
            *("trigger", "state", "reason"),
        )
        self._phase = self._histogram(
            "deployment_phase_seconds",
            "Time that a deployment spent in a phase.",
            _PHASE_BUCKETS,
            "phase",
        )
        self._commit_to_final = self._histogram(
            "commit_to_final_seconds",
            "Time from the first sight of a commit to the final state of its deployment.",
            _PHASE_BUCKETS,
            "state",
        )
        self._builds = self._counter(
            "builds_total", "Builds by what became of the wish for them.", "event"
        )
        self._jobs = self._counter("jobs_total", "Jobs by what a deployment did to them.", "change")
        self._waiting = self._gauge("deployments_waiting", "Deployments that wait for their turn.")
        self._oldest = self._gauge(
            "deployments_oldest_waiting_seconds", "Age of the oldest waiting deployment."
        )
        self._unfinished = self._gauge(
            "deployments_unfinished", "Deployments without a final state, waiting ones included."
        )
        self._late = self._gauge(
            "deployments_past_deadline", "Unfinished deployments whose deadline has passed."
        )

    def finished(self, trigger: str, state: str, reason: str) -> None:
        """A deployment became final; all three are words of our enums."""
        self._finished.labels(trigger, state, reason).inc()

    def phase_took(self, phase: str, took: timedelta) -> None:
        """A deployment left a phase (one of PHASES)."""
        self._phase.labels(_known(phase, PHASES)).observe(took.total_seconds())

    def commit_final(self, state: str, took: timedelta) -> None:
        """A deployment made for a commit became final, `took` after the commit was first seen."""
        self._commit_to_final.labels(state).observe(took.total_seconds())

    def build(self, event: str) -> None:
        """A build was started, joined, reused, failed or cancelled (BUILD_EVENTS)."""
        self._builds.labels(_known(event, BUILD_EVENTS)).inc()

    def job(self, change: str) -> None:
        """A job was created, updated, restarted, left alone or removed (JOB_CHANGES)."""
        self._jobs.labels(_known(change, JOB_CHANGES)).inc()

    def watch(
        self,
        *,
        unfinished: Callable[[], float],
        waiting: Callable[[], float],
        oldest_waiting: Callable[[], timedelta],
        past_deadline: Callable[[], float],
    ) -> None:
        """Read the four gauges from these functions at every scrape."""
        self._unfinished.set_function(unfinished)
        self._waiting.set_function(waiting)
        self._oldest.set_function(lambda: oldest_waiting().total_seconds())
        self._late.set_function(past_deadline)


class PollMetrics(_Group):
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
            _LAG_BUCKETS,
        )
        self._seconds = self._histogram(
            "repository_poll_seconds", "How long a check of a repository took.", _REQUEST_BUCKETS
        )
        self._last_good = self._gauge(
            "repository_last_good_poll_timestamp_seconds",
            "When any repository was last checked with success (Unix time).",
        )
        self._watched = self._gauge("repositories_watched", "Repositories that are polled.")
        self._refs = self._counter("refs_found_total", "Refs that checks have resolved.")
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


class ReconcileMetrics(_Group):
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
            "reconcile_seconds", "How long a reconcile took.", _REQUEST_BUCKETS
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


class RequestMetrics(_Group):
    """Requests that we make: to the control plane and to the backends."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._control_plane = self._histogram(
            "control_plane_request_seconds",
            "Requests to the Kubernetes API, by verb and status code.",
            _REQUEST_BUCKETS,
            *("verb", "code"),
        )
        self._backend = self._histogram(
            "backend_request_seconds",
            "Requests to the build and job services, by verb and status code.",
            _REQUEST_BUCKETS,
            *("service", "verb", "code"),
        )

    def control_plane(self, verb: str, code: int | str, seconds: float) -> None:
        """A request was answered with `code`, or ended in "timeout" or "error"."""
        self._control_plane.labels(_known(verb, _METHODS), _code(code)).observe(seconds)

    def backend(self, service: str, verb: str, code: int | str, seconds: float) -> None:
        """The same for a request to the service "builds" or "jobs"."""
        labels = (_known(service, frozenset({"builds", "jobs"})), _known(verb, _METHODS))
        self._backend.labels(*labels, _code(code)).observe(seconds)


class WatchMetrics(_Group):
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


class LeaderMetrics(_Group):
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


class HttpMetrics(_Group):
    """The HTTP API that we serve."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._seconds = self._histogram(
            "http_request_seconds",
            "Requests to the HTTP API, by route, method and status code; long polls excepted.",
            _REQUEST_BUCKETS,
            *("route", "method", "code"),
        )
        self._requests = self._counter(
            "http_requests_total", "Requests to the HTTP API.", *("route", "method", "code")
        )
        self._waiters = self._gauge("http_waiters", "Requests that wait for a deployment.")

    def answered(
        self, route: str, method: str, code: int, seconds: float, *, waited: bool = False
    ) -> None:
        """A request was answered; `route` is the pattern of the table, never the path."""
        labels = (route, _known(method, _METHODS), _code(code))
        self._requests.labels(*labels).inc()
        if not waited:
            self._seconds.labels(*labels).observe(seconds)

    def waiters(self, change: int) -> None:
        """So many requests more (or fewer) wait now."""
        self._waiters.inc(change)


class Metrics:
    """All groups on one registry, with the process and Python collectors."""

    def __init__(self, registry: CollectorRegistry, *, version: str, role: str) -> None:
        self.registry = registry
        self.deployments = DeploymentMetrics(registry)
        self.polls = PollMetrics(registry)
        self.reconcile = ReconcileMetrics(registry)
        self.requests = RequestMetrics(registry)
        self.watches = WatchMetrics(registry)
        self.leader = LeaderMetrics(registry)
        self.http = HttpMetrics(registry)
        Info(f"{PREFIX}_build", "Version and role of this process.", registry=registry).info(
            {"version": version, "role": role}
        )
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
