"""What the status becomes: errors of actions, texts of the public API, events."""

from datetime import timedelta

import pytest

from controller.backends.base import Applied, BuildState
from controller.errors import EdgeError, Terminal, Transient, Waiting
from controller.models.reasons import Owner, Reason
from controller.models.tooldeployment import (
    BuildOrigin,
    BuildRecord,
    BuildStatus,
    Failure,
    JobChange,
    RunRecord,
    RunStatus,
    State,
    ToolDeploymentStatus,
    Trigger,
)
from controller.reconcile import actions, records
from controller.reconcile.news import News, news_of
from controller.reconcile.observed import Policy
from controller.reconcile.plan import make_plan
from controller.reconcile.sources import failure_of
from controller.reconcile.status import status_of
from tests.builders import (
    COMMIT,
    NEWER,
    NOW,
    ago,
    build,
    deployment,
    job,
    job_spec,
    observed,
    started,
)

POLICY = Policy()


def after(
    error: EdgeError | None = None, result: object = None, **fields: object
) -> ToolDeploymentStatus:
    """The status after the first action of a deployment's next step came to this."""
    seen = observed(deployment(status=started(ago(60), **fields)), builds=fields.pop("seen", ()))
    (step,) = make_plan(seen, NOW).steps
    outcome = actions.Outcome(step.actions[0], result, error)  # type: ignore[arg-type]
    return status_of(step, (outcome,), POLICY, NOW)


PINNED = {"web": BuildRecord(commit=COMMIT)}
BUILT = {"web": BuildRecord(commit=COMMIT, build_image="i", build_id="b")}


def test_a_full_build_queue_is_shown_on_the_build_and_as_the_reason() -> None:
    status = after(Waiting(Reason.BUILD_QUEUE_FULL, "4 of 4", timedelta(1)), builds=PINNED)
    assert status.reason == Reason.BUILD_QUEUE_FULL
    assert status.message == "4 of 4"
    assert status.builds["web"].build_status == BuildStatus.PENDING
    assert status.builds["web"].build_long_status == "4 of 4"


def test_a_fault_that_may_pass_is_shown_and_nothing_ends() -> None:
    status = after(Transient(Reason.REPOSITORY_UNREACHABLE, "no route"))
    assert (status.status, status.reason) == (State.RUNNING, Reason.RETRYING)
    assert status.message == "resolving the refs of web; trying again: no route"


def test_a_ref_without_a_commit_is_recorded_as_the_failure_of_its_component() -> None:
    status = after(Terminal(Reason.REF_NOT_FOUND, "no branch called 'mian'"))
    assert status.builds["web"].build_status == BuildStatus.FAILED
    assert status.builds["web"].build_long_status == "no branch called 'mian'"


def test_why_a_ref_could_not_be_looked_up_is_told_until_it_can() -> None:
    status = after(Transient(Reason.REPOSITORY_UNREACHABLE, "no route"))
    assert status.builds["web"].build_status == BuildStatus.PENDING
    assert status.builds["web"].build_long_status == "no route"
    found = after(result=actions.Resolved(COMMIT), builds=dict(status.builds))
    assert found.builds["web"] == BuildRecord(commit=COMMIT)


def test_a_refused_build_is_recorded_as_the_failure_with_its_words() -> None:
    status = after(Terminal(Reason.BUILD_REFUSED, "no such repo", "check it"), builds=PINNED)
    assert status.failure == Failure(
        reason=Reason.BUILD_REFUSED,
        owner=Owner.USER,
        message="component web: no such repo",
        hint="check it",
        component="web",
        commit=COMMIT,
    )
    assert status.builds["web"].build_status == BuildStatus.FAILED
    assert status.ending_since == NOW


def test_a_build_that_cannot_be_stopped_is_no_failure_of_the_deployment() -> None:
    left_over = build(state=BuildState.RUNNING, commit=NEWER, by="d0")
    active = deployment(status=started(ago(60), builds=PINNED))
    (step,) = make_plan(observed(active, builds=(left_over,)), NOW).steps
    stop, start = step.actions
    refused = actions.Outcome(stop, error=Terminal(Reason.PLATFORM_UNAVAILABLE, "forbidden"))
    begun = actions.Outcome(start, build(state=BuildState.PENDING, by="d1"))
    status = status_of(step, (refused, begun), POLICY, NOW)
    assert (status.failure, status.status) == (None, State.RUNNING)
    assert status.builds["web"].build_id == "build-web-d1"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Terminal(Reason.JOB_REFUSED, "No such image"), RunStatus.FAILED),
        (Transient(Reason.PLATFORM_UNAVAILABLE, "503"), RunStatus.PENDING),
    ],
    ids=["a job that is refused has failed", "a job that may be taken later is pending"],
)
def test_a_job_that_is_not_taken(error: EdgeError, expected: RunStatus) -> None:
    status = after(error, builds=BUILT)
    assert status.runs["web"] == RunRecord(run_status=expected, run_long_status=error.message)


