"""What a plan is: for each unfinished deployment one step, and what to forget.

Made by `plan`, read by `effects` and `status`. Data only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from controller.models.reasons import Reason
from controller.models.toolconfig import ToolConfigSpec
from controller.models.tooldeployment import (
    BuildRecord,
    Failure,
    KeptRunning,
    RunRecord,
    State,
    ToolDeployment,
)
from controller.reconcile.actions import Action, DeleteDeployment
from controller.reconcile.observed import Observed
from controller.reconcile.sources import BuildView

__all__ = ["Case", "Ending", "Plan", "Step", "Turn"]


FIRST_LOOK = timedelta(milliseconds=250)


@dataclass(frozen=True, slots=True)
class Turn:
    """What every rule looks at: the deployment whose turn it is, and who waits for it, in order."""

    observed: Observed
    deployment: ToolDeployment
    waiting: tuple[ToolDeployment, ...]
    now: datetime


@dataclass(frozen=True, slots=True)
class Case(Turn):
    """What the rules look at that need a config: also that, and the builds that it asks for."""

    config: ToolConfigSpec
    views: Mapping[str, BuildView]

    @property
    def builds(self) -> dict[str, BuildRecord]:
        """The build records as they are now, before any action."""
        return {name: view.record for name, view in self.views.items()}

    def soon(self, at_most: timedelta) -> timedelta:
        """When to look again: often at first, then ever less: what is quick is seen quickly."""
        begun = self.deployment.status.phase_since or self.now
        return min(max(FIRST_LOOK, (self.now - begun) / 2), at_most)

    @property
    def runs(self) -> dict[str, RunRecord]:
        """The run of every component, as far as it got."""
        known = self.deployment.status.runs
        return {name: known.get(name, RunRecord()) for name in self.config.components}


@dataclass(frozen=True, slots=True)
class Ending:
    """The final state that a deployment takes with this step, and what runs in its place."""

    state: State
    reason: Reason
    superseded_by: str = ""
    kept_running: KeptRunning | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done for one deployment, and what its status becomes if all of it works.

    `reason` and `message` say what it is doing now, in words for people; `position` is 0 for the
    one whose turn it is, and of the others `behind` names the one before it. `failure` is recorded
    before anything is undone; `ending` ends it.
    `undoing` marks actions that take back what was begun: they are no progress to report.
    `after` is when to look again although nothing was heard (None: only when something changes).
    """

    deployment: ToolDeployment
    reason: Reason
    message: str
    actions: tuple[Action, ...] = ()
    builds: Mapping[str, BuildRecord] = field(default_factory=dict)
    runs: Mapping[str, RunRecord] = field(default_factory=dict)
    config: ToolConfigSpec | None = None
    position: int = 0
    behind: str = ""
    failure: Failure | None = None
    ending: Ending | None = None
    undoing: bool = False
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """One step per unfinished deployment, and the deployments to forget.

    `latest` is when something is due that nobody will tell of (a deadline): look again by then,
    whatever else is waited for.
    """

    steps: tuple[Step, ...] = ()
    forget: tuple[DeleteDeployment, ...] = ()
    latest: timedelta | None = None

    @property
    def actions(self) -> tuple[Action, ...]:
        """Everything that is to be done, in order."""
        return tuple(a for step in self.steps for a in step.actions) + self.forget
