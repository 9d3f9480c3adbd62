"""Leadership by a Lease, with self-fencing: who cannot renew stops before another may start.

Used by the composition root of the controller's role, around everything that acts. The rules are
those of client-go's leader election, with three holes closed: every request has a time limit, the
work is cancelled and awaited when the renew deadline passes on our own monotonic clock, and who
makes the Lease anew (somebody deleted it) waits until a former leader must have stopped. No
candidate compares times of the record with its own clock, so clock skew does not matter: a record
is old when it has not been seen to change for its duration. `Leases` is implemented by
`controller.store.leases`. Nothing of the domain belongs here.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from controller import errors, logs
from controller.metrics import LeaderMetrics
from controller.models.lease import LeaseRecord

_log = logs.logger("leader")


class Leases(Protocol):
    """One Lease on the control plane. Each call may raise an `errors.EdgeError`, or never end."""

    async def get(self) -> LeaseRecord | None:
        """The record; None where there is no Lease."""
        ...

    async def create(self, record: LeaseRecord) -> LeaseRecord | None:
        """Make the Lease; None if it exists."""
        ...

    async def update(self, record: LeaseRecord) -> LeaseRecord | None:
        """Replace the version that the record names; None if it changed or is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """The times of the game. `renew_deadline` < `duration`: the difference is the safety margin."""

    duration: timedelta = timedelta(seconds=15)
    renew_deadline: timedelta = timedelta(seconds=10)
    retry: timedelta = timedelta(seconds=2)
    request: timedelta = timedelta(seconds=2)
    jitter: float = 0.2


@dataclass(frozen=True, slots=True)
class Clocks:
    """Monotonic seconds (that also count while the machine sleeps), UTC, and 0 ≤ random < 1."""

    monotonic: Callable[[], float]
    utc: Callable[[], datetime]
    random: Callable[[], float]


