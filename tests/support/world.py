"""A whole world in memory and virtual time, for the flow of one tool: objects, backend, clock.

The real `Reconciler` runs in it; objects and refs are second implementations of its ports. Every
change is an effect that can be the moment of a crash: `World(crash_at=7)`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from controller.errors import EdgeError, Terminal
from controller.models.credentials import SecretRef
from controller.models.meta import ObjectMeta
from controller.models.reasons import Reason
from controller.models.summary import DeploymentSummary
from controller.models.toolconfig import ToolConfigSpec
from controller.models.tooldeployment import (
    State,
    ToolDeployment,
    ToolDeploymentSpec,
    ToolDeploymentStatus,
    Trigger,
    TriggerSpec,
)
from controller.reconcile.actions import Outcome, Resolved
from controller.reconcile.effects import Effects
from controller.reconcile.news import News
from controller.reconcile.observed import Policy
from controller.reconcile.reconciler import Reconciler
from tests import builders
from tests.support.fakebackend import FakeBackend

TICK = timedelta(milliseconds=250)


class CrashError(BaseException):
    """The process dies here. Not an Exception: nothing may catch it."""


@dataclass
class World:
    """Objects, refs and a backend; `crash_at` is the number of the effect to die at (0: never)."""

    crash_at: int = 0
    policy: Policy = field(default_factory=lambda: Policy(settle_time=timedelta(seconds=2)))
    config: ToolConfigSpec | None = field(default_factory=builders.config)
    refs: dict[str, str] = field(default_factory=lambda: {"main": builders.COMMIT})
    now: datetime = builders.NOW
    effects: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    told: list[tuple[str, News]] = field(default_factory=list)
    deployments: dict[str, ToolDeployment] = field(default_factory=dict)
    histories: dict[str, list[State]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.backend = FakeBackend(lambda: self.now, self._effect)

    # ------------------------------------------------------------------ what a user does

    def deploy(
        self, name: str, trigger: Trigger = Trigger.MANUAL, **spec: object
    ) -> ToolDeployment:
        """Create a ToolDeployment, now."""
        meta = ObjectMeta(
            name=name, namespace="tool-demo", uid=f"uid-{name}", creation_timestamp=self.now
        )
        wanted = ToolDeploymentSpec.model_validate({"trigger": TriggerSpec(kind=trigger)} | spec)
        self.deployments[name] = ToolDeployment(metadata=meta, spec=wanted)
        return self.deployments[name]

    def cancel(self, name: str) -> None:
        """Set spec.cancel."""
        old = self.deployments[name]
        spec = old.spec.model_copy(update={"cancel": True})
        self.deployments[name] = old.model_copy(update={"spec": spec})

    def status(self, name: str) -> ToolDeploymentStatus:
        """The status of a deployment."""
        return self.deployments[name].status

    # ------------------------------------------------------------------ running

    async def run(self, seconds: float = 120) -> None:
        """Reconcile until nothing is to be done any more; a crash starts the controller anew."""
        deadline = self.now + timedelta(seconds=seconds)
        while self.now < deadline:
            before = len(self.effects)
            try:
                after = await self._once()
            except CrashError:
                self.crash_at = 0
                after = TICK
            # What it changed itself wakes the controller again, as a watch event would.
            quiet = after is None and len(self.effects) == before
            if quiet and all(d.final for d in self.deployments.values()):
                return
            self.now += max(after or TICK, TICK)

    async def _once(self) -> timedelta | None:
        try:
            return (await self.reconciler().reconcile(builders.TOOL)).after
        except EdgeError:
            return TICK

    def reconciler(self) -> Reconciler:
        """A controller that remembers nothing."""
        effects = Effects(self.backend.backend, self, self, self, lambda: True)
        return Reconciler(
            self, self, self.backend.backend, effects, self, lambda: self.now, self.policy
        )

    def _effect(self, name: str) -> None:
        self.effects.append(name)
        if len(self.effects) == self.crash_at:
            raise CrashError

    # ------------------------------------------------------------------ ports of the core

    def unfinished(self, tool: str) -> Sequence[ToolDeployment]:
        """Objects."""
        return [d for d in self.deployments.values() if not d.final]

    def finished(self, tool: str) -> Sequence[DeploymentSummary]:
        """Objects."""
        return [
            replace(
                builders.finished(
                    d.name,
                    created=d.metadata.creation_timestamp,
                    components=tuple(d.status.runs),
                    state=d.status.status,
                ),
                finished_at=d.status.finished_at,
            )
            for d in self.deployments.values()
            if d.final
        ]

    def config_of(self, tool: str) -> tuple[ToolConfigSpec | None, tuple[str, ...]]:
        """Objects."""
        return self.config, ()

    async def patch_status(
        self, deployment: ToolDeployment, status: ToolDeploymentStatus
    ) -> ToolDeployment:
        """Writer."""
        self._effect("patch status")
        current = self.deployments[deployment.name]
        self.deployments[deployment.name] = current.model_copy(update={"status": status})
        self.histories.setdefault(deployment.name, []).append(status.status)
        self.writes.append(deployment.name)
        self._effect("status patched")
        return self.deployments[deployment.name]

    async def delete(self, tool: str, name: str, uid: str) -> None:
        """Writer."""
        if name in self.deployments:
            self._effect("delete deployment")
            del self.deployments[name]
            self._effect("deployment deleted")

    async def tell(self, deployment: ToolDeployment, news: News) -> None:
        """Writer."""
        self.told.append((deployment.name, news))

    async def resolve(self, repository: str, ref: str, secret: SecretRef | None = None) -> Resolved:
        """Refs."""
        if ref not in self.refs:
            raise Terminal(Reason.REF_NOT_FOUND, f"{repository} has no branch or tag {ref}")
        return Resolved(self.refs[ref])

    def moved(
        self, deployment: ToolDeployment, old: ToolDeploymentStatus, new: ToolDeploymentStatus
    ) -> None:
        """Journal."""

    def done(self, outcome: Outcome) -> None:
        """Journal."""
