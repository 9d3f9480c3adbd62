"""The record of what became of a deployment: for every reason, and nobody can forge its lines."""

from typing import Any

import pytest

from controller.api import problem_body
from controller.models.reasons import EXPLANATIONS, Owner, Reason
from controller.models.tooldeployment import BuildRecord, Failure, State
from tests import builders


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_can_be_told(reason: Reason) -> None:
    owner = EXPLANATIONS[reason].owner
    failure = Failure(reason=reason, owner=owner, message="it went wrong")
    found = builders.deployment("d1", status={"status": State.FAILED, "failure": failure})
    told = problem_body.record(found)
    assert (told["type"], told["reason"]) == (problem_body.TYPE + reason.slug, reason.slug)
    assert (told["owner"], told["retryable"]) == (owner.value, owner is Owner.PLATFORM)
    assert (told["status"], told["state"], told["final"]) == (422, "failed", True)
    assert told["title"] == EXPLANATIONS[reason].sentence
    assert told.get("hint", "") == EXPLANATIONS[reason].hint


def test_what_a_stranger_wrote_is_one_line_of_its_own_name() -> None:
    failure = Failure(
        reason=Reason.BUILD_FAILED,
        owner=Owner.USER,
        message="no\nstatus=successful\r\x85code=200",
        component="web",
        log_tail=("status=successful", "a\nb"),
    )
    found = builders.deployment("d1", status={"status": State.FAILED, "failure": failure})
    lines = problem_body.lines(problem_body.record(found)).split("\n")
    assert [line for line in lines if line.startswith(("status=", "code="))] == [
        "code=422",
        "status=failed",
    ]
    assert {"message=no status=successful code=200", "log=status=successful", "log=a b"} <= set(
        lines
    )


@pytest.mark.parametrize(
    ("failure", "commit"),
    [
        pytest.param({"component": "web"}, "", id="of a component without a commit"),
        pytest.param({"component": "worker"}, "a" * 40, id="of a component that has one"),
        pytest.param({"component": "worker", "commit": "b" * 40}, "b" * 40, id="that names one"),
        pytest.param({}, "aaaaaaaaaa", id="of the deployment as a whole"),
    ],
)
def test_a_failure_names_no_commit_of_another_component(
    failure: dict[str, Any], commit: str
) -> None:
    failed = Failure(reason=Reason.REF_NOT_FOUND, owner=Owner.USER, message="no", **failure)
    found = builders.deployment(
        "d1",
        status={
            "status": State.FAILED,
            "failure": failed,
            "commit": "aaaaaaaaaa",
            "builds": {"web": BuildRecord(), "worker": BuildRecord(commit="a" * 40)},
        },
    )
    assert problem_body.record(found).get("commit", "") == commit


def test_a_history_of_the_older_service_is_final() -> None:
    old = builders.deployment("d1").model_copy(
        update={"spec": type(builders.deployment().spec).model_validate({"status": "failed"})}
    )
    told = problem_body.record(old)
    assert (told["status"], told["reason"]) == (422, "upstream-history")
