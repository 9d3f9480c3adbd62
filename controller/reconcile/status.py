"""The status of a deployment after a step: the only place where status is made.

`status_of(step, outcomes, policy, now)` is called by `reconciler` for each unfinished deployment.
Pure. It reads the old status for nothing but times that are kept and results that are finished.
"""

from collections.abc import Sequence
from datetime import datetime

from controller.backends.base import Applied, Build
from controller.errors import Terminal, Transient, Waiting
from controller.models.reasons import Reason
from controller.models.tooldeployment import (
    Failure,
    Phase,
    State,
    ToolDeploymentStatus,
)
from controller.reconcile import actions, conditions, records, words
from controller.reconcile.observed import Policy
from controller.reconcile.sources import failure_of
from controller.reconcile.steps import Step

__all__ = ["status_of"]

Outcomes = Sequence[actions.Outcome]

_PHASES = {
    Reason.RESOLVING: Phase.RESOLVING,
    Reason.BUILDING: Phase.BUILDING,
    Reason.STARTING: Phase.RUNNING,
    Reason.VERIFYING: Phase.VERIFYING,
    Reason.DEPLOYED: Phase.VERIFYING,
}


def status_of(
    step: Step,
    outcomes: Outcomes,
    policy: Policy,
    now: datetime,
    *,
    began: datetime | None = None,
) -> ToolDeploymentStatus:
    """What the deployment's status becomes; `outcomes` are those of this step's actions.

    `began`: when the actions were begun. A job counts as applied from then on: its instances may be
    up long before a slow service has answered for all of them.
    """
    if step.position:
        return _finish_up(step, _waiting(step), now)
    status = _begun(step, policy, began or now, now)
    if not step.undoing:
        status = _with_outcomes(status, outcomes, began or now, now)
    failure = step.failure or _refusal(outcomes, len(step.runs))
    message, reason = _doing(step, outcomes, failure)
    status = status.model_copy(
        update={
            "failure": failure,
            "message": message,
            "reason": reason,
            "ending_since": _ending_since(step, status, failure, now),
        }
    )
    return _finish_up(step, _ended(step, status, now), now)


def _waiting(step: Step) -> ToolDeploymentStatus:
    return step.deployment.status.model_copy(
        update={
            "status": State.PENDING,
            "queue_position": step.position,
            "blocked_by": step.behind,
            "message": step.message,
            "reason": step.reason,
        }
    )


def _begun(step: Step, policy: Policy, began: datetime, now: datetime) -> ToolDeploymentStatus:
    """Running since this look began, unless it ends without having begun or has begun before.

    One that succeeds at the first look (what it pins runs already) has begun in the same moment.
    """
    old = step.deployment.status
    cancelling = step.undoing and step.reason == Reason.CANCELLING
    update: dict[str, object] = {
        "status": State.CANCELLING if cancelling else State.RUNNING,
        "queue_position": 0,
        "blocked_by": "",
        "builds": dict(step.builds) or old.builds,
        "runs": dict(step.runs) or old.runs,
    }
    unbegun = step.ending is not None and step.ending.state != State.SUCCESSFUL
    if old.started_at is None and not unbegun:
        update |= {
            "started_at": began,
            "deadline": began + policy.deployment_timeout,
            "long_status": f"Started at {began}",
        }
    if old.tool_config is None and step.config is not None:
        update["tool_config"] = step.config
    phase = _PHASES.get(step.reason, old.phase)
    if phase != old.phase:
        update |= {"phase": phase, "phase_since": now}
    return old.model_copy(update=update)