@pytest.mark.parametrize(
    ("applied", "text"),
    [
        (Applied(JobChange.CREATED), "created or updated job web"),
        (Applied(JobChange.UPDATED), "created or updated job web"),
        (Applied(JobChange.RESTARTED), "restarted job web"),
        (Applied(JobChange.UNCHANGED), "job web is already up to date"),
        (Applied(JobChange.UPDATED, ("a", "b")), "created or updated job web, [info](a, b)"),
    ],
)
def test_run_texts_are_those_of_the_public_api(applied: Applied, text: str) -> None:
    assert after(result=applied, builds=BUILT).runs["web"].run_long_status == text


def test_the_commit_column_shows_the_first_and_how_many_others() -> None:
    both = {"web": BuildRecord(commit=COMMIT), "b": BuildRecord(commit="b" * 40)}
    status = after(Transient(Reason.RETRYING, "x"), builds=both)
    assert status.commit == "aaaaaaaaaa"  # only components of the config count
    assert after(Transient(Reason.RETRYING, "x")).commit == ""


def test_conditions_keep_their_transition_time_while_nothing_changes() -> None:
    first = after(Transient(Reason.RETRYING, "x"), builds=PINNED)
    later = after(
        Transient(Reason.RETRYING, "y"),
        builds=PINNED,
        conditions=tuple(
            c.model_copy(update={"last_transition_time": ago(99)}) for c in first.conditions
        ),
    )
    assert {c.last_transition_time for c in later.conditions} == {ago(99)}


def test_builds_that_did_not_finish_and_runs_that_did_not_start_are_closed_at_the_end() -> None:
    waits = "2 builds are going on this machine"
    pending = BuildRecord(commit=COMMIT, build_status=BuildStatus.PENDING, build_long_status=waits)
    begun = deployment(
        cancel=True, status=started(builds={"web": pending}, runs={"web": RunRecord()})
    )
    (step,) = make_plan(observed(begun), NOW).steps
    status = status_of(step, (), POLICY, NOW)
    assert status.builds["web"] == BuildRecord(
        commit=COMMIT,
        build_status=BuildStatus.CANCELLED,
        build_long_status="The deployment was cancelled",
    )
    assert status.runs["web"] == RunRecord(
        run_status=RunStatus.SKIPPED, run_long_status="The deployment was cancelled"
    )
    assert status.long_status == "Deployment was cancelled"
    assert status.finished_at == NOW


def test_a_build_that_is_stopped_as_another_failed_says_so() -> None:
    failure = Failure(reason=Reason.BUILD_FAILED, owner=Owner.USER, message="no", component="b")
    queued = BuildRecord(commit=COMMIT, build_long_status="4 of 4 are going")
    going = BuildRecord(
        commit=COMMIT, build_id="b1", build_status=BuildStatus.RUNNING, build_long_status="see b1"
    )
    begun = deployment(status=started(builds={"web": queued, "api": going}, failure=failure))
    (step,) = make_plan(observed(begun), NOW).steps
    ended = status_of(step, (), POLICY, NOW).builds
    assert {name: (it.build_status, it.build_long_status) for name, it in ended.items()} == {
        "web": (BuildStatus.CANCELLED, "Stopped as the deployment failed"),
        "api": (BuildStatus.CANCELLED, "see b1"),
    }


def test_what_is_undone_is_not_told_as_progress() -> None:
    failure = Failure(reason=Reason.BUILD_FAILED, owner=Owner.USER, message="no")
    begun = deployment(status=started(builds=PINNED, failure=failure))
    seen = observed(begun, builds=(build(state=BuildState.RUNNING, by="d1"),))
    (step,) = make_plan(seen, NOW).steps
    status = status_of(step, (actions.Outcome(step.actions[0]),), POLICY, NOW)
    assert (status.status, status.builds, status.failure) == (State.RUNNING, PINNED, failure)


