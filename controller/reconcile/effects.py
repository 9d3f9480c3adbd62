"""Carries actions out: one call each, side by side. The only place where the core acts.

Decides nothing, retries nothing, touches no status: an error becomes the action's outcome.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

from controller.backends.base import Applied, Backend, Build
from controller.errors import EdgeError, Transient
from controller.models.credentials import SecretRef
from controller.models.reasons import Reason
from controller.reconcile import actions
from controller.reconcile.ports import Journal, Refs, Writer

__all__ = ["Effects"]

Result = Build | Applied | actions.Resolved | None


@dataclass(frozen=True, slots=True)
class Effects:
    """What actions are carried out with. `may_act` is False once leadership is lost."""

    backend: Backend
    refs: Refs
    writer: Writer
    journal: Journal
    may_act: Callable[[], bool]

    async def carry_out(
        self, tool: str, todo: Sequence[actions.Action]
    ) -> tuple[actions.Outcome, ...]:
        """The outcome of every action, in the order of the actions.

        A bug in one action is raised only after the others have ended, so that none is cut off.
        """
        results = await asyncio.gather(
            *(self._outcome(tool, action) for action in todo), return_exceptions=True
        )
        outcomes = []
        for result in results:
            if isinstance(result, BaseException):
                raise result
            outcomes.append(result)
        return tuple(outcomes)

    async def _outcome(self, tool: str, action: actions.Action) -> actions.Outcome:
        try:
            if not self.may_act():
                raise Transient(Reason.RETRYING, "this controller is not the leader any more")
            outcome = actions.Outcome(action, await self._act(tool, action))
        except EdgeError as error:
            outcome = actions.Outcome(action, error=error)
        self.journal.done(outcome)
        return outcome

    async def _act(self, tool: str, action: actions.Action) -> Result:
        match action:
            case actions.ResolveRef(repository=repository, ref=ref, credentials=name):
                secret = SecretRef(tool, name) if name else None
                return await self.refs.resolve(repository, ref, secret)
            case actions.StartBuild(request=request):
                return await self.backend.builds.start(tool, request)
            case actions.CancelBuild(build_id=build_id):
                await self.backend.builds.cancel(tool, build_id)
            case actions.ApplyJob(spec=spec):
                return await self.backend.jobs.apply(tool, spec)
            case actions.DeleteJob(name=name):
                await self.backend.jobs.delete(tool, name)
            case actions.DeleteDeployment(name=name, uid=uid):
                await self.writer.delete(tool, name, uid)
            case _:
                assert_never(action)
        return None
