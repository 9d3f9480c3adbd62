"""What the tables of the plan share: how a row reads, and the words that rows are made of."""

from dataclasses import dataclass
from typing import Any

from controller.backends.base import BuildOptions, BuildRequest
from controller.models.reasons import Owner, Reason
from controller.models.tooldeployment import Failure, State, ToolDeployment
from controller.reconcile import actions
from controller.reconcile.observed import Observed
from controller.reconcile.plan import make_plan
from tests.builders import COMMIT, NOW, REPOSITORY, deployment, started

LOST = Failure(reason=Reason.BUILD_LOST, owner=Owner.PLATFORM, message="gone")
PINNED = {"web": {"commit": COMMIT}}


@dataclass
class Row:
    """When the world is `seen`, the active deployment is in `phase` and `todo` is to be done."""

    seen: Observed
    phase: Reason
    todo: tuple[actions.Action, ...] = ()
    ends: State | None = None

    def check(self) -> None:
        """The plan says that, and nothing beyond it."""
        plan = make_plan(self.seen, NOW)
        (step,) = plan.steps
        ends = step.ending.state if step.ending else None
        assert (step.reason, plan.actions, ends) == (self.phase, self.todo, self.ends)


def request(commit: str = COMMIT, by: str = "d1") -> BuildRequest:
    return BuildRequest("web", REPOSITORY, "main", commit, BuildOptions(), by)


def with_builds(builds: dict[str, dict[str, str]], **more: object) -> ToolDeployment:
    spec: dict[str, Any] = {
        k: v for k, v in more.items() if k in ("force_build", "force_run", "cancel")
    }
    status: dict[str, Any] = {k: v for k, v in more.items() if k not in spec}
    return deployment("d1", status=started(builds=builds, **status), **spec)
