"""Which changes of a status are written at once, and which can wait."""

from typing import Any

import pytest

from controller.models.reasons import Owner, Reason
from controller.models.tooldeployment import (
    BuildRecord,
    BuildStatus,
    Failure,
    Phase,
    RunRecord,
    RunStatus,
    State,
    ToolDeploymentStatus,
)
from controller.reconcile.observed import Policy
from controller.reconcile.report import to_write
from tests.builders import COMMIT, NOW, ago

BASE = ToolDeploymentStatus(
    status=State.RUNNING,
    phase=Phase.RUNNING,
    builds={"web": BuildRecord(commit=COMMIT)},
    runs={"web": RunRecord()},
    reported_at=ago(1),
)
FAILURE = Failure(reason=Reason.BUILD_FAILED, owner=Owner.USER, message="no")

AT_ONCE: dict[str, dict[str, Any]] = {
    "a state": {"status": State.SUCCESSFUL},
    "a phase": {"phase": Phase.BUILDING},
    "a place in the line": {"queue_position": 1},
    "a failure": {"failure": FAILURE},
    "a build that is known now": {"builds": {"web": BuildRecord(commit=COMMIT, build_id="b")}},
    "an image": {"builds": {"web": BuildRecord(commit=COMMIT, build_image="i")}},
    "a job that was applied": {"runs": {"web": RunRecord(applied_at=NOW)}},
    "a job that was removed": {"removed_jobs": ("old",)},
    "a cancel that was seen": {"ending_since": NOW},
}
CAN_WAIT: dict[str, dict[str, Any]] = {
    "that jobs are being verified": {"phase": Phase.VERIFYING},
    "another message": {"message": "still building"},
    "another reason": {"reason": Reason.RETRYING},
    "a build that runs now": {
        "builds": {"web": BuildRecord(commit=COMMIT, build_status=BuildStatus.RUNNING)}
    },
    "a component that is up while others are not": {
        "runs": {"web": RunRecord(run_status=RunStatus.SUCCESSFUL)}
    },
}


@pytest.mark.parametrize("change", AT_ONCE.values(), ids=AT_ONCE.keys())
def test_milestones_are_written_at_once(change: dict[str, Any]) -> None:
    new = BASE.model_copy(update=change)
    assert to_write(BASE, new, Policy(), NOW) == new.model_copy(update={"reported_at": NOW})


@pytest.mark.parametrize("change", CAN_WAIT.values(), ids=CAN_WAIT.keys())
def test_progress_is_written_now_and_then(change: dict[str, Any]) -> None:
    new = BASE.model_copy(update=change)
    assert to_write(BASE, new, Policy(), NOW) is None
    long_ago = BASE.model_copy(update={"reported_at": ago(5)})
    later = long_ago.model_copy(update=change)
    assert to_write(long_ago, later, Policy(), NOW) == new.model_copy(update={"reported_at": NOW})


def test_the_first_report_is_written() -> None:
    first = BASE.model_copy(update={"reported_at": None})
    new = first.model_copy(update={"message": "begun"})
    assert to_write(first, new, Policy(), NOW) is not None


def test_nothing_new_is_never_written() -> None:
    assert to_write(BASE, BASE, Policy(), NOW) is None


def test_what_did_not_change_is_never_written_however_long_ago_it_was() -> None:
    old = BASE.model_copy(update={"reported_at": ago(3600)})
    assert to_write(old, old, Policy(), NOW) is None