class Leadership:
    """A candidate. `identity` is unique for each process and start, never only the host's name."""

    def __init__(
        self,
        leases: Leases,
        identity: str,
        clocks: Clocks,
        metrics: LeaderMetrics,
        terms: Terms | None = None,
    ) -> None:
        self._leases = leases
        self._identity = identity
        self._clocks = clocks
        self._metrics = metrics
        self._terms = terms or Terms()
        self._seen: LeaseRecord | None = None
        self._seen_at = 0.0  # when the record was first seen as it is
        self._until: float | None = None  # we lead until then; None: we do not
        self._from = 0.0  # we may act from then on
        metrics.leads(False)

    def may_act(self) -> bool:
        """Whether this process is the leader at this very moment; ask before every effect."""
        return self._left() > 0 and self._clocks.monotonic() >= self._from

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Lead again and again, with `work` running while we do, until `work` ends by itself.

        `work` is cancelled and awaited when leadership is lost, or when this call is cancelled; the
        Lease is released unless it is lost. What `work` raises is raised here.
        """
        while True:
            await self._acquire()
            if await self._lead(work):
                return

    async def _acquire(self) -> None:
        while not await self._attempt(self._try_to_acquire):
            await self._pause()

    async def _lead(self, work: Callable[[], Awaitable[None]]) -> bool:
        """One term; answers whether the work ended by itself."""
        _log.info("leading", identity=self._identity)
        self._metrics.leads(True)
        working = asyncio.create_task(self._work(work), name="leader-work")
        keeping = asyncio.create_task(self._keep(), name="leader-renewal")
        try:
            await asyncio.wait({working, keeping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended = working.done()
            await _cancel(working)  # we may still be the leader, and renew, while it ends
            await _cancel(keeping)
            self._metrics.leads(False)
            await self._release()
        if ended:
            working.result()
            return True
        keeping.result()
        _log.warning("leadership_lost", identity=self._identity)
        return False

    async def _work(self, work: Callable[[], Awaitable[None]]) -> None:
        wait = self._from - self._clocks.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        await work()

    async def _keep(self) -> None:
        """Renew until that has failed for too long, or another leads."""
        began = self._clocks.monotonic()
        while (left := self._left()) > 0:
            next_try = began + self._terms.retry.total_seconds() - self._clocks.monotonic()
            await asyncio.sleep(max(0.0, min(next_try, left)))
            began = self._clocks.monotonic()
            await self._attempt(self._renew)
        self._until = None

    def _left(self) -> float:
        """Seconds until we must have stopped; 0 where we do not lead."""
        return 0.0 if self._until is None else self._until - self._clocks.monotonic()

    async def _attempt(self, step: Callable[[], Awaitable[bool]]) -> bool:
        """One step of a request or two, each limited; failures mean False.

        While we lead no step outlasts the deadline: it is a moment at which we must have stopped.
        """
        limit = 2 * self._terms.request.total_seconds()
        if self._until is not None:
            limit = min(limit, self._left())
        try:
            async with asyncio.timeout(limit):
                return await step()
        except TimeoutError:
            _log.info("lease_not_answered", identity=self._identity)
        except errors.EdgeError as error:
            _log.info("lease_failed", identity=self._identity, message=error.message)
        return False

    async def _try_to_acquire(self) -> bool:
        """Take the Lease if nobody holds it; True if it is ours now."""
        found = await self._limited(self._leases.get())
        now = self._clocks.monotonic()
        if found is None:
            return await self._make()
        if self._seen is None or found.version != self._seen.version:
            self._seen, self._seen_at = found, now
        free = found.holder in ("", self._identity)
        if not free and now < self._seen_at + found.duration.total_seconds():
            return False
        return await self._write(self._leases.update, self._claim(found))

    async def _make(self) -> bool:
        """Make the Lease. A leader whose Lease was deleted must have stopped before we act."""
        before = self._clocks.monotonic()
        if not await self._write(self._leases.create, self._claim(None)):
            return False
        self._from = before + self._terms.renew_deadline.total_seconds()
        return True

    async def _renew(self) -> bool:
        """Renew what we hold; after a lost answer or a deletion, find out what is stored."""
        assert self._seen is not None  # noqa: S101 - set when it was acquired
        if await self._write(self._leases.update, self._claim(self._seen)):
            return True
        found = await self._limited(self._leases.get())
        if found is None:
            return await self._write(self._leases.create, self._claim(None))
        if found.holder == self._identity:
            return await self._write(self._leases.update, self._claim(found))
        self._seen, self._seen_at = found, self._clocks.monotonic()
        self._until = None
        return False

    async def _write(
        self, write: Callable[[LeaseRecord], Awaitable[LeaseRecord | None]], record: LeaseRecord
    ) -> bool:
        """Store our claim. The term counts from before the request: others saw it later."""
        before = self._clocks.monotonic()
        stored = await self._limited(write(record))
        if stored is None:
            return False
        self._seen, self._seen_at = stored, before
        if self._until is None:
            self._from = before
        self._until = before + self._terms.renew_deadline.total_seconds()
        return True

    def _claim(self, found: LeaseRecord | None) -> LeaseRecord:
        now = self._clocks.utc()
        if found is None:
            return LeaseRecord(self._identity, self._terms.duration, now, now)
        mine = found.holder == self._identity
        return dataclasses.replace(
            found,
            holder=self._identity,
            duration=self._terms.duration,
            acquired=found.acquired if mine else now,
            renewed=now,
            transitions=found.transitions + (not mine),
        )

    async def _release(self) -> None:
        """Hand the Lease over at once, if it is still ours; another may lead two seconds later."""
        left, self._until = self._left(), None
        if left <= 0:
            return
        try:
            # Not asyncio.timeout: in a task that is being cancelled, early 3.11 takes its time-out
            # for the cancellation.
            await asyncio.wait_for(self._hand_over(), self._terms.request.total_seconds())
        except (TimeoutError, errors.EdgeError):
            _log.info("lease_not_released", identity=self._identity)

    async def _hand_over(self) -> None:
        """Empty the Lease. A renewal that was cancelled may have been stored: then look again."""
        found = self._seen
        while found is not None and found.holder == self._identity:
            empty = dataclasses.replace(
                self._claim(found), holder="", duration=timedelta(seconds=1)
            )
            if await self._leases.update(empty) is not None:
                return
            found = await self._leases.get()

    async def _pause(self) -> None:
        terms = self._terms
        wait = terms.retry * (1 + terms.jitter * self._clocks.random())
        await asyncio.sleep(wait.total_seconds())

    async def _limited(self, request: Awaitable[LeaseRecord | None]) -> LeaseRecord | None:
        async with asyncio.timeout(self._terms.request.total_seconds()):
            return await request


async def _cancel(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait for its end, whatever that is."""
    task.cancel()
    await asyncio.wait({task})