def _with_outcomes(
    status: ToolDeploymentStatus, outcomes: Outcomes, began: datetime, now: datetime
) -> ToolDeploymentStatus:
    builds, runs, removed = dict(status.builds), dict(status.runs), list(status.removed_jobs)
    for outcome in outcomes:
        match outcome.action, outcome.result:
            case actions.ResolveRef(component=name), actions.Resolved() as resolved:
                builds[name] = records.resolved(builds[name], resolved)
            case actions.ResolveRef(component=name), None if outcome.error is not None:
                builds[name] = records.not_started(builds[name], outcome.error)
            case actions.StartBuild(request=request), Build() as build:
                builds[request.component] = records.started(builds[request.component], build)
            case actions.StartBuild(request=request), None if outcome.error is not None:
                name = request.component
                builds[name] = records.not_started(builds[name], outcome.error)
            case actions.ApplyJob(spec=spec), Applied() as applied:
                runs[spec.name] = records.applied(runs[spec.name], spec.name, applied, began, now)
            case actions.ApplyJob(spec=spec), None if outcome.error is not None:
                runs[spec.name] = records.not_applied(runs[spec.name], outcome.error)
            case actions.DeleteJob(name=name), None if outcome.error is None:
                if name not in runs and name not in removed:
                    removed.append(name)
            case _:
                pass  # an error that concerns the step as a whole, told by `_doing`
    return status.model_copy(
        update={"builds": builds, "runs": runs, "removed_jobs": tuple(removed)}
    )


def _refusal(outcomes: Outcomes, components: int) -> Failure | None:
    """The first action that was refused for good fails the deployment.

    But for a build that cannot be stopped: what is deployed is none the worse for it.
    """
    refused = [
        (o.action, o.error)
        for o in outcomes
        if isinstance(o.error, Terminal) and not isinstance(o.action, actions.CancelBuild)
    ]
    if not refused:
        return None
    action, error = refused[0]
    component, commit = records.subject(action)
    prefix = f"component {component}: " if component else ""
    names = [records.subject(other)[0] for other, _ in refused]
    text = words.failed([name for name in names if name], components, prefix + error.message)
    return failure_of(Reason(error.reason), text, component, commit, error.hint)


def _doing(step: Step, outcomes: Outcomes, failure: Failure | None) -> tuple[str, Reason]:
    if failure is not None and step.ending is None:
        return failure.message, failure.reason
    for outcome in outcomes:
        if isinstance(outcome.error, Waiting):
            return outcome.error.message, Reason(outcome.error.reason)
    for outcome in outcomes:
        if isinstance(outcome.error, Transient):
            return f"{step.message}; trying again: {outcome.error.message}", Reason.RETRYING
    return step.message, step.reason


def _ending_since(
    step: Step, status: ToolDeploymentStatus, failure: Failure | None, now: datetime
) -> datetime | None:
    begins = failure is not None or step.undoing
    return status.ending_since or (now if begins else None)


def _ended(step: Step, status: ToolDeploymentStatus, now: datetime) -> ToolDeploymentStatus:
    end = step.ending
    if end is None:
        return status
    if end.state == State.SUCCESSFUL:
        long_status = f"Finished at {now}"
    elif end.state == State.CANCELLED:
        long_status = "Deployment was cancelled"
        if end.superseded_by:
            long_status = f"Replaced by the newer deployment {end.superseded_by}"
    else:
        long_status = step.message
    return status.model_copy(
        update={
            "status": end.state,
            "long_status": long_status,
            "message": step.message,
            "reason": end.reason,
            "superseded_by": end.superseded_by,
            "kept_running": end.kept_running,
            "finished_at": now,
        }
    )


def _finish_up(step: Step, status: ToolDeploymentStatus, now: datetime) -> ToolDeploymentStatus:
    generation = step.deployment.metadata.generation
    reason = (status.reason or Reason.WAITING_FOR_TURN).value
    ended = status.status.final
    good = status.status == State.SUCCESSFUL
    wanted = (
        conditions.Wanted("Progressing", not ended, reason, status.message),
        conditions.Wanted("Complete", good, reason, status.message),
        conditions.Wanted("Failed", ended and not good, reason, status.message),
    )
    return status.model_copy(
        update={
            "commit": records.short_commits(status.builds.values()),
            "conditions": conditions.merge(status.conditions, wanted, generation, now),
            "observed_generation": generation,
        }
    )
