"""The plan as a table: what is seen, and what follows. Extra actions fail the row."""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from controller.backends.base import BuildOptions, BuildRequest, BuildState, Job, JobPhase
from controller.models.reasons import Owner, Reason
from controller.models.refs import RefPolicy
from controller.models.toolconfig import ToolConfigSpec
from controller.models.tooldeployment import (
    Failure,
    KeptRunning,
    State,
    ToolDeployment,
    Trigger,
)
from controller.reconcile import actions
from controller.reconcile.observed import Observed
from controller.reconcile.plan import make_plan
from tests.builders import (
    BUILT,
    COMMIT,
    NEWER,
    NOW,
    REPOSITORY,
    ago,
    build,
    component,
    config,
    deployment,
    finished,
    job,
    job_spec,
    observed,
    scheduled,
    started,
)

POLICY = config(web=component(ref=RefPolicy(semver="1.x")))
LOST = Failure(reason=Reason.BUILD_LOST, owner=Owner.PLATFORM, message="gone")
PINNED = {"web": {"commit": COMMIT}}


def request(commit: str = COMMIT, by: str = "d1") -> BuildRequest:
    return BuildRequest("web", REPOSITORY, "main", commit, BuildOptions(), by)


def with_builds(builds: dict[str, dict[str, str]], **more: object) -> ToolDeployment:
    spec: dict[str, Any] = {
        k: v for k, v in more.items() if k in ("force_build", "force_run", "cancel")
    }
    status: dict[str, Any] = {k: v for k, v in more.items() if k not in spec}
    return deployment("d1", status=started(builds=builds, **status), **spec)


@dataclass
class Row:
    """When the world is `seen`, the active deployment is in `phase` and `todo` is to be done."""

    seen: Observed
    phase: Reason
    todo: tuple[actions.Action, ...] = ()
    ends: State | None = None


