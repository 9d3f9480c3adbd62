"""What the status of jobs-api says, and what it only seems to say (protocol reference 4.5)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.backends.base import JobPhase, JobStatus
from controller.backends.toolforge import status
from controller.models.reasons import Reason

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
QUOTA = "Unable to start, out of quota for cpu"
CHECK_WAITS = "it runs, but its check has not passed yet"


def ago(seconds: int) -> datetime:
    return NOW - timedelta(seconds=seconds)


def job(
    short: str,
    *messages: str,
    age: str | None = "30s",
    text: str = "Not running",
    kind: str = "continuous",
    **fields: Any,
) -> dict[str, Any]:
    state = {"short": short, "duration": age, "up_to_date": True, "messages": list(messages)}
    return {"name": "web", "job_type": kind, "status": state, "status_short": text, **fields}


@pytest.mark.parametrize(
    ("given", "facts"),
    [
        pytest.param(
            job("running", text="Running"), JobStatus(JobPhase.UP, ago(30)), id="it is up"
        ),
        pytest.param(
            job("running", text="Running", port=80),
            JobStatus(JobPhase.UP, ago(30), healthy=True),
            id="ready with a port: the check has passed",
        ),
        pytest.param(
            job("running", port=80),
            JobStatus(JobPhase.UP, ago(30), healthy=False, messages=(CHECK_WAITS,)),
            id="running is said before the check has passed",
        ),
        pytest.param(
            job("running"),
            JobStatus(
                JobPhase.PENDING,
                ago(30),
                messages=("it runs, but not all of it, or not yet the newest",),
            ),
            id="running is said of the old pod",
        ),
        pytest.param(
            {**job("running"), "status_short": None},
            JobStatus(JobPhase.UP, ago(30)),
            id="without the deprecated field time must tell",
        ),
        pytest.param(
            job("running", text=QUOTA),
            JobStatus(JobPhase.PENDING, trouble=Reason.QUOTA_EXCEEDED, messages=(QUOTA,)),
            id="running while the quota refused other replicas",
        ),
        pytest.param(
            job("failed"),
            JobStatus(JobPhase.PENDING, ago(30)),
            id="failed without a word is an update of an old job",
        ),
        pytest.param(
            job("failed", "initializing"),
            JobStatus(JobPhase.PENDING, ago(30), messages=("initializing",)),
            id="failed while the image is fetched",
        ),
        pytest.param(
            job("failed", "restarted (3)", "exitcode 1"),
            JobStatus(
                JobPhase.DOWN,
                ago(30),
                restarts=3,
                trouble=Reason.CRASH_LOOP,
                messages=("restarted (3)", "exitcode 1"),
            ),
            id="failed, and again and again",
        ),
        pytest.param(
            job("pending", "restarted (1)", "exitcode 1"),
            JobStatus(JobPhase.DOWN, ago(30), restarts=1, messages=("restarted (1)", "exitcode 1")),
            id="one crash is no loop",
        ),
        pytest.param(
            job("pending", "initializing", "Back-off pulling image"),
            JobStatus(
                JobPhase.PENDING,
                ago(30),
                trouble=Reason.IMAGE_UNAVAILABLE,
                messages=("initializing", "Back-off pulling image"),
            ),
            id="the image cannot be fetched",
        ),
        pytest.param(
            job("pending", "scheduling", "0/9 nodes are available"),
            JobStatus(
                JobPhase.PENDING, ago(30), messages=("scheduling", "0/9 nodes are available")
            ),
            id="no node has room: patience",
        ),
        pytest.param(
            job("pending", text="Waiting for scheduled time", kind="scheduled"),
            JobStatus(JobPhase.INSTALLED, ago(30)),
            id="a scheduled job waits for its time",
        ),
        pytest.param(
            job("unknown", age=None, status_long="different from what was configured"),
            JobStatus(JobPhase.UNKNOWN, messages=("different from what was configured",)),
            id="stored, but not running",
        ),
        pytest.param(
            job("unknown", "Failed retrieving status", age=None, text="Toolforge error"),
            JobStatus(JobPhase.UNKNOWN, messages=("Failed retrieving status",)),
            id="the service cannot tell",
        ),
        pytest.param(
            {"name": "web", "job_type": "continuous"},
            JobStatus(JobPhase.UNKNOWN),
            id="a job without a status",
        ),
    ],
)
def test_the_facts_behind_a_status(given: dict[str, Any], facts: JobStatus) -> None:
    assert status.read(given, status.Known(NOW)) == facts


@pytest.mark.parametrize(
    "given",
    [
        job("running", text="Running"),
        job("pending", "restarted (3)", "exitcode 1"),
        job("pending", "initializing", "Back-off pulling image"),
    ],
    ids=["up", "crashing", "unpullable"],
)
def test_what_is_known_to_be_old_is_neither_good_nor_bad_news(given: dict[str, Any]) -> None:
    text = "only instances from before the last change are seen; no newer one is up"
    facts = status.read(given, status.Known(NOW, current=False))
    assert facts == JobStatus(JobPhase.PENDING, messages=(text,))


def test_a_refusal_by_the_quota_from_before_the_change_is_not_believed_at_once() -> None:
    given = job("failed", QUOTA, text=QUOTA)
    fresh, later = (
        status.read(given, status.Known(NOW, changed_at=NOW - timedelta(seconds=age)))
        for age in (0.5, 2)
    )
    assert (fresh.trouble, later.trouble) == (None, Reason.QUOTA_EXCEEDED)


def test_a_job_is_not_up_as_defined_for_longer_than_it_is_defined_so() -> None:
    known = status.Known(NOW, adjusted_at=ago(5))
    assert status.read(job("running", text="Running"), known).since == ago(5)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("59s", 59), ("1m12s", 72), ("3h2s", 10_802), ("24d23h59m", 2_159_940)],
)
def test_durations_are_read(text: str, seconds: int) -> None:
    assert status.seconds(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "soon", "5 s", "-1s"])
def test_other_texts_are_no_durations(text: str) -> None:
    assert status.seconds(text) is None


@pytest.mark.parametrize(
    ("jobs", "pods", "settled"),
    [
        ([job("running", text="Running", replicas=2)], 2, True),
        ([job("running", text="Running", replicas=2)], 3, False),
        ([job("running", text="Running", replicas=2)], None, False),
        ([job("running", text="Running", replicas=2), job("pending", replicas=1)], 3, False),
        ([job("running", text="Running", replicas=0)], 0, True),
        ([job("running", text="Running"), job("pending", kind="scheduled")], 1, True),
    ],
    ids=[
        "each has its own",
        "one more: a rollout may hang",
        "the service does not tell",
        "one has one too few, so another may have one too many",
        "none is wanted",
        "a scheduled job that waits has none",
    ],
)
def test_whether_all_pods_are_accounted_for(
    jobs: list[dict[str, Any]], pods: int | None, settled: bool
) -> None:
    assert status.all_accounted_for(jobs, pods) is settled
