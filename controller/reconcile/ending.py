"""How a deployment ends other than well: what it left half-done is undone first.

Called by the rules of `plan`. A failure is recorded in status before anything is undone, because
undoing removes the evidence: after a crash in between, the record still says what happened.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from controller.models.reasons import Reason
from controller.models.toolconfig import ToolConfigSpec
from controller.models.tooldeployment import (
    NO_BUILD_ID,
    BuildRecord,
    BuildStatus,
    Failure,
    KeptRunning,
    RunRecord,
    RunStatus,
    State,
    ToolDeployment,
)
from controller.reconcile import actions, sources
from controller.reconcile.observed import Observed
from controller.reconcile.steps import Ending, Step, Turn

__all__ = ["fail", "failing", "wind_down", "with_what_runs"]


_SKIPPED = {
    Reason.CANCELLED: "The deployment was cancelled",
    Reason.SUPERSEDED: "A newer deployment goes on",
}
_NOT_BEGUN = "Skipped due to previous failure"
_STOPPED = "Stopped as the deployment failed"


def fail(deployment: ToolDeployment, reason: Reason, message: str) -> Step:
    """Record that the deployment as a whole failed."""
    return failing(deployment, sources.failure_of(reason, message))


def failing(
    deployment: ToolDeployment,
    failure: Failure,
    *,
    builds: Mapping[str, BuildRecord] | None = None,
    runs: Mapping[str, RunRecord] | None = None,
    config: ToolConfigSpec | None = None,
) -> Step:
    """Record a failure; the next look winds down and ends it."""
    return Step(
        deployment,
        failure.reason,
        failure.message,
        builds=builds if builds is not None else deployment.status.builds,
        runs=runs if runs is not None else deployment.status.runs,
        config=config,
        failure=failure,
        after=timedelta(),
    )


def wind_down(turn: Turn, end: Ending) -> Step:
    """Stop the builds that only this deployment needs, drop jobs that have not taken over, end.

    The end comes when the backends show that nothing is left to undo, or after the cleanup
    time-out: a build service that is away may not keep a deployment from its final state.
    """
    observed, deployment = turn.observed, turn.deployment
    undo = _undo(observed, deployment)
    since = deployment.status.ending_since
    out_of_time = since is not None and turn.now - since >= observed.policy.cleanup_timeout
    if (undo or observed.blind) and not out_of_time:
        return Step(
            deployment,
            Reason.CANCELLING if end.reason == Reason.CANCELLED else end.reason,
            f"stopping what is still going ({observed.blind or len(undo)})",
            actions=undo,
            builds=deployment.status.builds,
            runs=deployment.status.runs,
            failure=deployment.status.failure,
            undoing=True,
            after=observed.policy.look_at_builds,
        )
    known = deployment.status.failure
    failure = known if end.state != State.CANCELLED else None
    why = known.message if known and end.reason == known.reason else "cancelled"
    return Step(
        deployment,
        end.reason,
        why,
        builds=_ended_builds(deployment, end),
        runs=_skipped_runs(deployment, end),
        failure=failure,
        ending=end,
    )


def with_what_runs(step: Step, observed: Observed) -> Step:
    """A step that ends a deployment other than well says which older one goes on running."""
    end = step.ending
    if end is None or end.state == State.SUCCESSFUL:
        return step
    born = step.deployment.metadata.creation_timestamp
    good = [f for f in observed.finished if f.state is State.SUCCESSFUL and f.created_at <= born]
    if not good:
        return step
    newest = max(good, key=lambda f: (f.created_at, f.name))
    kept = KeptRunning(deploy_id=newest.name, commits=dict(newest.commits))
    return replace(step, ending=replace(end, kept_running=kept))


def _undo(observed: Observed, deployment: ToolDeployment) -> tuple[actions.Action, ...]:
    # Deployments of a tool take turns: a build that this one started, or found left over, serves
    # nobody else.
    own = (b for b in observed.builds if b.state.live and b.deployment == deployment.name)
    cancels = tuple(actions.CancelBuild(build.id) for build in (*own, *observed.left_over()))
    reverts = tuple(
        actions.ApplyJob(job.serving)
        for job in observed.jobs
        if job.serving is not None and job.name in deployment.status.runs
    )
    return cancels + reverts


def _ended_builds(deployment: ToolDeployment, end: Ending) -> dict[str, BuildRecord]:
    """One that waited to begin does so no more; the others keep the words that lead to their log.

    The existing service keeps them, too.
    """
    unfinished = (BuildStatus.PENDING, BuildStatus.RUNNING, BuildStatus.UNKNOWN)
    why = {"build_long_status": _why(end, _STOPPED)}
    builds = dict(deployment.status.builds)
    for name, record in builds.items():
        if record.build_status in unfinished:
            stopped = {"build_status": BuildStatus.CANCELLED}
            waited = record.build_id == NO_BUILD_ID
            builds[name] = record.model_copy(update=stopped | (why if waited else {}))
    return builds


def _skipped_runs(deployment: ToolDeployment, end: Ending) -> dict[str, RunRecord]:
    skipped = {"run_status": RunStatus.SKIPPED, "run_long_status": _why(end, _NOT_BEGUN)}
    return {
        name: record.model_copy(update=skipped)
        if record.run_status == RunStatus.PENDING
        else record
        for name, record in deployment.status.runs.items()
    }


def _why(end: Ending, otherwise: str) -> str:
    return _SKIPPED.get(end.reason, otherwise)
