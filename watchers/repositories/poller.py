"""The schedule of the checks, and one check of one repository.

One APScheduler job per repository, at the shortest interval of those who follow it, in a phase that
its address gives (so that a restart causes no herd), with jitter. A changed config is followed
within a second. What a check saw is handed to `recording`; what a failure means for the next check
is asked of `patience`. Made by the composition root and run while this process leads.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from weakref import WeakValueDictionary

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_SUBMITTED,
    JobExecutionEvent,
    JobSubmissionEvent,
)
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from controller import errors, logs
from controller.models.toolconfig import ToolConfig
from watchers.decide import Seen, Sight
from watchers.git.resolution import RefProblem, Resolved
from watchers.git.transport import Busy
from watchers.repositories import sights
from watchers.repositories.asking import Asked
from watchers.repositories.following import (
    NOTHING,
    Following,
    Wish,
    source_of,
    were_checked,
    wish_of,
)
from watchers.repositories.hosts import Hosts
from watchers.repositories.patience import Patience, Pause, is_of_host
from watchers.repositories.ports import Journal, Objects, Refs
from watchers.repositories.rates import Rates
from watchers.repositories.recording import Recorder
from watchers.repositories.turns import Turns

_log = logs.logger("polling")


@dataclass(frozen=True, slots=True)
class Pace:
    """When: the interval of tools that name none, and time and chance from outside.

    `clock` answers UTC, `random` 0 ≤ x < 1. `jitter` is a part of the interval. A changed config is
    followed within `soon`, a write that failed is tried again after `write_again`. Of one host
    so many repositories are asked `at_once`.
    """

    clock: Callable[[], datetime]
    random: Callable[[], float]
    interval: timedelta = timedelta(minutes=5)
    jitter: float = 0.1
    soon: timedelta = timedelta(seconds=1)
    write_again: timedelta = timedelta(seconds=5)
    at_once: int = 4


class RepositoryPoller:
    """Polls all repositories that the configs ask for."""

    def __init__(
        self,
        objects: Objects,
        refs: Refs,
        journal: Journal,
        may_act: Callable[[], bool],
        pace: Pace,
    ) -> None:
        self._objects = objects
        self._refs = refs
        self._journal = journal
        self._pace = pace
        self._recorder = Recorder(objects, may_act, pace.clock)
        self._changed: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._hosts = Hosts()
        self._begin()
        journal.watch(
            overdue=self.overdue,
            on_host=self._hosts.followed,
            unreachable=self._hosts.unreachable,
        )

    def _begin(self) -> None:
        """Forget everything: what was seen while leading before may be wrong by now."""
        self._following = Following()
        self._patience = Patience(self._pace.random)
        self._rates = Rates()
        self._hosts.clear()
        self._checked: dict[str, datetime] = {}
        self._planned: dict[str, datetime] = {}
        self._running: dict[str, datetime] = {}
        self._again: set[str] = set()
        self._asked = Asked()
        # Weak: a host that nobody asks at the moment needs no memory.
        self._places: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._unrecorded: set[str] = set()
        self._scheduler = AsyncIOScheduler(
            timezone=UTC,
            job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        )
        self._scheduler.add_listener(self._submitted, EVENT_JOB_SUBMITTED)
        self._scheduler.add_listener(_report_bug, EVENT_JOB_ERROR)

    async def run(self) -> None:
        """Poll until cancelled."""
        # It would log two lines for each check, and each check that a stop cancels as an error.
        logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
        self._begin()
        self._scheduler.start()
        try:
            for tool in tuple(self._objects.tools()):
                await self._follow(tool, starting=True)
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._changed:
                    tool = next(iter(self._changed))
                    del self._changed[tool]
                    await self._follow(tool)
        finally:
            self._scheduler.shutdown(wait=False)
            await asyncio.sleep(0)  # shutdown only asks for it
            self._hosts.clear()  # whoever does not lead follows nobody
            self._journal.watched(0)

    def overdue(self) -> timedelta:
        """How long ago the check should have begun that is the latest and has not ended."""
        now = self._pace.clock()
        ahead: list[datetime] = [
            job.next_run_time for job in self._scheduler.get_jobs() if job.next_run_time
        ]
        return now - min((now, *ahead, *self._running.values()))

    def config_changed(self, tool: str) -> None:
        """Something of the tool changed: follow its config at once."""
        self._changed[tool] = None
        self._wake.set()

    def look_now(self, repository: str) -> bool:
        """Check a repository at once; answers whether anybody follows it."""
        try:
            url = self._refs.normalise(repository).url
        except errors.Terminal:
            return False
        if self._following.interval(url) is None:
            return False
        self._look(url, timedelta(0))
        return True

    # ------------------------------------------------------------------ who is followed

    async def _follow(self, tool: str, *, starting: bool = False) -> None:
        """Take up what the tool's config asks for now."""
        await asyncio.sleep(0)  # thousands of tools at a start must not hold up the loop
        config = self._objects.config(tool)
        old = self._following.wish(tool)
        wish = wish_of(tool, config, self._refs, self._pace.interval)
        asked = self._asked.take(tool, config, self._pace.clock(), starting=starting)
        if wish != old or starting or tool in self._unrecorded:
            await self._take_up(tool, config, wish, starting=starting)
        for url in wish.followers if asked else ():
            self._look(url, timedelta(0))

    async def _take_up(
        self, tool: str, config: ToolConfig | None, wish: Wish, *, starting: bool
    ) -> None:
        """Have the schedule and the status be what the tool asks for by now."""
        old = self._following.wish(tool)
        for url in self._following.set(tool, wish):
            self._schedule(url)
            fresh = wish.followers.get(url, frozenset()) - old.followers.get(url, frozenset())
            # What was looked at before this process started is no reason for haste.
            if fresh and not (starting and config and were_checked(config, fresh)):
                self._look(url, self._pace.soon * self._pace.random())
            elif starting:
                self._make_good(url)
        self._journal.watched(len(self._following))
        if wish != NOTHING or (config and config.status.components):
            await self._record_config(tool, wish)

    async def _record_config(self, tool: str, wish: Wish) -> None:
        """Write down what the config alone tells, and go on with what was decided before."""
        refused = {name: sights.trouble_of(error) for name, error in wish.refused.items()}
        if await self._record(tool, refused):
            self._unrecorded.discard(tool)
            return
        self._unrecorded.add(tool)
        later = self._pace.write_again.total_seconds()
        asyncio.get_running_loop().call_later(later, self.config_changed, tool)

    def _schedule(self, url: str) -> None:
        """Have the repository's job be what its followers need, or none where there are none."""
        interval = self._following.interval(url)
        job = self._scheduler.get_job(url)
        if interval is None:
            if job is not None:
                job.remove()
            self._patience.forget(url)
            self._rates.forget(url)
            self._hosts.forget(url)
            self._checked.pop(url, None)
            return
        self._hosts.follow(url, self._host(url))
        turns = Turns(url, interval, self._pace.jitter, self._pace.random)
        if job is None:
            now = self._pace.clock()
            first = now + turns.until(now)
            self._scheduler.add_job(self._check, turns, args=(url,), id=url, next_run_time=first)
        elif job.trigger.interval != interval:
            job.modify(trigger=turns)

    def _look(self, url: str, after: timedelta) -> None:
        """Have the next check of the repository in so long."""
        if url in self._running:
            # The one that is going may have asked too early, and two at once are not allowed.
            self._again.add(url)
            return
        job = self._scheduler.get_job(url)
        if job is not None:
            job.modify(next_run_time=self._pace.clock() + after)

    def _make_good(self, url: str) -> None:
        """At a start: look soon where nobody may have led when it was the repository's turn."""
        job = self._scheduler.get_job(url)
        wait = job.trigger.missed(self._pace.clock()) if job is not None else None
        if wait is not None:
            self._look(url, wait)

    def _host(self, url: str) -> str:
        return self._refs.normalise(source_of(url)[0]).host

    def _submitted(self, event: JobSubmissionEvent) -> None:
        self._planned[event.job_id] = event.scheduled_run_times[-1]

    # ------------------------------------------------------------------ a check

    async def _check(self, url: str) -> None:
        """Ask for all refs that are followed in the repository, and pass on what they hold."""
        self._running[url] = self._planned.get(url, self._pace.clock())
        try:
            next_check = await self._answer(url)
            while url in self._again:
                self._again.discard(url)
                self._running[url] = self._pace.clock()
                next_check = await self._answer(url)
        finally:
            del self._running[url]
        if next_check is not None:
            self._look(url, next_check)

    async def _answer(self, url: str) -> timedelta | None:
        """Check it; answers when to look again, where that is not at the usual time."""
        host, began = self._host(url), self._pace.clock()
        lag = began - self._planned.pop(url, began)
        async with self._place(host):
            asked = self._pace.clock()
            found = await self._ask(url, host)
        if isinstance(found, timedelta):
            return found
        if isinstance(found, Pause):
            self._hosts.answered(url, well=False)
            await self._tell(url, {}, found.error)
            return found.wait
        if isinstance(found, errors.EdgeError):
            self._journal.failed(found.reason, lag)
            if isinstance(found, Busy):
                self._rates.busy(host)
            if is_of_host(found):
                answered = not isinstance(found, errors.Transient)
                self._hosts.answered(url, well=answered)
                if answered:
                    self._patience.answered(host, asked=asked)
            interval = self._following.interval(url) or self._pace.interval
            wait = self._patience.failed(url, host, interval, found, self._pace.clock())
            await self._tell(url, {}, found)
            return wait
        now = self._checked[url] = self._pace.clock()
        self._patience.good(url, host, asked=asked)
        self._rates.good(host)
        self._hosts.answered(url, well=True)
        self._journal.polled(now - began, lag, refs=len(found), at=now)
        self._journal.saved(len(self._following.followers(url)) - 1)
        if not await self._tell(url, found, None):
            return self._pace.write_again
        return self._asked.again(self._following.followers(url), found, self._pace.clock())

    async def _ask(
        self, url: str, host: str
    ) -> Mapping[str, Resolved | RefProblem] | errors.EdgeError | Pause | timedelta:
        """What the host answers, where it may be asked by now: those before may have failed."""
        now = self._pace.clock()
        pause = self._patience.pause(host, now)
        if pause is not None:
            return pause
        turn = self._rates.wait(url, host, now)
        if turn:
            return turn
        refs = tuple({follower.ref for follower in self._following.followers(url)})
        try:
            repository, secret = source_of(url)
            return await self._refs.resolve(repository, refs, secret)
        except errors.EdgeError as error:
            return error

    def _place(self, host: str) -> asyncio.Semaphore:
        place = self._places.get(host)
        if place is None:
            place = self._places[host] = asyncio.Semaphore(self._pace.at_once)
        return place

    async def _tell(
        self,
        url: str,
        answers: Mapping[str, Resolved | RefProblem],
        error: errors.EdgeError | None,
    ) -> bool:
        """Have every tool that follows the repository record it; False where one could not."""
        by_tool: dict[str, dict[str, Sight]] = {}
        for follower in self._following.followers(url):
            sight = (
                sights.trouble_of(error) if error else sights.sight_of(answers.get(follower.ref))
            )
            if isinstance(sight, Seen) and self._asked.told_of(follower.tool, sight.commit):
                sight = replace(sight, pushed=True)
            if sight is not None:
                by_tool.setdefault(follower.tool, {})[follower.component] = sight
        recorded = [await self._record(tool, seen) for tool, seen in by_tool.items()]
        return all(recorded)

    async def _record(self, tool: str, seen: Mapping[str, Sight]) -> bool:
        wish = self._following.wish(tool)
        checked = {
            follower.component: self._checked[url]
            for url, followers in wish.followers.items()
            for follower in followers
            if url in self._checked
        }
        try:
            await self._recorder.record(tool, seen, checked)
        except errors.EdgeError as error:
            # What may pass (a lost write race, mostly) is tried again soon: no reason for alarm.
            tell = _log.info if isinstance(error, errors.Transient) else _log.warning
            tell("poll_not_recorded", tool=tool, reason=error.reason, error=error.message)
            return False
        return True


def _report_bug(event: JobExecutionEvent) -> None:
    if not isinstance(event.exception, asyncio.CancelledError):
        _log.error("poll_failed_unexpectedly", repository=event.job_id, trace=event.traceback)
