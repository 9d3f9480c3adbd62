"""The rule for "it truly runs", as a table of facts and verdicts."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.backends.base import Job, JobKind, JobPhase, JobSpec
from controller.models.reasons import Reason
from controller.models.toolconfig import ScheduledRun
from controller.models.tooldeployment import JobChange, RunRecord
from controller.reconcile.observed import Policy
from controller.reconcile.verify import (
    Broken,
    NotYet,
    Up,
    Verdict,
    is_applied,
    verdict_on,
    wanted_job,
)
from tests.builders import NOW, ago, component, deployment, job, job_spec

POLICY = Policy(start_timeout=timedelta(seconds=60), settle_time=timedelta(seconds=10))
CRON = JobSpec("web", "image", ScheduledRun(command="x", schedule="@daily"))
MINE = JobSpec("web", "image", component().run, "d1")


def applied(seconds: float, change: JobChange = JobChange.UPDATED) -> RunRecord:
    return RunRecord(change=change, applied_at=ago(seconds))


def slowly(record: RunRecord, answered: float) -> RunRecord:
    return record.model_copy(update={"answered_at": ago(answered)})


def unknown(**status: Any) -> Job:
    """A job of a service that does not show what it is made from."""
    return replace(job(phase=JobPhase.DOWN, **status), spec=None)


def patience(seconds: float, message: str) -> NotYet:
    return NotYet(message, timedelta(seconds=seconds))


ROWS: dict[str, tuple[Job | None, RunRecord, Verdict]] = {
    "a job that is not shown yet": (
        None,
        applied(5),
        patience(55, "the job is not there yet"),
    ),
    "a job that never shows": (
        None,
        applied(61),
        Broken(Reason.NOT_STARTED, "the job is not there yet; given up after 60 s"),
    ),
    "up, and steady for the settle time": (job(since=ago(10)), applied(12), Up()),
    "up, but only just": (
        job(since=ago(4)),
        applied(5),
        replace(patience(6, "it is up; it must stay up for a moment"), settling=True),
    ),
    "up since before the change: that is the old one": (
        job(since=ago(60)),
        applied(5),
        patience(55, "it is starting"),
    ),
    "up since before, and nothing was changed": (
        job(since=ago(60)),
        applied(5, JobChange.UNCHANGED),
        Up(),
    ),
    "up, the service rounds to seconds": (job(since=ago(21)), applied(20), Up()),
    "up, the service does not say since when": (
        Job("web", job().kind, None, type(job().status)(JobPhase.UP)),
        applied(20),
        Up(),
    ),
    "starting, with the service's words": (
        job(phase=JobPhase.PENDING, messages=("scheduling",)),
        applied(20),
        patience(40, "scheduling"),
    ),
    "it ended, and what happens next": (
        job(phase=JobPhase.DOWN, messages=("exited",), outlook="starts again in 4 s"),
        applied(20),
        patience(40, "exited; starts again in 4 s"),
    ),
    "it ended too often: nothing is promised": (
        job(
            phase=JobPhase.DOWN,
            trouble=Reason.CRASH_LOOP,
            messages=("exited",),
            outlook="starts again in 4 s",
        ),
        applied(120),
        Broken(Reason.CRASH_LOOP, "exited"),
    ),
    "starting for too long": (
        job(phase=JobPhase.PENDING, log_tail=("x",)),
        applied(60),
        Broken(Reason.NOT_STARTED, "it is starting; given up after 60 s", ("x",)),
    ),
    "the health check has not passed yet": (
        job(healthy=False, since=ago(5)),
        applied(5),
        patience(55, "its health check has not passed yet"),
    ),
    "the health check does not pass": (
        job(healthy=False, since=ago(60), messages=("GET / answered 500",)),
        applied(61),
        Broken(Reason.HEALTH_CHECK_FAILED, "GET / answered 500; given up after 60 s"),
    ),
    "running, and its health check never passed: that is the cause": (
        job(phase=JobPhase.PENDING, healthy=False, messages=("GET / answered 503",)),
        applied(61),
        Broken(Reason.HEALTH_CHECK_FAILED, "GET / answered 503; given up after 60 s"),
    ),
    "healthy": (job(healthy=True, since=ago(30)), applied(31), Up()),
    "stopped, and in its backoff": (
        job(phase=JobPhase.DOWN, messages=("exit 1",)),
        applied(5),
        patience(55, "exit 1"),
    ),
    "stopped for good": (
        job(phase=JobPhase.DOWN, log_tail=("boom",)),
        applied(60),
        Broken(Reason.CRASH_LOOP, "it stopped; given up after 60 s", ("boom",)),
    ),
    "in trouble: said at once": (
        job(since=ago(0), trouble=Reason.QUOTA_EXCEEDED, messages=("out of quota",)),
        applied(0),
        Broken(Reason.QUOTA_EXCEEDED, "out of quota"),
    ),
    "in trouble since before the change: about what is on its way out": (
        job(phase=JobPhase.DOWN, trouble=Reason.CRASH_LOOP),
        applied(5),
        patience(55, "it stopped"),
    ),
    "in trouble since just before the change: it may be what is on its way out": (
        job(since=ago(3), trouble=Reason.CRASH_LOOP, messages=("restarted (2)",)),
        applied(1),
        NotYet("restarted (2)", timedelta(seconds=4)),
    ),
    "in trouble since just before the change, and it does not leave": (
        job(since=ago(7), trouble=Reason.CRASH_LOOP, messages=("restarted (2)",)),
        applied(5),
        Broken(Reason.CRASH_LOOP, "restarted (2)"),
    ),
    "in trouble since just before it was applied again, which changed nothing": (
        job(since=ago(3), trouble=Reason.CRASH_LOOP, messages=("restarted (2)",)),
        applied(1, JobChange.UNCHANGED),
        NotYet("restarted (2)", timedelta(seconds=4)),
    ),
    "crashing just after the change, and nobody knows what it is made from": (
        unknown(since=ago(1), trouble=Reason.CRASH_LOOP, messages=("restarted (4)",)),
        applied(2),
        NotYet("restarted (4)", timedelta(seconds=3)),
    ),
    "crashing while a slow service took its time: the change may have come after": (
        unknown(since=ago(5), trouble=Reason.CRASH_LOOP),
        slowly(applied(12), answered=2),
        patience(3, "CrashLoop"),
    ),
    "crashing long after a slow service has answered": (
        unknown(since=ago(5), trouble=Reason.CRASH_LOOP),
        slowly(applied(22), answered=12),
        Broken(Reason.CRASH_LOOP, "CrashLoop"),
    ),
    "crashing after the change for longer than anything takes to leave": (
        unknown(since=ago(1), trouble=Reason.CRASH_LOOP, messages=("restarted (4)",)),
        applied(5),
        Broken(Reason.CRASH_LOOP, "restarted (4)"),
    ),
    "crashing just after it was made: there is nothing older": (
        unknown(since=ago(1), trouble=Reason.CRASH_LOOP, messages=("restarted (2)",)),
        applied(2, JobChange.CREATED),
        Broken(Reason.CRASH_LOOP, "restarted (2)"),
    ),
    "crashing just after the change, and it is made from what is wanted": (
        job(since=ago(1), trouble=Reason.CRASH_LOOP, messages=("restarted (2)",)),
        applied(2),
        Broken(Reason.CRASH_LOOP, "restarted (2)"),
    ),
    "in trouble, the service does not say since when": (
        Job(
            "web",
            job().kind,
            None,
            type(job().status)(JobPhase.DOWN, trouble=Reason.CRASH_LOOP, messages=("exit 1",)),
        ),
        applied(1),
        Broken(Reason.CRASH_LOOP, "exit 1"),
    ),
    "scheduled and installed": (job(phase=JobPhase.INSTALLED, spec=CRON), applied(0), Up()),
    "scheduled and not installed yet": (
        job(phase=JobPhase.PENDING, spec=CRON),
        applied(1),
        patience(59, "it is not installed yet"),
    ),
    "a job that was never applied by this deployment has all its patience": (
        None,
        RunRecord(),
        patience(60, "the job is not there yet"),
    ),
}


@pytest.mark.parametrize(("seen", "record", "verdict"), ROWS.values(), ids=ROWS.keys())
def test_verdict(seen: Job | None, record: RunRecord, verdict: Verdict) -> None:
    assert verdict_on(seen, record, POLICY, NOW) == verdict


def opaque(**status: object) -> Job:
    """A job of a service whose definitions cannot be compared."""
    return replace(job(**status), spec=None)  # type: ignore[arg-type]


RESTARTS = {
    "a job that is not there is this deployment's": (None, {}, "d1"),
    "where nothing can be compared, nothing is restarted": (opaque(), {}, ""),
    "unless it is forced": (opaque(), {"force_run": True}, "d1"),
    "or in trouble since before": (opaque(trouble=Reason.CRASH_LOOP), {}, "d1"),
    "but not for trouble that this deployment caused": (
        opaque(trouble=Reason.CRASH_LOOP),
        {"status": {"runs": {"web": applied(5)}}},
        "",
    ),
}


@pytest.mark.parametrize(("seen", "asked", "expected"), RESTARTS.values(), ids=RESTARTS.keys())
def test_who_restarted_a_job_last(seen: Job | None, asked: dict[str, Any], expected: str) -> None:
    wanted = wanted_job(MINE, seen, deployment("d1", **asked))
    assert wanted == replace(MINE, restart_id=expected)


def test_a_job_whose_definition_cannot_be_compared_is_applied_once() -> None:
    wanted = job_spec()
    assert not is_applied(opaque(), wanted, RunRecord())
    assert is_applied(opaque(), wanted, applied(5))
    assert not is_applied(replace(opaque(), kind=JobKind.SCHEDULED), wanted, applied(5))
