"""The whole flow on one screen: observe → plan → effects → status → one patch.

Called by the worker loop with a key (a tool); works from zero each time. Nothing else may grow
here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.backends.base import Backend
from controller.errors import Transient, Waiting
from controller.reconcile import actions, ports, steps
from controller.reconcile.effects import Effects
from controller.reconcile.news import news_of
from controller.reconcile.observe import observe
from controller.reconcile.observed import Policy
from controller.reconcile.plan import make_plan
from controller.reconcile.report import to_write
from controller.reconcile.status import status_of
from controller.runtime.result import Result

__all__ = ["Reconciler"]


@dataclass(frozen=True, slots=True)
class Reconciler:
    """Brings one tool a step further, and says when to look again."""

    objects: ports.Objects
    writer: ports.Writer
    backend: Backend
    effects: Effects
    journal: ports.Journal
    clock: ports.Clock
    policy: Policy

    async def reconcile(self, tool: str) -> Result:
        """One step for every unfinished deployment of the tool. Raises Transient to back off."""
        observed = await observe(tool, self.objects, self.backend, self.policy)
        began = self.clock()
        plan = make_plan(observed, began)
        outcomes = await self.effects.carry_out(tool, plan.actions)
        for step in plan.steps:
            await self._report(step, outcomes, began)
        for outcome in outcomes:
            if isinstance(outcome.error, Transient):
                error = outcome.error
                raise Transient(error.reason, error.message, error.after, plan.latest) from error
        return Result(after=_next_look(plan, outcomes))

    async def _report(
        self, step: steps.Step, outcomes: tuple[actions.Outcome, ...], began: datetime
    ) -> None:
        mine = tuple(o for o in outcomes if o.action in step.actions)
        old = step.deployment.status
        now = self.clock()
        wanted = status_of(step, mine, self.policy, now, began=began)
        new = to_write(old, wanted, self.policy, now)
        if new is None:
            return
        patched = await self.writer.patch_status(step.deployment, new)
        self.journal.moved(patched, old, new)
        for news in news_of(old, new):
            await self.writer.tell(patched, news)


def _next_look(plan: steps.Plan, outcomes: tuple[actions.Outcome, ...]) -> timedelta | None:
    waits = [o.error.after for o in outcomes if isinstance(o.error, Waiting)]
    waits += [step.after for step in plan.steps if step.after is not None]
    waits += [plan.latest] if plan.latest is not None else []
    if any(step.ending for step in plan.steps) and len(plan.steps) > 1:
        waits.append(timedelta())  # the next in line begins at once
    return min(waits, default=None)