ROWS = {
    "a new deployment first pins its refs": Row(
        observed(deployment()),
        Reason.RESOLVING,
        (actions.ResolveRef("web", REPOSITORY, "main"),),
    ),
    "a policy is resolved by its text": Row(
        observed(deployment(), config=POLICY),
        Reason.RESOLVING,
        (actions.ResolveRef("web", REPOSITORY, "semver:1.x"),),
    ),
    "builders get the tag that a policy chose": Row(
        observed(
            with_builds({"web": {"commit": COMMIT, "ref": "refs/tags/v1.2"}}, tool_config=POLICY)
        ),
        Reason.BUILDING,
        (actions.StartBuild(replace(request(), ref="refs/tags/v1.2")),),
    ),
    "builders get the commit where a policy's tag is not known": Row(
        observed(with_builds(PINNED, tool_config=POLICY)),
        Reason.BUILDING,
        (actions.StartBuild(replace(request(), ref=COMMIT)),),
    ),
    "a commit that the trigger names is not resolved again": Row(
        observed(deployment(trigger=Trigger.POLL, commits={"web": NEWER})),
        Reason.BUILDING,
        (actions.StartBuild(request(NEWER)),),
    ),
    "a commit that was asked for an unknown component fails it": Row(
        observed(deployment(trigger=Trigger.API, commits={"nope": NEWER})),
        Reason.COMMIT_MISMATCH,
    ),
    "a commit that was asked for a component that reuses a build fails it": Row(
        observed(
            deployment(commits={"report": NEWER}),
            config=config(web=component(), report=scheduled("web")),
        ),
        Reason.COMMIT_MISMATCH,
    ),
    "a commit of a component that left the config since it was polled does not matter": Row(
        observed(deployment(trigger=Trigger.POLL, commits={"web": NEWER, "nope": NEWER})),
        Reason.BUILDING,
        (actions.StartBuild(request(NEWER)),),
    ),
    "a commit that a CI job asks for is what is built": Row(
        observed(deployment(trigger=Trigger.API, commits={"web": NEWER})),
        Reason.BUILDING,
        (actions.StartBuild(request(NEWER)),),
    ),
    "a pinned commit that nobody built is built": Row(
        observed(with_builds(PINNED)), Reason.BUILDING, (actions.StartBuild(request()),)
    ),
    "a build that was started before a crash is found again": Row(
        observed(with_builds(PINNED), builds=(build(state=BuildState.RUNNING, by="d1"),)),
        Reason.BUILDING,
    ),
    "what an ended deployment left going makes room for a build": Row(
        observed(
            with_builds(PINNED),
            builds=(build(state=BuildState.RUNNING, commit=NEWER, by="d0", build_id="b0"),),
        ),
        Reason.BUILDING,
        (actions.CancelBuild("b0"), actions.StartBuild(request())),
    ),
    "what an ended deployment left going is joined where it fits": Row(
        observed(with_builds(PINNED), builds=(build(state=BuildState.RUNNING, by="d0"),)),
        Reason.BUILDING,
    ),
    "what somebody started by hand is not stopped": Row(
        observed(
            with_builds(PINNED), builds=(build(state=BuildState.RUNNING, commit=NEWER, by=""),)
        ),
        Reason.BUILDING,
        (actions.StartBuild(request()),),
    ),
    "an identical build that somebody started by hand is joined": Row(
        observed(with_builds(PINNED), builds=(build(state=BuildState.RUNNING, by=""),)),
        Reason.BUILDING,
    ),
    "force_build takes no build of the same second that is not its own": Row(
        observed(
            with_builds(PINNED, force_build=True),
            builds=(build(by="", created=NOW), build(state=BuildState.RUNNING, by="", created=NOW)),
        ),
        Reason.BUILDING,
        (actions.StartBuild(request()),),
    ),
    "an identical build that is still going is joined": Row(
        observed(with_builds(PINNED), builds=(build(state=BuildState.PENDING, by="d0"),)),
        Reason.BUILDING,
    ),
    "a build of another commit is of no use": Row(
        observed(with_builds(PINNED), builds=(build(commit=NEWER),)),
        Reason.BUILDING,
        (actions.StartBuild(request()),),
    ),
    "a build of another repository is of no use": Row(
        observed(with_builds(PINNED), builds=(build(repository="https://else.example.org/x"),)),
        Reason.BUILDING,
        (actions.StartBuild(request()),),
    ),
    "a build whose commit the service does not tell is of no use": Row(
        observed(with_builds(PINNED), builds=(build(commit=""),)),
        Reason.BUILDING,
        (actions.StartBuild(request()),),
    ),
    "an older good build is reused behind newer ones of other commits": Row(
        observed(with_builds(PINNED), builds=(build(commit=NEWER, build_id="b9"), build())),
        Reason.STARTING,
        (actions.ApplyJob(job_spec(restart_id="d1")),),
    ),
    "an older failed build does not stand in the way": Row(
        observed(
            with_builds(PINNED),
            builds=(build(state=BuildState.FAILED, by="d0", created=ago(9)),),
        ),
        Reason.BUILDING,
        (actions.StartBuild(request()),),
    ),
    "force_build does not reuse": Row(
        observed(with_builds(PINNED, force_build=True), builds=(build(),)),
        Reason.BUILDING,
        (actions.StartBuild(request()),),
    ),
    "a joined build that somebody stopped is started anew": Row(
        observed(
            with_builds({"web": {"commit": COMMIT, "build_id": "build-web-d0"}}),
            builds=(build(state=BuildState.CANCELLED, by="d0", created=ago(9)),),
        ),
        Reason.BUILDING,
        (actions.StartBuild(request()),),
    ),
    "a joined build that fails, fails the deployment": Row(
        observed(
            with_builds({"web": {"commit": COMMIT, "build_id": "build-web-d0"}}),
            builds=(build(state=BuildState.FAILED, by="d0", created=ago(9)),),
        ),
        Reason.BUILD_FAILED,
    ),
    "a build that vanished fails the deployment": Row(
        observed(with_builds({"web": {"commit": COMMIT, "build_id": "gone"}})),
        Reason.BUILD_LOST,
    ),
    "a build that the service's clock makes older than its deployment is waited for": Row(
        observed(
            deployment(status=started(ago(60), builds=PINNED)),
            builds=(build(state=BuildState.RUNNING, by="d1", created=ago(86_400)),),
        ),
        Reason.BUILDING,
    ),
    "a build that takes too long fails the deployment": Row(
        observed(
            deployment(status=started(ago(1801), builds=PINNED)),
            builds=(build(state=BuildState.RUNNING, by="d1", created=ago(1801)),),
        ),
        Reason.BUILD_TIMED_OUT,
    ),
    "a successful build of the same content is reused, and its job created": Row(
        observed(with_builds(PINNED), builds=(build(),)),
        Reason.STARTING,
        (actions.ApplyJob(job_spec(restart_id="d1")),),
    ),
    "a job that is what it should be is left alone": Row(
        observed(with_builds(BUILT), jobs=(job(spec=job_spec(restart_id="d0")),)),
        Reason.DEPLOYED,
        ends=State.SUCCESSFUL,
    ),
    "force_run restarts a job that is what it should be": Row(
        observed(with_builds(BUILT, force_run=True), jobs=(job(spec=job_spec(restart_id="d0")),)),
        Reason.STARTING,
        (actions.ApplyJob(job_spec(restart_id="d1")),),
    ),
    "a job in trouble since before is restarted": Row(
        observed(
            with_builds(BUILT),
            jobs=(job(spec=job_spec(restart_id="d0"), trouble=Reason.CRASH_LOOP),),
        ),
        Reason.STARTING,
        (actions.ApplyJob(job_spec(restart_id="d1")),),
    ),
    "a job in trouble since this deployment fails it": Row(
        observed(
            with_builds(BUILT),
            jobs=(job(spec=job_spec(restart_id="d1"), trouble=Reason.CRASH_LOOP),),
        ),
        Reason.CRASH_LOOP,
    ),
    "a job with other settings is updated": Row(
        observed(with_builds(BUILT), jobs=(job(spec=job_spec(port=8000)),)),
        Reason.STARTING,
        (actions.ApplyJob(job_spec(restart_id="d1")),),
    ),
    "a job that is not up yet is waited for": Row(
        observed(with_builds(BUILT), jobs=(job(phase=JobPhase.PENDING),)), Reason.VERIFYING
    ),
    "a job that is up for a moment only is waited for": Row(
        observed(with_builds(BUILT), jobs=(job(since=ago(1)),)), Reason.VERIFYING
    ),
    "a job that is not healthy yet is waited for": Row(
        observed(with_builds(BUILT), jobs=(job(healthy=False),)), Reason.VERIFYING
    ),
    "a left-over job of ours is removed": Row(
        observed(with_builds(BUILT), jobs=(job(), job("old"))),
        Reason.STARTING,
        (actions.DeleteJob("old"),),
    ),
    "a left-over job of somebody else is not touched": Row(
        observed(with_builds(BUILT), jobs=(job(), job("other", owned=False))),
        Reason.DEPLOYED,
        ends=State.SUCCESSFUL,
    ),
    "where ownership is not known, the history of deployments tells": Row(
        observed(
            with_builds(BUILT),
            jobs=(job(), job("old", owned=None), job("other", owned=None)),
            finished=(finished(components=("old",)),),
        ),
        Reason.STARTING,
        (actions.DeleteJob("old"),),
    ),
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
    plan = make_plan(row.seen, NOW)
    (step,) = plan.steps
    ends = step.ending.state if step.ending else None
    assert (step.reason, plan.actions, ends) == (row.phase, row.todo, row.ends)


def test_what_is_applied_says_whose_turn_it_is_and_since_when() -> None:
    seen = observed(deployment("d1", status=started(ago(20), builds=BUILT)))
    (step,) = make_plan(seen, NOW).steps
    (action,) = step.actions
    assert isinstance(action, actions.ApplyJob)
    assert (action.spec.restart_id, action.spec.turn_began) == ("d1", ago(20))


def test_a_deployment_keeps_to_the_config_that_it_began_with() -> None:
    begun = deployment(status=started(tool_config=config(web=component(ref="old"))))
    plan = make_plan(observed(begun, config=config(web=component(ref="new"))), NOW)
    assert plan.actions == (actions.ResolveRef("web", REPOSITORY, "old"),)


def test_a_chain_of_reuse_ends_at_the_component_that_is_built() -> None:
    chain = ToolConfigSpec.model_validate(
        {
            "components": {
                "web": component().model_dump(exclude_unset=True),
                "first": {"build": {"reuse_from": "web"}, "run": {"command": "a"}},
                "second": {"build": {"reuse_from": "first"}, "run": {"command": "b"}},
            }
        }
    )
    begun = deployment(status=started(builds=BUILT, tool_config=chain))
    plan = make_plan(observed(begun), NOW)
    images = {a.spec.name: a.spec.image for a in plan.actions if isinstance(a, actions.ApplyJob)}
    assert set(images) == {"web", "first", "second"}
    assert set(images.values()) == {f"local/demo/web@sha256:{COMMIT}"}


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


def test_nothing_unfinished_needs_nothing() -> None:
    assert make_plan(observed(), NOW).actions == ()


def test_finished_deployments_beyond_those_that_are_kept_are_forgotten_oldest_first() -> None:
    ended = tuple(
        finished(f"d{n:02}", created=NOW + timedelta(seconds=n), history=n == 0) for n in range(28)
    )
    plan = make_plan(observed(finished=ended), NOW)
    assert set(plan.actions) == {
        actions.DeleteDeployment("d01", "uid-d01"),
        actions.DeleteDeployment("d02", "uid-d02"),
    }


def test_what_has_nearly_settled_is_not_looked_at_in_a_loop() -> None:
    nearly = ago(9.999)
    (step,) = make_plan(observed(with_builds(BUILT), jobs=(job(since=nearly),)), NOW).steps
    assert step.reason == Reason.VERIFYING
    assert step.after == timedelta(milliseconds=250)


GOES_ON = (build(state=BuildState.RUNNING, by="d1"),)
STOPPING = started(ago(60), failure=LOST, ending_since=ago(20))
LATEST = {
    "it is looked at again by its deadline": (
        observed(deployment(status=started(ago(3590))), builds=GOES_ON),
        timedelta(seconds=10),
    ),
    "what is overdue is ended now": (
        observed(deployment(status=started(ago(3601))), builds=GOES_ON),
        None,
    ),
    "what is being stopped is looked at when there is no more time for it": (
        observed(deployment(status=STOPPING), builds=GOES_ON),
        timedelta(seconds=10),
    ),
    "nothing is due any more for what ends": (observed(deployment(status=STOPPING)), None),
    "nothing is due for a tool that rests": (observed(), None),
}


@pytest.mark.parametrize(("seen", "expected"), LATEST.values(), ids=LATEST.keys())
def test_when_it_is_looked_at_again_at_the_latest(
    seen: Observed, expected: timedelta | None
) -> None:
    assert make_plan(seen, NOW).latest == expected


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


def test_who_waits_knows_what_is_just_before_it() -> None:
    seen = observed(*(deployment(f"d{number}") for number in range(3)))
    steps = make_plan(seen, NOW).steps
    assert [(step.position, step.behind) for step in steps] == [(0, ""), (1, "d0"), (2, "d1")]


def test_all_components_that_broke_are_counted_in_one_sentence() -> None:
    names = [f"c{number}" for number in range(5)]
    shape = ToolConfigSpec(components={name: component() for name in names})
    built = {name: {**BUILT["web"], "build_id": f"build-{name}-d1"} for name in names}
    run = {"applied_at": ago(5), "change": "updated"}
    runs = dict.fromkeys(names, run)
    active = deployment("d1", status=started(builds=built, runs=runs, tool_config=shape))

    def seen_job(name: str) -> Job:
        spec = replace(job_spec(name, restart_id="d1"), image=BUILT["web"]["build_image"])
        if name in ("c1", "c3"):
            broken = Reason.CRASH_LOOP
            return job(
                name, JobPhase.DOWN, spec=spec, since=ago(1), trouble=broken, messages=("oh",)
            )
        return job(name, spec=spec, since=ago(1))

    seen = observed(active, config=shape, jobs=tuple(map(seen_job, names)))
    (step,) = make_plan(seen, NOW).steps
    assert step.message == "2 of 5 components failed: c1, c3; component c1: oh"
