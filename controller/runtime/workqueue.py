"""The work queue: which tool is looked at next. It carries keys only, never events.

Filled by the object watcher and by the loop (requeues); emptied by the loop's workers. A key waits
at most once, never runs twice at a time, and runs again if it was added while it ran (the `dirty`
and `processing` sets of client-go's `util/workqueue`). Neither Kubernetes nor the domain belong
here; clock and random are passed in, and timers are those of the running event loop.
"""

import asyncio
import heapq
from collections.abc import Callable
from datetime import timedelta

FIRST_RETRY = timedelta(milliseconds=5)
LONGEST_RETRY = timedelta(seconds=300)
JITTER = 0.2
_DOUBLINGS = 40  # beyond every sensible cap; keeps 2**n small
_STALE = 100  # outdated heap entries that are not worth a rebuild


class WorkQueue:
    """Keys in the order in which they became ready; fair, because a key waits once.

    `clock` is monotonic seconds of the running loop, `random` answers 0 ≤ x < 1.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        random: Callable[[], float],
        *,
        first_retry: timedelta = FIRST_RETRY,
        longest_retry: timedelta = LONGEST_RETRY,
    ) -> None:
        self._clock = clock
        self._random = random
        self._first_retry = first_retry
        self._longest_retry = longest_retry
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._since: dict[str, float] = {}  # ready keys, oldest first
        self._running: set[str] = set()
        self._again: set[str] = set()  # added while running
        self._due: dict[str, float] = {}  # delayed keys
        self._heap: list[tuple[float, str]] = []  # may hold entries that `_due` has outdated
        self._timer: asyncio.TimerHandle | None = None
        self._failures: dict[str, int] = {}

    @property
    def depth(self) -> int:
        """How many keys are ready and not yet taken."""
        return len(self._since)

    @property
    def delayed(self) -> int:
        """How many keys wait for their time."""
        return len(self._due)

    @property
    def longest_wait(self) -> timedelta:
        """How long the oldest ready key has been waiting for a worker."""
        oldest = next(iter(self._since.values()), None)
        return timedelta() if oldest is None else timedelta(seconds=self._clock() - oldest)

    def add(self, key: str) -> None:
        """Have `key` run as soon as a worker is free; after its present run if it runs now."""
        if key in self._running:
            self._again.add(key)
        elif key not in self._since:
            self._since[key] = self._clock()
            self._ready.put_nowait(key)

    def add_after(self, key: str, delay: timedelta) -> None:
        """Have `key` run after `delay`; of several delays the earliest wins.

        Any run that starts before then answers this request as well, and drops it.
        """
        if delay <= timedelta():
            self.add(key)
            return
        due = self._clock() + delay.total_seconds()
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            if len(self._heap) > 2 * len(self._due) + _STALE:
                self._heap = [(when, waiting) for waiting, when in self._due.items()]
                heapq.heapify(self._heap)
            else:
                heapq.heappush(self._heap, (due, key))
            self._set_timer()

    def retry(self, key: str, at_least: timedelta = timedelta()) -> timedelta:
        """Have `key` run again after its backoff, or after `at_least` if that is longer.

        Answers the delay. Each call without a `forget` between doubles the backoff.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        doubled: timedelta = self._first_retry * 2 ** min(failures, _DOUBLINGS)
        delay = max(min(doubled, self._longest_retry), at_least) * (1 + JITTER * self._random())
        self.add_after(key, delay)
        return delay

    def forget(self, key: str) -> None:
        """Let the next `retry` of `key` begin at the shortest backoff again."""
        self._failures.pop(key, None)

    async def take(self) -> str:
        """Wait for a key; it belongs to the caller until `done`."""
        key = await self._ready.get()
        del self._since[key]
        self._due.pop(key, None)
        self._running.add(key)
        return key

    def done(self, key: str) -> None:
        """Give back a key that was taken; it runs again if it was added meanwhile."""
        self._running.remove(key)
        if key in self._again:
            self._again.remove(key)
            self.add(key)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        wait = max(0.0, self._heap[0][0] - self._clock())
        self._timer = asyncio.get_running_loop().call_later(wait, self._release_due)

    def _release_due(self) -> None:
        self._timer = None
        now = self._clock()
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)
        if self._heap:
            self._set_timer()
