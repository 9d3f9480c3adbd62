"""Counts what the core does: the `Journal` port on Prometheus collectors.

Made by the composition roots. Only translation of transitions into counts belongs here.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta

from controller.backends.base import Build
from controller.metrics import DeploymentMetrics
from controller.models.reasons import EXPLANATIONS, Owner, Reason
from controller.models.tooldeployment import (
    BuildOrigin,
    BuildStatus,
    Phase,
    State,
    ToolDeployment,
    ToolDeploymentStatus,
    Trigger,
)
from controller.reconcile.actions import Outcome

# The ends that alerts count. What a counter shows first is no increase to Prometheus, so the first
# failure after a restart would be lost if these did not begin at 0.
_ENDS = (
    (State.SUCCESSFUL, Reason.DEPLOYED),
    *(
        (state, reason)
        for reason, told in EXPLANATIONS.items()
        if told.owner is Owner.PLATFORM
        for state in (State.FAILED, State.TIMED_OUT)
    ),
)


class MetricsJournal:
    """Records transitions of status. `also` is told of each transition as well (a display)."""

    def __init__(
        self,
        metrics: DeploymentMetrics,
        clock: Callable[[], datetime],
        also: Callable[[ToolDeployment], None] = lambda _: None,
    ) -> None:
        self._metrics = metrics
        self._clock = clock
        self._also = also
        for trigger in Trigger:
            for state, reason in _ENDS:
                metrics.may_finish(trigger.value, state.value, reason.value)

    def moved(
        self, deployment: ToolDeployment, old: ToolDeploymentStatus, new: ToolDeploymentStatus
    ) -> None:
        """A status was patched from old to new."""
        self._phases(deployment, old, new)
        self._builds(old, new)
        self._jobs(old, new)
        if new.status.final and not old.status.final:
            self._finished(deployment, new)
        self._also(deployment)

    def done(self, outcome: Outcome) -> None:
        """An action was carried out; only builds are counted here, the rest by its effect."""
        if isinstance(outcome.result, Build):
            self._metrics.build("started")

    def _phases(
        self, deployment: ToolDeployment, old: ToolDeploymentStatus, new: ToolDeploymentStatus
    ) -> None:
        ended = new.status.final and not old.status.final
        if old.phase == new.phase and not ended:
            return
        now = self._clock()
        since = old.phase_since or deployment.metadata.creation_timestamp
        applied = max((run.applied_at for run in new.runs.values() if run.applied_at), default=None)
        if ended and old.phase == Phase.RUNNING and applied is not None:
            # That it went on to verifying was not worth a write of its own.
            self._metrics.phase_took(Phase.RUNNING.value, max(applied - since, timedelta()))
            self._metrics.phase_took(Phase.VERIFYING.value, now - applied)
        else:
            self._metrics.phase_took(old.phase.value, now - since)

    def _builds(self, old: ToolDeploymentStatus, new: ToolDeploymentStatus) -> None:
        for name, build in new.builds.items():
            before = old.builds.get(name)
            known = before is not None and before.origin is not None
            if build.origin in (BuildOrigin.JOINED, BuildOrigin.REUSED) and not known:
                self._metrics.build(build.origin.value)
            status = before.build_status if before else None
            ended = (BuildStatus.FAILED, BuildStatus.CANCELLED)
            if build.build_status in ended and build.build_status != status:
                self._metrics.build(build.build_status.value)

    def _jobs(self, old: ToolDeploymentStatus, new: ToolDeploymentStatus) -> None:
        for name, run in new.runs.items():
            before = old.runs.get(name)
            if run.change is not None and (before is None or before.change is None):
                self._metrics.job(run.change.value)
        for _ in set(new.removed_jobs) - set(old.removed_jobs):
            self._metrics.job("removed")

    def _finished(self, deployment: ToolDeployment, new: ToolDeploymentStatus) -> None:
        trigger = deployment.spec.trigger.kind
        reason = new.reason.value if new.reason else ""
        self._metrics.finished(trigger.value, new.status.value, reason)
        if trigger.automatic and new.finished_at is not None:
            took = new.finished_at - deployment.metadata.creation_timestamp
            self._metrics.commit_final(new.status.value, took)


def watch_gauges(
    metrics: DeploymentMetrics,
    unfinished: Callable[[], Iterable[ToolDeployment]],
    clock: Callable[[], datetime],
) -> None:
    """Have the gauges of unfinished deployments read from `unfinished` at every scrape."""

    def waiting() -> list[ToolDeployment]:
        return [d for d in unfinished() if d.status.started_at is None]

    def oldest(deployments: Iterable[ToolDeployment]) -> timedelta:
        created = min((d.metadata.creation_timestamp for d in deployments), default=None)
        return clock() - created if created else timedelta()

    def unserved() -> list[ToolDeployment]:
        served = {d.metadata.namespace for d in unfinished() if d.status.started_at is not None}
        return [d for d in waiting() if d.metadata.namespace not in served]

    def phases() -> Mapping[str, float]:
        found = Counter(d.status.phase for d in unfinished())
        return {phase.value: found[phase] for phase in Phase}

    def late() -> float:
        now = clock()
        return sum(1 for d in unfinished() if d.status.deadline and d.status.deadline < now)

    metrics.watch(
        unfinished=lambda: sum(1 for _ in unfinished()),
        waiting=lambda: len(waiting()),
        oldest_waiting=lambda: oldest(waiting()),
        oldest_unserved=lambda: oldest(unserved()),
        phases=phases,
        past_deadline=late,
    )
