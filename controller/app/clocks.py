"""Time at the edge: what the composition roots hand to everybody who needs to know the time."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class Clocks:
    """UTC for people and deadlines, monotonic seconds for waiting."""

    utc: Callable[[], datetime]
    monotonic: Callable[[], float]


SYSTEM = Clocks(lambda: datetime.now(UTC), time.monotonic)
