"""Reads the status of a job as jobs-api shows it, with what is misleading about it.

Called by `jobs`; pure. The service's status is about any pod of the job that fits the first of its
rules, pods of older definitions included, and its words are about states of containers:

- right after a change `running` is the old pod's. With one replica `status_short` knows better: it
  counts ready pods of the newest definition ("Not running"). With more, old pods stay until new
  ones are ready, however often those crash, and every word is about the old. Only the age of what
  is shown can tell (`current`).
- `failed` is normal during the update of a job that is older than ten minutes. What counts are the
  messages: `restarted (N)`, a pull that is backed off, a quota.
- the messages, too, may be those of the pod that is about to go.
- `running` is said before any check has passed; "Running" in `status_short` after.
- `running` is also said when the quota refused other replicas; `status_short` says so.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from controller.backends.base import JobKind, JobPhase, JobStatus
from controller.backends.toolforge import definition
from controller.models.reasons import Reason

_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_RESTARTED = re.compile(r"restarted \((\d+)\)")
_LAST_RUN = re.compile(r"Last run at (\S+Z)\.")
_PULL_FAILED = re.compile(r"Back-off pulling image|Reason '(ImagePullBackOff|InvalidImageName)'")
# One crash may be a dependency that was not there yet; the second says that it is a loop.
_LOOP = 2
_OLDER = "only instances from before the last change are seen; no newer one is up"
# The refusal of a definition that has just been replaced is still shown for a moment.
_QUOTA_IS_FRESH = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Known:
    """What we know beside the job as it is shown.

    `now` is when the answer came. `current`: whether what runs since the time shown is of the
    definition stored last (None: cannot tell). `changed_at`: when we made it start new pods last;
    `adjusted_at`: when we changed it last in what pods do not notice.
    """

    now: datetime
    current: bool | None = None
    changed_at: datetime | None = None
    adjusted_at: datetime | None = None


def read(job: Mapping[str, Any], known: Known) -> JobStatus:
    """The facts that a job's JSON (with `include_unset=true`) holds."""
    state = _status(job)
    if state.get("short") in (None, "unknown") or state.get("up_to_date") is False:
        return _unknown(job)
    since = since_of(job, known.now)
    if definition.kind(job) != JobKind.CONTINUOUS:
        return JobStatus(JobPhase.INSTALLED, since, messages=_messages(job))
    if _over_quota(job) and not _too_fresh(known):
        trouble = Reason.QUOTA_EXCEEDED
        words = next((word for word in _words(job) if "out of quota" in word), "out of quota")
        # Not about the pod that is shown, so its age is not told.
        return JobStatus(JobPhase.PENDING, trouble=trouble, messages=(words,))
    if known.current is False:
        # Neither good nor bad news: it is about pods that will go. Without their age in the text,
        # which would be another status every second.
        return JobStatus(JobPhase.PENDING, messages=(_OLDER,))
    facts = _continuous(job, state, since)
    if known.adjusted_at is None or facts.since is None:
        return facts
    # It cannot be up as it is defined now for longer than it is defined so.
    return replace(facts, since=max(facts.since, known.adjusted_at))


def since_of(job: Mapping[str, Any], now: datetime) -> datetime | None:
    """Since when it is in the state shown: up to two seconds off, never too early."""
    duration = _status(job).get("duration")
    age = seconds(duration) if isinstance(duration, str) else None
    return None if age is None else now - age


def started_at(job: Mapping[str, Any], now: datetime) -> datetime | None:
    """When the pod that is shown was made, or a scheduled job ran last.

    The service's text names it; where it does not, the state's age must do. None: it never ran.
    """
    text = str(job.get("status_long") or "")
    if (found := _LAST_RUN.search(text)) is not None:
        return datetime.fromisoformat(found[1])
    if definition.kind(job) == JobKind.SCHEDULED or text.startswith("No pods"):
        return None
    return since_of(job, now)


