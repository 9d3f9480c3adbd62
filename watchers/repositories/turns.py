"""When it is a repository's turn: once in each interval, at a place that its address gives. Pure.

The places are the same in every process and at every time, so that a restart moves nobody. Jitter
comes on top of the place and does not add up. Used by `poller` as APScheduler's trigger.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.triggers.base import BaseTrigger

# So long nobody may have led before a start: as long as it takes until another process leads. What
# was missed comes that much later, so that a start at most doubles the rate.
LEADERLESS = timedelta(seconds=20)
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Turns(BaseTrigger):  # type: ignore[misc] # it has no types
    """The turns of one repository; `random` answers 0 ≤ x < 1, `jitter` is a part of the interval.

    Between two checks that follow these turns lies at most the interval and its jitter.
    """

    def __init__(
        self, url: str, interval: timedelta, jitter: float, random: Callable[[], float]
    ) -> None:
        self.interval = interval
        self._jitter = interval * jitter
        self._random = random
        digest = int.from_bytes(hashlib.sha256(url.encode()).digest()[:8])
        self._place = interval * (digest / 2**64)

    def until(self, moment: datetime) -> timedelta:
        """How long until the next turn, jitter aside: more than nothing, up to the interval."""
        return self.interval - (moment - _EPOCH - self._place) % self.interval

    def missed(self, now: datetime) -> timedelta | None:
        """At a start: how soon to make a turn good that nobody may have taken, if there is one."""
        left = self.until(now)
        wait = LEADERLESS + self._jitter - (self.interval - left)
        return wait if timedelta(0) <= wait < left else None

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """See `BaseTrigger`. A check out of turn counts for a turn that comes right after it."""
        moment = previous_fire_time or now
        wait = self.until(moment)
        if wait > self._jitter:
            return moment + wait + self._jitter * self._random()
        return moment + wait + self.interval
