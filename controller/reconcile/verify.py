"""The run half of a plan: what a component's job should be, and whether it truly runs.

Called by `plan`. Pure: facts about the job come from the backend (`base.JobStatus` is always about
the newest instances), the rule for "it runs" is here, and nowhere else.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from controller.backends.base import Job, JobKind, JobPhase, JobSpec, JobStatus
from controller.models.reasons import Reason
from controller.models.tooldeployment import JobChange, RunRecord, ToolDeployment
from controller.reconcile.observed import Policy

__all__ = ["Broken", "NotYet", "Up", "Verdict", "is_applied", "verdict_on", "wanted_job"]

# Services tell the age of a state in whole seconds, so a job may look this much older than it is.
_ROUNDING = timedelta(seconds=2)
# Long enough for what a change replaces to leave; then what is shown is about what replaced it.
_LEAVING = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Up:
    """The component runs as configured."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """Patience: `after` is when a look will tell more (None: whenever the backend is looked at).

    `settling`: it is up, and has to stay so for a moment.
    """

    message: str
    after: timedelta | None = None
    settling: bool = False


@dataclass(frozen=True, slots=True)
class Broken:
    """It will not come up without a change."""

    reason: Reason
    message: str
    log_tail: tuple[str, ...] = ()


Verdict = Up | NotYet | Broken


@dataclass(frozen=True, slots=True)
class _Patience:
    """How long is waited in all for what may still come up, and how long it has been so far."""

    whole: timedelta
    waited: timedelta

    @property
    def left(self) -> timedelta:
        return self.whole - self.waited


def wanted_job(mine: JobSpec, job: Job | None, deployment: ToolDeployment) -> JobSpec:
    """The job that a component should be; `mine` is what it is if this deployment changes it.

    Its restart_id names the deployment that changed or restarted it last, so an unforced deployment
    that changes nothing keeps it, and restarts nothing. A job that is in trouble since before this
    deployment is restarted: the cause may be gone by now.
    """
    if job is None or deployment.spec.force_run:
        return mine
    if job.spec is None:
        touched = deployment.status.runs.get(mine.name, RunRecord()).applied_at is not None
        restart = _is_in_trouble(job.status) and not touched
        return mine if restart else replace(mine, restart_id="")
    kept = replace(mine, restart_id=job.spec.restart_id)
    return mine if kept != job.spec or _is_in_trouble(job.status) else kept


def _is_in_trouble(status: JobStatus) -> bool:
    return status.trouble is not None or status.phase == JobPhase.DOWN


def is_applied(job: Job | None, wanted: JobSpec, record: RunRecord) -> bool:
    """Whether the backend has the wanted definition already.

    Where the backend's definition cannot be compared, the deployment's own record decides.
    """
    if job is None:
        return False
    if job.spec is None:
        return record.applied_at is not None and job.kind == wanted.kind
    return job.spec == wanted


def verdict_on(job: Job | None, record: RunRecord, policy: Policy, now: datetime) -> Verdict:
    """Whether a job whose definition has been applied truly runs.

    Continuous: all newest instances up since the change, healthy, and steady for the settle time.
    Scheduled: the clock knows it. A failure is said at once, not at a time-out, where the backend
    names trouble.
    """
    patience = _Patience(policy.start_timeout, now - (record.applied_at or now))
    if job is None:
        return _late(patience, Reason.NOT_STARTED, "the job is not there yet")
    status = job.status
    if status.trouble is not None and not _is_of_before(status, record):
        if (leaving := _still_leaving(job, record, now)) > timedelta():
            words = _hopeful(_words(status, status.trouble.value), status)
            return NotYet(words, after=leaving)
        return Broken(status.trouble, _words(status, status.trouble.value), status.log_tail)
    if job.kind == JobKind.SCHEDULED:
        if status.phase == JobPhase.INSTALLED:
            return Up()
        return _late(patience, Reason.NOT_STARTED, _words(status, "it is not installed yet"))
    if status.phase == JobPhase.DOWN:
        return _late(patience, Reason.CRASH_LOOP, _words(status, "it stopped"), status)
    if status.healthy is False:
        waiting = _words(status, "its health check has not passed yet")
        return _late(patience, Reason.HEALTH_CHECK_FAILED, waiting, status)
    if status.phase != JobPhase.UP or _is_of_before(status, record):
        return _late(patience, Reason.NOT_STARTED, _words(status, "it is starting"), status)
    return _steady(status, policy, now)


def _is_of_before(status: JobStatus, record: RunRecord) -> bool:
    """Whether a job that was changed still shows what ran before the change."""
    if record.change in (None, JobChange.UNCHANGED):
        return False
    if record.applied_at is None or status.since is None:
        return False
    return status.since < record.applied_at - _ROUNDING


def _still_leaving(job: Job, record: RunRecord, now: datetime) -> timedelta:
    """How long trouble from about the time of a change may be that of what the change replaces.

    Who made the change knows better; this is for a controller that was started just after it, or
    could not record it: when it is applied again, nothing changes. Of crashes nobody knows better
    where the backend cannot show what a job is made from (`spec` None): what is on its way out may
    crash once more after the change.
    """
    since = job.status.since
    if record.applied_at is None or since is None:
        return timedelta()
    crashing = job.spec is None and job.status.trouble == Reason.CRASH_LOOP
    may_be_old = crashing and record.change != JobChange.CREATED
    # A slow service may have made the change just before it answered.
    changed = record.answered_at or record.applied_at
    latest = changed + _LEAVING if may_be_old else record.applied_at
    if not record.applied_at - _ROUNDING <= since < latest:
        return timedelta()
    return _LEAVING - (now - changed)


def _steady(status: JobStatus, policy: Policy, now: datetime) -> Verdict:
    left = policy.settle_time - (now - status.since) if status.since else timedelta()
    if left > timedelta():
        return NotYet("it is up; it must stay up for a moment", after=left, settling=True)
    return Up()


def _late(
    patience: _Patience, reason: Reason, message: str, status: JobStatus | None = None
) -> Verdict:
    if patience.left > timedelta():
        return NotYet(_hopeful(message, status), after=patience.left)
    said = f"{message}; given up after {patience.whole.total_seconds():g} s"
    return Broken(reason, said, status.log_tail if status else ())


def _words(status: JobStatus, otherwise: str) -> str:
    return "; ".join(status.messages) or otherwise


def _hopeful(message: str, status: JobStatus | None) -> str:
    """The words while there is patience: also what happens next by itself."""
    return f"{message}; {status.outlook}" if status is not None and status.outlook else message
