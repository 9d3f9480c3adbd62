"""Jobs by jobs-api. Implements `base.Jobs`.

The service is not atomic: a PATCH that is refused may have stored what it refused. Facts are read
in `status`, definitions are made in `definition`, what becomes of pods is decided in `rolling`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from controller.backends.base import Applied, Job, JobKind, JobSpec, JobStatus
from controller.backends.toolforge import definition, status
from controller.backends.toolforge.client import TAIL, Client, tail
from controller.backends.toolforge.jobs_api import JobsApi, Patched, Seen
from controller.backends.toolforge.rolling import Change, Rolling
from controller.backends.toolforge.rollouts import Key, Rollouts
from controller.errors import EdgeError, Terminal
from controller.models.reasons import Reason

_TAILS = 256


class ToolforgeJobs:
    """`clock` tells when an answer came: the service names ages, not times."""

    def __init__(self, client: Client, clock: Callable[[], datetime]) -> None:
        self._api = JobsApi(client)
        self._clock = clock
        self._rollouts = Rollouts()
        self._rolling = Rolling(self._api, self._rollouts, clock)
        self._tails = _Tails(self._api)

    async def list(self, tool: str) -> Sequence[Job]:
        """All jobs of a tool but one-off ones, which no component has.

        `spec` is None: only the service can compare a definition with its own, and does so on
        every PATCH. `owned` is None: it does not know who made a job.
        """
        jobs = await self._api.jobs(tool)
        await self._rolling.learn(tool, jobs)
        seen = [(job, definition.kind(job)) for job in jobs]
        return await asyncio.gather(
            *(self._job(tool, job, kind) for job, kind in seen if kind is not None)
        )

    async def apply(self, tool: str, spec: JobSpec) -> Applied:
        """See `base.Jobs.apply`.

        UNCHANGED says that what runs is what is wanted and was left alone, even where the service
        stored something: another way of writing the same, or the repair of what never came up.
        """
        before, stored = await self._api.seen_and_stored(tool, spec.name)
        if before is not None and definition.kind(before) is None:
            raise _one_off(spec)
        if before is not None and definition.kind(before) != spec.kind:
            await self.delete(tool, spec.name)  # PATCH cannot turn one kind into the other
            before = stored = None
        sent_at = self._clock()
        patched = await self._patch(tool, spec, stored)
        change = Change(tool, spec, before, sent_at, patched.changed)
        return Applied(await self._rolling.finish(change), patched.said)

    async def delete(self, tool: str, name: str) -> None:
        """See `base.Jobs.delete`; the service answers when the pods are gone."""
        await self._api.delete(tool, name)

    def log(
        self, tool: str, name: str, *, follow: bool = False, lines: int = 500
    ) -> AsyncIterator[str]:
        """See `base.Jobs.log`; kept for one hour, and not at all for jobs that log to files."""
        return self._api.log(tool, name, follow=follow, lines=lines)

    async def _patch(self, tool: str, spec: JobSpec, stored: dict[str, Any] | None) -> Patched:
        try:
            return await self._api.patch(tool, definition.body(spec), definition.shape(spec))
        except Terminal:
            await self._repair(tool, spec.name, stored)
            raise

    async def _repair(self, tool: str, name: str, good: dict[str, Any] | None) -> None:
        """Put back what a refused PATCH may have replaced in the service's storage.

        Otherwise a later restart would start what was refused, unchecked. That this is refused,
        too, changes nothing: the service stores before it checks, so the definition is back.
        """
        try:
            now = await self._api.stored(tool, name)
            if now is None or now == good:
                return  # it was refused before it was stored
            if good is None:
                await self.delete(tool, name)
            else:
                await self._api.patch(tool, good)
        except EdgeError:
            return

    async def _job(self, tool: str, seen: Seen, kind: JobKind) -> Job:
        key, now = (tool, str(seen.get("name"))), self._clock()
        since = status.since_of(seen, now)
        template = definition.template(seen)
        rollouts = self._rollouts
        current = None if since is None else rollouts.current(key, template, since)
        known = status.Known(now, current, rollouts.last_change(key), rollouts.last_adjusted(key))
        facts = await self._tails.added(key, status.read(seen, known))
        return Job(key[1], kind, spec=None, status=facts)


@dataclass(slots=True)
class _Tails:
    """The ends of the logs of jobs that crash; each is read once per crash."""

    api: JobsApi
    _known: dict[Key, tuple[int, tuple[str, ...]]] = field(default_factory=dict)

    async def added(self, key: Key, facts: JobStatus) -> JobStatus:
        """The facts with the log, where there is trouble that a log explains."""
        if facts.trouble != Reason.CRASH_LOOP:
            self._known.pop(key, None)
            return facts
        restarts, lines = self._known.get(key, (-1, ()))
        if restarts != facts.restarts:
            try:
                timeout = self.api.client.gateway.timeout
                lines = await tail(self.api.log(*key, lines=TAIL), timeout)
            except EdgeError:
                return facts  # without a log it is still in trouble
            while len(self._known) >= _TAILS:
                del self._known[next(iter(self._known))]
            self._known[key] = (facts.restarts, lines)
        return replace(facts, log_tail=lines)


def _one_off(spec: JobSpec) -> Terminal:
    text = f"a one-off job named {spec.name} is in the place of component {spec.name}"
    hint = f"Delete it (`toolforge jobs delete {spec.name}`), or rename the component."
    return Terminal(Reason.JOB_REFUSED, text, hint)
