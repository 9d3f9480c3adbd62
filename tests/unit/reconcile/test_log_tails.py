"""The last lines of a log in a failure: as a terminal would show them."""

import pytest

from controller.backends.base import BuildState
from controller.models.reasons import Reason
from controller.reconcile.observed import Observed
from controller.reconcile.plan import make_plan
from tests.builders import NOW, ago, build, deployment, job, job_spec, observed, started

PRINTED = (
    "\x1b[32minstalling\x1b[0m",
    "10%\r\x1b[K50%\r\x1b[K100%",
    "bar\r\x1b[2K",
    "\x1b]0;x\x07no",
)
SHOWN = ("installing", "100%", "no")
PINNED = {"web": {"commit": "a" * 40, "build_id": "build-web-d1"}}
BUILT = {
    "web": PINNED["web"]
    | {"build_status": "successful", "build_image": f"local/demo/web@sha256:{'a' * 40}"}
}


@pytest.mark.parametrize(
    ("world", "reason"),
    [
        pytest.param(
            observed(
                deployment(status=started(ago(60), builds=PINNED)),
                builds=(
                    build(state=BuildState.FAILED, commit="a" * 40, by="d1", log_tail=PRINTED),
                ),
            ),
            Reason.BUILD_FAILED,
            id="a build that failed",
        ),
        pytest.param(
            observed(
                deployment(status=started(ago(60), builds=BUILT)),
                builds=(build(commit="a" * 40, by="d1"),),
                jobs=(
                    job(
                        spec=job_spec(restart_id="d1"), trouble=Reason.CRASH_LOOP, log_tail=PRINTED
                    ),
                ),
            ),
            Reason.CRASH_LOOP,
            id="a job that crashes",
        ),
    ],
)
def test_nothing_that_commands_a_terminal_is_kept(world: Observed, reason: Reason) -> None:
    (step,) = make_plan(world, NOW).steps
    assert step.failure is not None
    assert (step.failure.reason, step.failure.log_tail) == (reason, SHOWN)
