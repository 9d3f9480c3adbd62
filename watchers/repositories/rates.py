"""How fast a host is asked: as fast as wanted, until it says that this is too fast. Pure.

Additive increase, multiplicative decrease, as TCP does it: a host that answers 429 or 503 is asked
at half of the rate that it complained about, then with each good answer a little faster, and
without a limit again when it bears four times that rate. Beside `patience`, which leaves a host
alone for as long as it says. Times are passed in; memory only. Used by `poller`.
"""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from watchers.git.recent import Recent

REMEMBERED = 16
SLOWEST = 1 / 60.0  # checks a second
_STEP = 0.1
_BORNE = 4.0


@dataclass(slots=True)
class _Host:
    """When it was asked last, and while it is limited: the rate, and the next free moment."""

    asked: deque[datetime] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    rate: float | None = None
    complained_at: float = 0.0
    complaining: bool = False  # no good answer since
    free: datetime | None = None


class Rates:
    """The rates of all hosts."""

    def __init__(self) -> None:
        self._hosts: Recent[_Host] = Recent()
        self._turns: dict[str, datetime] = {}

    def wait(self, url: str, host: str, now: datetime) -> timedelta:
        """How long until it is the repository's turn; nothing: it is now, and counts as asked."""
        state = self._hosts.setdefault(host, _Host())
        if state.rate is None:
            self._turns.pop(url, None)
        else:
            turn = self._turns.setdefault(url, max(state.free or now, now))
            if turn > now:
                state.free = max(state.free or now, turn + timedelta(seconds=1 / state.rate))
                return turn - now
            del self._turns[url]
            state.free = max(state.free or now, now + timedelta(seconds=1 / state.rate))
        state.asked.append(now)
        return timedelta(0)

    def good(self, host: str) -> None:
        """The host answered as it should."""
        state = self._hosts.get(host)
        if state is None or state.rate is None:
            return
        state.complaining = False
        state.rate += state.complained_at * _STEP
        if state.rate >= state.complained_at * _BORNE:
            state.rate = state.free = None

    def busy(self, host: str) -> None:
        """The host said that it is asked too much; until it answers well, that is one complaint.

        Whoever asks while it is left alone tries it, and is not what it complains about.
        """
        state = self._hosts.setdefault(host, _Host())
        if state.complaining:
            return
        state.complaining = True
        state.complained_at = state.rate or _rate(state.asked)
        state.rate = max(state.complained_at / 2, SLOWEST)

    def forget(self, url: str) -> None:
        """Nobody follows the repository any more."""
        self._turns.pop(url, None)

    def limits(self) -> dict[str, float]:
        """The hosts that are limited, with their checks a second."""
        return {host: state.rate for host, state in self._hosts.items() if state.rate is not None}


def _rate(asked: deque[datetime]) -> float:
    """Checks a second, over the last of them."""
    if len(asked) < 2:
        return 2 * SLOWEST
    seconds = (asked[-1] - asked[0]).total_seconds()
    return min((len(asked) - 1) / max(seconds, 0.001), 1000.0)
