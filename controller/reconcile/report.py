"""Which changes of a status are worth a write: milestones at once, mere progress now and then.

Called by `reconciler`. Pure. A deployment of many components would otherwise cost a write for every
build that begins or ends; what is not written is derived from the world again at the next look.
"""

from datetime import datetime

from controller.models.tooldeployment import Phase, ToolDeploymentStatus
from controller.reconcile.observed import Policy

__all__ = ["to_write"]


# That jobs are being looked at goes without saying once they were applied.
_RUNS = Phase.RUNNING


def to_write(
    old: ToolDeploymentStatus, new: ToolDeploymentStatus, policy: Policy, now: datetime
) -> ToolDeploymentStatus | None:
    """The status to write, stamped with the time of the report; None while it can wait."""
    if new == old:
        return None
    waited = old.reported_at is None or now - old.reported_at >= policy.report_progress
    if _milestones(old) == _milestones(new) and not waited:
        return None
    return new.model_copy(update={"reported_at": now})


def _milestones(status: ToolDeploymentStatus) -> tuple[object, ...]:
    """What must not be lost, and what somebody may be waiting for."""
    return (
        status.status,
        _RUNS if status.phase == Phase.VERIFYING else status.phase,
        status.queue_position,
        status.blocked_by,
        status.failure,
        status.superseded_by,
        status.ending_since,
        status.observed_generation,
        status.removed_jobs,
        status.tool_config,
        {n: (b.build_id, b.commit, b.build_image) for n, b in status.builds.items()},
        {n: (r.change, r.applied_at) for n, r in status.runs.items()},
    )
