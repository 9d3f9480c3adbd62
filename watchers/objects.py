"""The object watcher: keeps the cache equal to the server, and wakes the tool whose object changed.

List, then watch from the list's version with bookmarks, as client-go's reflector does; run by the
composition root, one per kind. Every end of a watch is followed by another watch, after a backoff;
a version that is too old by a new list. A stream that is silent for 70 s is dead, whatever its
socket says (bookmarks come each minute). Every 10 minutes a comparison list counts and repairs what
differs: that metric must stay 0. Nothing here looks into a spec.
"""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from controller import errors, logs
from controller.metrics import WatchMetrics
from controller.store import errors as store_errors
from controller.store.feed import Broken, Event, Feed, Silent
from controller.store.kinds import Kind
from watchers import cache
from watchers.cache import JSON, Cache, Place

_BATCH = 50
_log = logs.logger("objects")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long and how often; the numbers are client-go's where it has them.

    `clock` is monotonic seconds, `random` answers 0 ≤ x < 1. `healthy_after`: a watch that was open
    so long was a good one, however it ended, and the pauses begin anew (proxies cut what is idle
    for a minute; that must not slow us down).
    """

    clock: Callable[[], float]
    random: Callable[[], float]
    first_pause: timedelta = timedelta(milliseconds=800)
    longest_pause: timedelta = timedelta(seconds=30)
    healthy_after: timedelta = timedelta(seconds=20)
    jitter: float = 0.2
    lasting: timedelta = timedelta(minutes=5)  # and up to twice that, at random
    idle: timedelta = timedelta(seconds=70)
    compare_every: timedelta = timedelta(minutes=10)
    settle: timedelta = timedelta(seconds=5)


@dataclass(slots=True)
class _Listing:
    """What a list has shown: all places, its version, and which of the known dead it did not."""

    unlisted: set[str]
    seen: set[Place] = field(default_factory=set)
    version: int = 0


class Reflector:
    """Mirrors one kind into the cache."""

    def __init__(
        self, kind: Kind[Any], feed: Feed, mirror: Cache, metrics: WatchMetrics, pace: Pace
    ) -> None:
        self._kind = kind
        self._feed = feed
        self._cache = mirror
        self._shelf = mirror.shelves[kind.plural]
        self._metrics = metrics
        self._pace = pace
        self._clock = pace.clock
        self._version: int | None = None  # None: a list is needed
        self._pause = timedelta()
        self._opened_at: float | None = None
        self._heard_at = pace.clock()
        self.synced = asyncio.Event()
        metrics.watch(kind.plural, age=lambda: self.age, unreadable=lambda: self._shelf.unread)

    @property
    def age(self) -> timedelta:
        """How long ago the server was last heard: a line, a bookmark or an object of a list."""
        return timedelta(seconds=self._clock() - self._heard_at)

    async def run(self) -> None:
        """Mirror until cancelled. `synced` is set when the first list is complete."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._mirror(), name=f"watch-{self._kind.plural}")
            tasks.create_task(self._compare_regularly(), name=f"compare-{self._kind.plural}")

    async def _mirror(self) -> None:
        while True:
            self._opened_at = None
            try:
                if self._version is None:
                    await self._list()
                await self._watch()
            except errors.EdgeError as error:
                await self._recover(error)
            else:
                await self._rest("end")

    async def _list(self) -> None:
        """Make the cache equal to the server's state, page by page; wake every tool."""
        self._metrics.relisted(self._kind.plural)

        def take(stored: JSON) -> None:
            self._heard_at = self._clock()  # a list of many objects may take minutes
            self._shelf.put(stored)

        listing = await self._listing(take)
        absent = self._shelf.absent(listing.seen, listing.version)
        for place in absent:
            self._shelf.drop(place, self._uid(place), listing.version)
        self._shelf.completed(listing.version, listing.unlisted)
        for namespace in {place[0] for place in (*listing.seen, *absent)}:
            self._cache.changed(namespace)
        self._version = listing.version
        self._heard_at = self._clock()
        self.synced.set()

    async def _watch(self) -> None:
        """Follow the server until it ends the stream."""
        assert self._version is not None  # noqa: S101 - `_mirror` lists first
        lasting = self._pace.lasting * (1 + self._pace.random())
        async with self._feed.watch(
            self._kind, self._version, lasting=lasting, idle=self._pace.idle
        ) as events:
            self._opened_at = self._clock()
            async for event in events:
                self._apply(event)
                self._version = max(self._version, event.version)
                self._heard_at = self._clock()

    def _apply(self, event: Event) -> None:
        match event.type:
            case "ADDED" | "MODIFIED":
                self._cache.put(self._kind.plural, event.stored)
            case "DELETED":
                self._cache.drop(self._kind.plural, event.stored)

    async def _recover(self, error: errors.EdgeError) -> None:
        match error:
            case store_errors.Gone():
                self._version = None
                await self._rest("expired", patience=2)  # a list and a watch each time
            case Silent():
                await self._rest("silent")
            case Broken():
                await self._rest("broken")
            case _:
                _log.warning("watch_failed", kind=self._kind.plural, message=error.message)
                after = error.after if isinstance(error, errors.Transient) else None
                await self._rest("failed", after or timedelta())

    async def _rest(
        self, cause: str, at_least: timedelta = timedelta(), *, patience: int = 1
    ) -> None:
        """Wait before the next try: twice as long each time, from the start after some health."""
        self._metrics.restarted(self._kind.plural, cause)
        pace, opened = self._pace, self._opened_at
        if opened is not None and self._clock() - opened >= pace.healthy_after.total_seconds():
            self._pause = timedelta()
        self._pause = min(max(self._pause * 2, pace.first_pause), pace.longest_pause)
        pause = min(self._pause * patience, pace.longest_pause)
        wait = max(pause, at_least) * (1 + pace.jitter * pace.random())
        await asyncio.sleep(wait.total_seconds())

    async def _compare_regularly(self) -> None:
        await self.synced.wait()
        while True:
            await asyncio.sleep(self._pace.compare_every.total_seconds())
            try:
                await self.compare()
            except errors.EdgeError as error:
                _log.info("comparison_failed", kind=self._kind.plural, message=error.message)

    async def compare(self) -> int:
        """List once more, count and repair what differs from the cache; answers the count.

        What looks different may be on its way through the watch, so only what still differs after
        a while counts.
        """
        newer: list[JSON] = []

        def visit(stored: JSON) -> None:
            if self._shelf.lacks(stored):
                newer.append(stored)

        listing = await self._listing(visit)
        absent = self._shelf.absent(listing.seen, listing.version)
        gone = {place: self._uid(place) for place in absent}
        await asyncio.sleep(self._pace.settle.total_seconds())
        different = sum(self._cache.put(self._kind.plural, stored) for stored in newer)
        for place, uid in gone.items():
            if self._shelf.drop(place, uid, listing.version):
                self._cache.changed(place[0])
                different += 1
        self._shelf.completed(listing.version, listing.unlisted)
        if different:
            _log.error("cache_differed", kind=self._kind.plural, objects=different)
        self._metrics.differed(self._kind.plural, different)
        return different

    async def _listing(self, visit: Callable[[JSON], object]) -> "_Listing":
        """List everything; each object is visited and then let go, for there may be many."""
        listing = _Listing(self._shelf.graves())
        async with aclosing(self._feed.pages(self._kind)) as pages:
            async for page in pages:
                listing.version = page.version
                for number, stored in enumerate(page.items, 1):
                    if number % _BATCH == 0:
                        await asyncio.sleep(0)  # reading a page of models takes a tenth of a second
                    listing.seen.add(cache.place_of(stored))
                    listing.unlisted.discard(stored["metadata"]["uid"])
                    visit(stored)
        return listing

    def _uid(self, place: Place) -> str:
        return cache.identity(self._shelf.of(place[0])[place[1]])[0]
