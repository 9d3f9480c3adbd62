"""Collectors of what became of deployments, builds and jobs; recorded by the journal."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from prometheus_client import CollectorRegistry

from controller.metrics.group import PHASE_BUCKETS, Group, known

PHASES = frozenset({"waiting", "resolving", "building", "running", "verifying"})
BUILD_EVENTS = frozenset({"started", "joined", "reused", "failed", "cancelled"})
JOB_CHANGES = frozenset({"created", "updated", "restarted", "unchanged", "removed"})


class DeploymentMetrics(Group):
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
            PHASE_BUCKETS,
            "phase",
        )
        self._commit_to_final = self._histogram(
            "commit_to_final_seconds",
            "Time from the first sight of a commit to the final state of its deployment.",
            PHASE_BUCKETS,
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
        self._oldest_unserved = self._gauge(
            "deployments_oldest_unserved_seconds",
            "Age of the oldest deployment that waits although none of its tool is under way.",
        )
        self._in_phase = self._reading(
            "deployments_in_phase",
            "Unfinished deployments, by the phase that they are in.",
            "phase",
        )
        self._unfinished = self._gauge(
            "deployments_unfinished", "Deployments without a final state, waiting ones included."
        )
        self._late = self._gauge(
            "deployments_past_deadline", "Unfinished deployments whose deadline has passed."
        )

    def may_finish(self, trigger: str, state: str, reason: str) -> None:
        """Show a count of 0, so that Prometheus sees the first such end as an increase."""
        self._finished.labels(trigger, state, reason)

    def finished(self, trigger: str, state: str, reason: str) -> None:
        """A deployment became final; all three are words of our enums."""
        self._finished.labels(trigger, state, reason).inc()

    def phase_took(self, phase: str, took: timedelta) -> None:
        """A deployment left a phase (one of PHASES)."""
        self._phase.labels(known(phase, PHASES)).observe(took.total_seconds())

    def commit_final(self, state: str, took: timedelta) -> None:
        """A deployment made for a commit became final, `took` after the commit was first seen."""
        self._commit_to_final.labels(state).observe(took.total_seconds())

    def build(self, event: str) -> None:
        """A build was started, joined, reused, failed or cancelled (BUILD_EVENTS)."""
        self._builds.labels(known(event, BUILD_EVENTS)).inc()

    def job(self, change: str) -> None:
        """A job was created, updated, restarted, left alone or removed (JOB_CHANGES)."""
        self._jobs.labels(known(change, JOB_CHANGES)).inc()

    def watch(
        self,
        *,
        unfinished: Callable[[], float],
        waiting: Callable[[], float],
        oldest_waiting: Callable[[], timedelta],
        oldest_unserved: Callable[[], timedelta],
        phases: Callable[[], Mapping[str, float]],
        past_deadline: Callable[[], float],
    ) -> None:
        """Read the gauges from these functions at every scrape."""
        self._unfinished.set_function(unfinished)
        self._waiting.set_function(waiting)
        self._oldest.set_function(lambda: oldest_waiting().total_seconds())
        self._oldest_unserved.set_function(lambda: oldest_unserved().total_seconds())
        self._in_phase.read = phases
        self._late.set_function(past_deadline)
