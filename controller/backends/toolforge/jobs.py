"""Jobs by jobs-api. Implements `base.Jobs`.

The service has no mark for who made a job or who restarted it last, and is not atomic: a PATCH that
is refused may have stored what it refused. What follows from that is decided here, call by call;
the facts are read in `status`, definitions are made in `definition`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from controller.backends.base import Applied, Job, JobKind, JobSpec, JobStatus
from controller.backends.toolforge import definition, errors, status
from controller.backends.toolforge.builds import created_at
from controller.backends.toolforge.client import Client, part
from controller.backends.toolforge.rollouts import Key, Rollouts
from controller.errors import EdgeError, Terminal
from controller.models.reasons import Reason
from controller.models.tooldeployment import JobChange

Seen = Mapping[str, Any]
"""A job as the service shows it, with all its fields."""

_DELETE = timedelta(seconds=40)  # the service waits up to 30 s for pods to end
_TAIL = 20


@dataclass(slots=True)
class ToolforgeJobs:
    """`clock` tells when an answer came: the service names ages, not times."""

    client: Client
    clock: Callable[[], datetime]
    rollouts: Rollouts = field(default_factory=Rollouts)
    # The end of the log of a job that crashes, per number of restarts.
    _tails: dict[Key, tuple[int, tuple[str, ...]]] = field(default_factory=dict)

    async def list(self, tool: str) -> Sequence[Job]:
        """All jobs of a tool but one-off ones, which no component has.

        `spec` is None: only the service can compare a definition with its own, and does so on
        every PATCH. `owned` is None: it does not know who made a job.
        """
        answer = await self.client.ask("jobs", "GET", tool, "/jobs/")
        if not answer.ok:
            raise errors.of_jobs(answer)
        seen = [(job, definition.kind(job)) for job in answer.part("jobs", list)]
        jobs = (self._job(tool, job, kind) for job, kind in seen if kind is not None)
        return await asyncio.gather(*jobs)

    async def apply(self, tool: str, spec: JobSpec) -> Applied:
        """See `base.Jobs.apply`.

        UNCHANGED says that what runs is what is wanted and was left alone, even where the service
        stored something: another way of writing the same, or the repair of what never came up.
        """
        before, stored = await self._before(tool, spec)
        if before is not None and definition.kind(before) != spec.kind:
            await self.delete(tool, spec.name)  # PATCH cannot turn one kind into the other
            before = stored = None
        sent_at = self.clock()
        answer = await self._patch(tool, spec, before, stored)
        changed, said = answer.part("job_changed", bool), _said(answer)
        change = await self._roll_out(tool, spec, before, sent_at, changed=changed)
        return Applied(change, said)

    async def delete(self, tool: str, name: str) -> None:
        """See `base.Jobs.delete`; the service answers when the pods are gone."""
        path = f"/jobs/{part(name)}"
        answer = await self.client.ask("jobs", "DELETE", tool, path, timeout=_DELETE)
        if not answer.ok and answer.status != 404:
            raise errors.of_jobs(answer)
        self.rollouts.forget((tool, name))

    async def log(
        self, tool: str, name: str, *, follow: bool = False, lines: int = 500
    ) -> AsyncIterator[str]:
        """See `base.Jobs.log`; kept for one hour, and not at all for jobs that log to files."""
        path = f"/jobs/{part(name)}/logs?lines={lines}&follow={str(follow).lower()}"
        async for line in self.client.lines("jobs", tool, path, follow=follow):
            if isinstance(line, errors.Answer):
                if line.status == 404:
                    return
                raise errors.of_jobs(line)
            yield _text(line)

    async def _before(self, tool: str, spec: JobSpec) -> tuple[Seen | None, dict[str, Any] | None]:
        """The job as it is, and its definition as it could be sent again."""
        seen, stored = await asyncio.gather(
            self._get(tool, spec.name), self._get(tool, spec.name, "?include_unset=false")
        )
        if seen is None or stored is None:
            return None, None
        if definition.kind(seen) is None:
            text = f"a one-off job named {spec.name} is in the place of component {spec.name}"
            hint = f"Delete it (`toolforge jobs delete {spec.name}`), or rename the component."
            raise Terminal(Reason.JOB_REFUSED, text, hint)
        return seen, definition.stored(stored)

    async def _get(self, tool: str, name: str, query: str = "") -> dict[str, Any] | None:
        answer = await self.client.ask("jobs", "GET", tool, f"/jobs/{part(name)}{query}")
        if answer.status == 404:
            return None
        if not answer.ok:
            raise errors.of_jobs(answer)
        return answer.part("job", dict)

    async def _patch(
        self, tool: str, spec: JobSpec, before: Seen | None, stored: dict[str, Any] | None
    ) -> errors.Answer:
        body = definition.body(spec)
        answer = await self.client.ask("jobs", "PATCH", tool, "/jobs/", send=body)
        if answer.ok:
            return answer
        error = errors.of_jobs(answer, definition.shape(spec))
        if isinstance(error, Terminal):
            await self._repair(tool, spec.name, before, stored)
        raise error

    async def _repair(
        self, tool: str, name: str, before: Seen | None, stored: dict[str, Any] | None
    ) -> None:
        """Put back what a refused PATCH may have replaced in the service's storage.

        Otherwise a later restart would start what was refused, unchecked. Its own failure changes
        nothing: the service stores before it checks, so that the definition is back in any case.
        """
        try:
            now = await self._get(tool, name, "?include_unset=false")
            if now is None or (stored is not None and definition.stored(now) == stored):
                return  # it was refused before it was stored
            if stored is None or before is None:
                await self.delete(tool, name)
            else:
                await self.client.ask("jobs", "PATCH", tool, "/jobs/", send=stored)
        except EdgeError:
            return

    async def _roll_out(
        self, tool: str, spec: JobSpec, before: Seen | None, sent_at: datetime, *, changed: bool
    ) -> JobChange:
        """What becomes of the pods, and a restart where it takes one."""
        key = (tool, spec.name)
        if before is not None and spec.kind == JobKind.SCHEDULED:
            started = await self._restart_once(tool, spec, before)
            return _said_change(changed=changed, restarted=started)
        after = await self._get(tool, spec.name) if changed else before
        if after is None:
            return JobChange.UNCHANGED  # deleted under our hands: the next look sees it
        template = definition.template(after)
        if before is None:
            self.rollouts.changed(key, template, sent_at, spec.restart_id)
            return JobChange.CREATED
        if changed and await self._replaces_pods(tool, spec, before, template, sent_at):
            return JobChange.UPDATED
        adjusted = changed and self._adjusts(key, before, after, sent_at)
        restarted = await self._restart_once(tool, spec, before)
        return _said_change(changed=adjusted, restarted=restarted)

    def _adjusts(self, key: Key, before: Seen, after: Seen, sent_at: datetime) -> bool:
        """Whether a change that makes no pods is one all the same, such as of `replicas`."""
        same_pods = definition.template(before) == definition.template(after)
        if not same_pods or definition.effect(before) == definition.effect(after):
            return False
        self.rollouts.adjusted(key, sent_at)
        return True

    async def _replaces_pods(
        self, tool: str, spec: JobSpec, before: Seen, template: str, sent_at: datetime
    ) -> bool:
        """Whether a change makes new pods. If nothing can tell, a restart makes it certain."""
        key = (tool, spec.name)
        since = status.since_of(before, sent_at)
        self.rollouts.check(key, definition.template(before))
        same = definition.template(before) == template
        if since is not None and same and not self.rollouts.is_marked(key):
            return False
        kept = None if since is None else self.rollouts.keeps(key, template, since)
        self.rollouts.changed(key, template, sent_at, "" if kept else spec.restart_id)
        if kept:
            return False
        if kept is None and since is not None and int(before.get("replicas") or 1) > 1:
            # With several replicas old pods stay until new ones are ready. If those that run now
            # were made from this very definition, they stay for good, and look like old ones.
            await self._restart(tool, spec.name)
            self.rollouts.restarted(key, template, sent_at, spec.restart_id)
        return True

    async def _restart_once(self, tool: str, spec: JobSpec, before: Seen) -> bool:
        """Carry out the restart that a spec asks for, unless that has been done.

        The service keeps no mark of it. What this process did, it remembers. Of what was done
        before, the age tells: what was started after the deployment that asks was created has been
        restarted for it.
        """
        key = (tool, spec.name)
        if not spec.restart_id or self.rollouts.was_restarted_by(key, spec.restart_id):
            return False
        now = self.clock()
        asked, started = created_at(spec.restart_id), status.started_at(before, now)
        is_ours = started is not None and self.rollouts.made(key, started)
        if asked is not None and started is not None and started >= asked and not is_ours:
            return False
        await self._restart(tool, spec.name)
        self.rollouts.restarted(key, definition.template(before), now, spec.restart_id)
        return True

    async def _restart(self, tool: str, name: str) -> None:
        answer = await self.client.ask("jobs", "POST", tool, f"/jobs/{part(name)}/restart")
        if not answer.ok:
            raise errors.of_jobs(answer)

    async def _job(self, tool: str, seen: Seen, kind: JobKind) -> Job:
        name, now = str(seen.get("name")), self.clock()
        key = (tool, name)
        since = status.since_of(seen, now)
        template = definition.template(seen)
        current = None if since is None else self.rollouts.current(key, template, since)
        rollouts = self.rollouts
        known = status.Known(now, current, rollouts.last_change(key), rollouts.last_adjusted(key))
        facts = await self._with_log(key, status.read(seen, known))
        return Job(name, kind, spec=None, status=facts)

    async def _with_log(self, key: Key, facts: JobStatus) -> JobStatus:
        if facts.trouble != Reason.CRASH_LOOP:
            self._tails.pop(key, None)
            return facts
        restarts, tail = self._tails.get(key, (-1, ()))
        if restarts != facts.restarts:
            try:
                tail = tuple([line async for line in self.log(*key, lines=_TAIL)])
            except EdgeError:
                return facts  # without a log it is still in trouble
            self._tails[key] = (facts.restarts, tail[-_TAIL:])
        return replace(facts, log_tail=tail[-_TAIL:])


def _said_change(*, changed: bool, restarted: bool) -> JobChange:
    if changed:
        return JobChange.UPDATED
    return JobChange.RESTARTED if restarted else JobChange.UNCHANGED


def _said(answer: errors.Answer) -> tuple[str, ...]:
    messages = answer.part("messages", dict)
    levels = ("info", "warning", "error")
    return tuple(str(text) for level in levels for text in messages.get(level) or ())


def _text(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    return str(entry.get("message", line)) if isinstance(entry, dict) else line