def all_accounted_for(jobs: Sequence[Mapping[str, Any]], pods: int | None) -> bool:
    """Whether a tool's pods are just those that its continuous jobs want, all ready.

    Then no pod of a hanging rollout is among them. A scheduled run or anything else that has a pod
    makes it False, and what is going away, too: one looks again.
    """
    continuous = [job for job in jobs if definition.kind(job) == JobKind.CONTINUOUS]
    wanted = sum(int(job.get("replicas", 1) or 0) for job in continuous)
    return pods == wanted and all(_is_ready(job) for job in continuous)


def seconds(duration: str) -> timedelta | None:
    """`1d2h3m4s` as a time span; None for anything else."""
    found = _DURATION.fullmatch(duration)
    if found is None or not duration:
        return None
    days, hours, minutes, secs = (int(part or 0) for part in found.groups())
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=secs)


def _continuous(
    job: Mapping[str, Any], state: Mapping[str, Any], since: datetime | None
) -> JobStatus:
    messages = _messages(job)
    restarts = next((int(m[1]) for m in map(_RESTARTED.search, messages) if m is not None), 0)
    if restarts or any(message.startswith("exitcode") for message in messages):
        trouble = Reason.CRASH_LOOP if restarts >= _LOOP else None
        return JobStatus(JobPhase.DOWN, since, restarts, trouble=trouble, messages=messages)
    if state["short"] == "running":
        return _running(job, since, messages)
    if _PULL_FAILED.search(" ".join(_words(job))) is not None:
        trouble = Reason.IMAGE_UNAVAILABLE
        return JobStatus(JobPhase.PENDING, since, trouble=trouble, messages=messages)
    return JobStatus(JobPhase.PENDING, since, messages=messages)


def _running(
    job: Mapping[str, Any], since: datetime | None, messages: tuple[str, ...]
) -> JobStatus:
    """A container runs: an old one, one of several, or all, with or without its check passed."""
    checked, ready = _has_check(job), _is_ready(job)
    if ready is False and not checked:
        missing = (*messages, "it runs, but not all of it, or not yet the newest")
        return JobStatus(JobPhase.PENDING, since, messages=missing)
    if ready is False:
        messages = (*messages, "it runs, but its check has not passed yet")
    return JobStatus(JobPhase.UP, since, healthy=ready if checked else None, messages=messages)


def _unknown(job: Mapping[str, Any]) -> JobStatus:
    """The service cannot tell, or what is stored is not what runs (a PATCH that failed halfway)."""
    text = str(job.get("status_long") or "")
    return JobStatus(JobPhase.UNKNOWN, messages=_messages(job) or ((text,) if text else ()))


def _is_ready(job: Mapping[str, Any]) -> bool | None:
    """Whether as many pods of the newest definition are ready as are wanted.

    The field is called deprecated: without it nothing is known, and time must tell.
    """
    text = job.get("status_short")
    return text.startswith("Running") if isinstance(text, str) and text else None


def _has_check(job: Mapping[str, Any]) -> bool:
    """Kubernetes checks what the user asked for, or else that a tcp port is open."""
    port_is_checked = job.get("port") is not None and job.get("port_protocol") != "udp"
    return job.get("health_check") is not None or port_is_checked


def _over_quota(job: Mapping[str, Any]) -> bool:
    return any("out of quota" in word for word in _words(job))


def _too_fresh(known: Known) -> bool:
    return known.changed_at is not None and known.now - known.changed_at < _QUOTA_IS_FRESH


def _words(job: Mapping[str, Any]) -> tuple[str, ...]:
    texts = (str(job.get(name) or "") for name in ("status_short", "status_long"))
    return (*_messages(job), *texts)


def _messages(job: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(message) for message in _status(job).get("messages") or ())


def _status(job: Mapping[str, Any]) -> Mapping[str, Any]:
    status = job.get("status")
    return status if isinstance(status, dict) else {}
