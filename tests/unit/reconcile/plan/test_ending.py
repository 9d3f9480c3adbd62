"""The plan as tables: failures, deadlines, cancelling. Extra actions fail the row."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.backends.base import BuildState
from controller.models.reasons import Reason
from controller.models.tooldeployment import (
    KeptRunning,
    State,
    Trigger,
)
from controller.reconcile import actions
from controller.reconcile.plan import make_plan
from tests.builders import (
    BUILT,
    COMMIT,
    NEWER,
    NOW,
    ago,
    build,
    deployment,
    finished,
    job,
    job_spec,
    observed,
    started,
)
from tests.unit.reconcile.plan.rows import LOST, PINNED, Row, with_builds

ROWS = {
    "without a config it fails": Row(observed(deployment(), config=None), Reason.CONFIG_MISSING),
    "with a config that has errors it fails": Row(
        observed(deployment(), config=None, config_problems=("components: empty",)),
        Reason.CONFIG_INVALID,
    ),
    "past the deadline it fails": Row(
        observed(
            deployment(status=started(ago(3601))),
            builds=(build(state=BuildState.RUNNING, by="d1"),),
        ),
        Reason.DEADLINE_EXCEEDED,
    ),
    "cancelled while building, its builds are stopped first": Row(
        observed(
            with_builds(PINNED, cancel=True),
            builds=(build(state=BuildState.RUNNING, by="d1", build_id="b1"),),
        ),
        Reason.CANCELLING,
        (actions.CancelBuild("b1"),),
    ),
    "cancelled, a build that somebody else started goes on": Row(
        observed(
            with_builds(PINNED, cancel=True),
            builds=(build(state=BuildState.RUNNING, by="", build_id="b1"),),
        ),
        Reason.CANCELLED,
        ends=State.CANCELLED,
    ),
    "cancelled, it also stops what an ended deployment could not": Row(
        observed(
            with_builds(PINNED, cancel=True),
            builds=(build(state=BuildState.RUNNING, by="d0", build_id="b1"),),
        ),
        Reason.CANCELLING,
        (actions.CancelBuild("b1"),),
    ),
    "cancelled while jobs cannot be seen, its builds are stopped": Row(
        observed(
            with_builds(PINNED, cancel=True),
            builds=(build(state=BuildState.RUNNING, by="d1", build_id="b1"),),
            blind="the job service does not answer",
        ),
        Reason.CANCELLING,
        (actions.CancelBuild("b1"),),
    ),
    "cancelled, a build that it joined goes on for whoever started it": Row(
        observed(
            with_builds({"web": {"commit": COMMIT, "build_id": "b1"}}, cancel=True),
            builds=(build(state=BuildState.RUNNING, by="", build_id="b1"),),
        ),
        Reason.CANCELLED,
        ends=State.CANCELLED,
    ),
    "cancelled and nothing left to stop, it ends": Row(
        observed(with_builds(PINNED, cancel=True)), Reason.CANCELLED, ends=State.CANCELLED
    ),
    "a build service that is away cannot keep it from its end": Row(
        observed(
            with_builds(PINNED, cancel=True, ending_since=ago(31)),
            builds=(build(state=BuildState.RUNNING, by="d1"),),
        ),
        Reason.CANCELLED,
        ends=State.CANCELLED,
    ),
    "after a recorded failure the version that still serves is kept": Row(
        observed(
            with_builds(
                BUILT,
                runs={"web": {"run_status": "failed"}},
                failure={"reason": "HealthCheckFailed", "owner": "user", "message": "no"},
            ),
            jobs=(job(spec=job_spec(commit=NEWER), serving=job_spec()),),
        ),
        Reason.HEALTH_CHECK_FAILED,
        (actions.ApplyJob(job_spec()),),
    ),
    "after a recorded failure and its clean-up it ends": Row(
        observed(
            with_builds(BUILT, failure={"reason": "BuildFailed", "owner": "user", "message": "no"})
        ),
        Reason.BUILD_FAILED,
        ends=State.FAILED,
    ),
    "a deadline ends as timed_out": Row(
        observed(
            with_builds(
                BUILT, failure={"reason": "DeadlineExceeded", "owner": "platform", "message": "no"}
            )
        ),
        Reason.DEADLINE_EXCEEDED,
        ends=State.TIMED_OUT,
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_plan(row: Row) -> None:
    row.check()


HIS_BUILD = build(state=BuildState.RUNNING, by="d1", build_id="b1")


def test_what_was_cancelled_before_its_beginning_was_recorded_stops_the_build_that_it_began() -> (
    None
):
    (step,) = make_plan(observed(deployment(cancel=True), builds=(HIS_BUILD,)), NOW).steps
    assert (step.reason, step.ending) == (Reason.CANCELLING, None)
    assert step.actions == (actions.CancelBuild("b1"),)


def test_what_began_a_build_and_could_not_record_it_is_not_replaced() -> None:
    older = deployment(trigger=Trigger.POLL, created=ago(9), commits={"web": COMMIT})
    newer = deployment("d2", trigger=Trigger.POLL, commits={"web": NEWER})
    steps = make_plan(observed(older, newer, builds=(HIS_BUILD,)), NOW).steps
    assert [(s.deployment.name, s.reason) for s in steps] == [
        ("d1", Reason.BUILDING),
        ("d2", Reason.WAITING_FOR_TURN),
    ]


def test_what_has_not_succeeded_names_what_goes_on_running() -> None:
    d9 = deployment("d9", status=started(at=ago(5), failure=LOST))
    seen = observed(
        d9,
        finished=(
            finished("d1", created=ago(300)),
            finished("d2", created=ago(200)),
            finished("d3", created=ago(100), state=State.FAILED),
            finished("d10", created=ago(-100)),
        ),
    )
    (step,) = make_plan(seen, NOW).steps
    assert step.ending is not None
    assert step.ending.kept_running == KeptRunning(deploy_id="d2")
    (nothing,) = make_plan(replace(seen, finished=()), NOW).steps
    assert nothing.ending is not None
    assert nothing.ending.kept_running is None


def test_finished_deployments_beyond_those_that_are_kept_are_forgotten_oldest_first() -> None:
    ended = tuple(
        finished(f"d{n:02}", created=NOW + timedelta(seconds=n), history=n == 0) for n in range(28)
    )
    plan = make_plan(observed(finished=ended), NOW)
    assert set(plan.actions) == {
        actions.DeleteDeployment("d01", "uid-d01"),
        actions.DeleteDeployment("d02", "uid-d02"),
    }