def built(origin: BuildOrigin, build_id: str = "b") -> BuildRecord:
    return BuildRecord(commit=COMMIT, build_id=build_id, origin=origin)


NEWS = {
    "it waits": (
        {},
        {"queue_position": 1, "message": "waiting for d0"},
        [News("Waiting", "waiting for d0")],
    ),
    "it starts: the status says so": ({}, {"started_at": NOW}, []),
    "builds are started, joined and reused: one event": (
        {"builds": PINNED},
        {
            "builds": {
                "web": built(BuildOrigin.STARTED, "b1"),
                "api": built(BuildOrigin.JOINED, "b2"),
                "job": built(BuildOrigin.REUSED, "b3"),
                "cron": BuildRecord(build_id="no-build-needed"),
            }
        },
        [
            News(
                "BuildStarted",
                "web is built by b1 of aaaaaaaaaa; api waits for the build b2 of aaaaaaaaaa; "
                "job uses the build b3 of aaaaaaaaaa",
            )
        ],
    ),
    "all builds are reused": (
        {"builds": PINNED},
        {"builds": {"web": built(BuildOrigin.REUSED)}},
        [News("BuildReused", "web uses the build b of aaaaaaaaaa")],
    ),
    "a known build goes on": (
        {"builds": {"web": built(BuildOrigin.STARTED)}},
        {"builds": {"web": built(BuildOrigin.STARTED)}},
        [],
    ),
    "a ref is ambiguous": (
        {},
        {"builds": {"web": BuildRecord(commit=COMMIT, ref_warning="both")}},
        [News("RefAmbiguous", "web: both", warning=True)],
    ),
    "it succeeds, and what became of the jobs": (
        {},
        {
            "status": State.SUCCESSFUL,
            "reason": Reason.DEPLOYED,
            "message": "done",
            "runs": {
                "web": RunRecord(change=JobChange.UPDATED),
                "cron": RunRecord(change=JobChange.UNCHANGED),
                "late": RunRecord(),
            },
            "removed_jobs": ("old",),
        },
        [News("Deployed", "done (web updated, cron left alone, old removed)")],
    ),
    "it fails": (
        {},
        {"status": State.FAILED, "reason": Reason.CRASH_LOOP, "message": "boom"},
        [News("CrashLoop", "boom", warning=True)],
    ),
    "it is cancelled": (
        {},
        {"status": State.CANCELLED, "reason": Reason.CANCELLED, "message": "cancelled"},
        [News("Cancelled", "cancelled")],
    ),
    "nothing happened": ({}, {"message": "still at it"}, []),
}


@pytest.mark.parametrize(("old", "new", "expected"), NEWS.values(), ids=NEWS.keys())
def test_news(old: dict[str, object], new: dict[str, object], expected: list[News]) -> None:
    before = ToolDeploymentStatus().model_copy(update=old)
    assert list(news_of(before, before.model_copy(update=new))) == expected


def test_every_action_names_its_subject() -> None:
    assert records.subject(actions.DeleteJob("x")) == ("x", "")
    assert records.subject(actions.ApplyJob(job_spec())) == ("web", "")
    assert records.subject(actions.CancelBuild("b")) == ("", "")
    assert records.subject(actions.ResolveRef("web", "r", "main")) == ("web", "")


def test_a_hint_names_the_component_that_it_is_about() -> None:
    assert failure_of(Reason.BUILD_FAILED, "no", "web").hint == (
        "Read the log: `ptd logs web --build`."
    )
    assert "COMPONENT" in failure_of(Reason.BUILD_FAILED, "no").hint


def test_what_succeeds_at_the_first_look_has_begun_in_that_moment() -> None:
    one = deployment(trigger=Trigger.POLL, commits={"web": COMMIT})
    seen = observed(one, builds=(build(),), jobs=(job(),))
    (step,) = make_plan(seen, NOW).steps
    status = status_of(step, (), POLICY, NOW)
    assert (status.status, status.started_at, status.finished_at) == (State.SUCCESSFUL, NOW, NOW)


def test_a_deployment_has_begun_with_its_first_action_however_long_that_takes() -> None:
    (step,) = make_plan(observed(deployment()), ago(30)).steps
    status = status_of(step, (), POLICY, NOW, began=ago(30))
    assert (status.started_at, status.deadline, status.long_status) == (
        ago(30),
        ago(30) + POLICY.deployment_timeout,
        f"Started at {ago(30)}",
    )
