"""The stand-ins' time: real, sped up, or moved by hand.

Everything that a stand-in simulates is a function of this clock, worked out when somebody asks:
no tasks, nothing to wait for.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 11, 21, 22, 27, 25, 850_000, tzinfo=UTC)


class SimulatedClock:
    """Starts at `start`, runs at `speed` seconds per second (0: only `advance` moves it)."""

    # Seconds that pass by themselves in each pause of somebody who waits in a stand-in.
    idle = 0.0

    def __init__(self, start: datetime = EPOCH, speed: float = 0.0) -> None:
        self._start = start
        self._speed = speed
        self._began = time.monotonic()
        self._moved = timedelta()

    def __call__(self) -> datetime:
        """The simulated time."""
        run = (time.monotonic() - self._began) * self._speed if self._speed else 0.0
        return self._start + timedelta(seconds=run) + self._moved

    def advance(self, seconds: float) -> None:
        """Move on by hand."""
        self._moved += timedelta(seconds=seconds)


def real_clock(speed: float = 1.0) -> SimulatedClock:
    """A clock that starts at the real time."""
    return SimulatedClock(datetime.now(UTC), speed)


async def until(condition: Callable[[], bool], clock: SimulatedClock, pause: float = 0.01) -> None:
    """Let others run until a condition on simulated time holds."""
    while not condition():
        await asyncio.sleep(pause)
        clock.advance(clock.idle)


def rfc3339(moment: datetime) -> str:
    """As Kubernetes writes times: whole seconds, rounded down."""
    return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
