"""The plan as tables: from builds to jobs that run. Extra actions fail the row."""

from dataclasses import replace
from datetime import timedelta

import pytest

from controller.backends.base import Job, JobPhase
from controller.models.reasons import Reason
from controller.models.toolconfig import ToolConfigSpec
from controller.models.tooldeployment import (
    State,
)
from controller.reconcile import actions
from controller.reconcile.plan import make_plan
from tests.builders import (
    BUILT,
    COMMIT,
    NOW,
    ago,
    build,
    component,
    deployment,
    finished,
    job,
    job_spec,
    observed,
    started,
)
from tests.unit.reconcile.plan.rows import PINNED, Row, with_builds

ROWS = {
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
    "what is new waits for what is removed, which may give back the quota that it needs": Row(
        observed(with_builds(BUILT), jobs=(job("old"),)),
        Reason.STARTING,
        (actions.DeleteJob("old"),),
    ),
    "what changes does not wait for what is removed": Row(
        observed(with_builds(BUILT), jobs=(job(spec=job_spec(port=8000)), job("old"))),
        Reason.STARTING,
        (actions.DeleteJob("old"), actions.ApplyJob(job_spec(restart_id="d1"))),
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
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_plan(row: Row) -> None:
    row.check()


def test_what_is_applied_says_whose_turn_it_is_and_since_when() -> None:
    seen = observed(deployment("d1", status=started(ago(20), builds=BUILT)))
    (step,) = make_plan(seen, NOW).steps
    (action,) = step.actions
    assert isinstance(action, actions.ApplyJob)
    assert (action.spec.restart_id, action.spec.turn_began) == ("d1", ago(20))


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


def test_what_has_nearly_settled_is_not_looked_at_in_a_loop() -> None:
    nearly = ago(9.999)
    (step,) = make_plan(observed(with_builds(BUILT), jobs=(job(since=nearly),)), NOW).steps
    assert step.reason == Reason.VERIFYING
    assert step.after == timedelta(milliseconds=250)


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
