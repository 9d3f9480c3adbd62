"""The plan as tables: from refs to builds. Extra actions fail the row."""

from dataclasses import replace

import pytest

from controller.backends.base import BuildState
from controller.models.reasons import Reason
from controller.models.refs import RefPolicy
from controller.models.tooldeployment import (
    Trigger,
)
from controller.reconcile import actions
from controller.reconcile.plan import make_plan
from tests.builders import (
    COMMIT,
    NEWER,
    NOW,
    REPOSITORY,
    ago,
    build,
    component,
    config,
    deployment,
    job_spec,
    observed,
    scheduled,
    started,
)
from tests.unit.reconcile.plan.rows import PINNED, Row, request, with_builds

POLICY = config(web=component(ref=RefPolicy(semver="1.x")))
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
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_plan(row: Row) -> None:
    row.check()


def test_a_deployment_keeps_to_the_config_that_it_began_with() -> None:
    begun = deployment(status=started(tool_config=config(web=component(ref="old"))))
    plan = make_plan(observed(begun, config=config(web=component(ref="new"))), NOW)
    assert plan.actions == (actions.ResolveRef("web", REPOSITORY, "old"),)
