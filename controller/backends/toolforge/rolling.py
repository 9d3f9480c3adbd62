"""What becomes of a job's pods after a PATCH, and the restarts that it takes.

Called by `jobs`. The service says that something changed, not whether that makes new pods; and it
keeps no mark of a restart. Both are needed: a deployment must not wait for pods that will not come,
nor take old ones for new, nor restart twice. `rollouts` is the memory; where it is empty, this
module finds out, or makes certain by a restart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.backends.base import JobKind, JobSpec
from controller.backends.toolforge import definition, status
from controller.backends.toolforge.jobs_api import JobsApi, Seen
from controller.backends.toolforge.rollouts import Rollouts
from controller.models.tooldeployment import JobChange


@dataclass(frozen=True, slots=True)
class Change:
    """A PATCH that was carried out: the job before (None: there was none) and when it was sent."""

    tool: str
    spec: JobSpec
    before: Seen | None
    sent_at: datetime
    changed: bool

    @property
    def key(self) -> tuple[str, str]:
        """The job's place in the memory."""
        return self.tool, self.spec.name


@dataclass(frozen=True, slots=True)
class Rolling:
    """See the module."""

    api: JobsApi
    rollouts: Rollouts
    clock: Callable[[], datetime]

    async def learn(self, tool: str, jobs: Sequence[Seen]) -> None:
        """Find out that pods are what their definitions make, where nobody remembers.

        Only jobs with several replicas are in doubt: a rollout of theirs may hang for ever behind
        pods that still serve. If every job is ready and the tool has not one pod more than its jobs
        want, no rollout hangs.
        """
        unsure = [job for job in jobs if _rolls(job) and not self._knows(tool, job)]
        if unsure and status.all_accounted_for(jobs, await self.api.pods(tool)):
            for job in unsure:
                self.rollouts.learned((tool, str(job["name"])), definition.template(job))

    async def finish(self, change: Change) -> JobChange:
        """What a PATCH did, and a restart where it takes one."""
        if change.before is None:
            return await self._created(change)
        if change.spec.kind == JobKind.SCHEDULED:
            restarted = await self._restart_once(change, change.before)
            return _told(changed=change.changed, restarted=restarted)
        if change.changed:
            return await self._updated(change, change.before)
        restarted = await self._restart_once(change, change.before)
        if not restarted and _rolls(change.before) and not self._knows(change.tool, change.before):
            # The pods that serve may hide that those of this definition crash.
            await self._restart(change, definition.template(change.before))
            restarted = True
        return _told(changed=False, restarted=restarted)

    async def _created(self, change: Change) -> JobChange:
        job = await self.api.job(change.tool, change.spec.name)
        if job is not None:
            template = definition.template(job)
            self.rollouts.changed(change.key, template, change.sent_at, change.spec.restart_id)
        return JobChange.CREATED

    async def _updated(self, change: Change, before: Seen) -> JobChange:
        after = await self.api.job(change.tool, change.spec.name)
        if after is None:
            return JobChange.UPDATED  # deleted under our hands: the next look sees it
        if await self._replaces_pods(change, before, definition.template(after)):
            return JobChange.UPDATED
        adjusted = _is_adjusted(before, after)
        if adjusted:
            self.rollouts.adjusted(change.key, change.sent_at)
        restarted = await self._restart_once(change, before)
        return _told(changed=adjusted, restarted=restarted)

    async def _replaces_pods(self, change: Change, before: Seen, template: str) -> bool:
        """Whether an update makes new pods; if nothing can tell, a restart makes it certain."""
        key, was = change.key, definition.template(before)
        since = status.since_of(before, change.sent_at)
        self.rollouts.check(key, was)
        if since is not None and was == template and not self.rollouts.is_marked(key):
            return False
        kept = None if since is None else self.rollouts.keeps(key, template, since)
        by = "" if kept else change.spec.restart_id
        self.rollouts.changed(key, template, change.sent_at, by)
        if kept is None and since is not None and _rolls(before):
            # If the pods that run were made from this very definition, they stay for good, and
            # look like old ones.
            await self._restart(change, template)
        return not kept

    async def _restart_once(self, change: Change, before: Seen) -> bool:
        """Carry out the restart that a spec asks for, unless that has been done.

        What this process did, it remembers. Of what was done before, the age tells: what was
        started in the turn of the deployment that asks has been restarted for it.
        """
        restart_id, began = change.spec.restart_id, change.spec.turn_began
        if not restart_id or self.rollouts.was_restarted_by(change.key, restart_id):
            return False
        started = status.started_at(before, self.clock())
        is_ours = started is not None and self.rollouts.made(change.key, started)
        if not is_ours and _is_within(started, began):
            return False
        await self._restart(change, definition.template(before))
        return True

    async def _restart(self, change: Change, template: str) -> None:
        now = self.clock()
        await self.api.restart(change.tool, change.spec.name)
        self.rollouts.restarted(change.key, template, now, change.spec.restart_id)

    def _knows(self, tool: str, job: Seen) -> bool:
        return self.rollouts.knows((tool, str(job["name"])), definition.template(job))


def _rolls(job: Seen) -> bool:
    """Whether old pods stay until new ones are ready; else they go first."""
    continuous = definition.kind(job) == JobKind.CONTINUOUS
    return continuous and int(job.get("replicas") or 1) > 1


def _is_within(started: datetime | None, began: datetime | None) -> bool:
    """Whether something was started in a turn; of a run the service tells the second only."""
    if started is None or began is None:
        return False
    return started >= began.replace(microsecond=0)


def _is_adjusted(before: Seen, after: Seen) -> bool:
    """Whether a change that makes no pods is one all the same, such as of `replicas`."""
    same_pods = definition.template(before) == definition.template(after)
    return same_pods and definition.effect(before) != definition.effect(after)


def _told(*, changed: bool, restarted: bool) -> JobChange:
    if changed:
        return JobChange.UPDATED
    return JobChange.RESTARTED if restarted else JobChange.UNCHANGED
