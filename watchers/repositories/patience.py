"""When a repository that failed is asked again, and when its whole host is left alone. Pure.

A repository that fails is asked at twice the interval each time, up to 15 minutes. A host is left
alone when it says so (Retry-After), or when it has failed three times in a row: then one repository
a minute tries it, and the others wait for that. Times and randomness are passed in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller import errors
from controller.models.reasons import Reason
from watchers.git.recent import Recent

LONGEST_PAUSE = timedelta(minutes=15)
HOST_PAUSE = timedelta(minutes=1)
FAILURES_OF_A_HOST = 3
_MAX_DOUBLINGS = 10
# What says something about the host. A Secret that is missing does not, nor a control plane that
# does not give it: the host was not asked. A refusal does: of what the host answered, or of where
# its name leads, which is the same for all that is on it.
_FROM_HOST = frozenset(
    {
        Reason.REPOSITORY_UNREACHABLE,
        Reason.REPOSITORY_NOT_FOUND,
        Reason.REPOSITORY_REFUSED,
        Reason.CREDENTIALS_REFUSED,
        Reason.HOST_KEY_REFUSED,
    }
)


@dataclass(slots=True)
class _Host:
    """Failures in a row, of whichever repositories, and until when it is left alone and why.

    `at`: when the last of them came.
    """

    at: datetime
    failures: int = 0
    until: datetime | None = None
    error: errors.Transient | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """The host is left alone for so long, because of this."""

    wait: timedelta
    error: errors.Transient


def is_of_host(error: errors.EdgeError) -> bool:
    """Whether it is the host's doing: it was asked, or may not be."""
    return error.reason in _FROM_HOST


class Patience:
    """Remembers who failed. Memory only: after a restart everybody is asked again, spread."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._failures: dict[str, int] = {}
        self._hosts: Recent[_Host] = Recent()

    def pause(self, host: str, now: datetime) -> Pause | None:
        """Whether to leave the host alone now. The first to come after a pause may try it."""
        resting = self._hosts.get(host)
        if resting is None or resting.until is None or resting.error is None:
            return None
        if now < resting.until:
            wait = (resting.until - now) + self._spread(HOST_PAUSE)
            return Pause(wait, resting.error)
        resting.until = now + HOST_PAUSE
        return None

    def good(self, url: str, host: str, *, asked: datetime) -> None:
        """The repository answered to what was asked at that time."""
        self._failures.pop(url, None)
        self.answered(host, asked=asked)

    def answered(self, host: str, *, asked: datetime) -> None:
        """The host answered, if only to say that it has no such repository.

        What was asked before its last failure says nothing about now, nor ends the pause that the
        host has asked for since.
        """
        state = self._hosts.get(host)
        if state is not None and asked >= state.at:
            del self._hosts[host]

    def forget(self, url: str) -> None:
        """Nobody follows the repository any more."""
        self._failures.pop(url, None)

    def failed(
        self, url: str, host: str, interval: timedelta, error: errors.EdgeError, now: datetime
    ) -> timedelta:
        """How long to wait before the repository is asked again."""
        if isinstance(error, errors.Transient) and not is_of_host(error):
            return max(interval, error.after or timedelta(0)) + self._spread(interval)
        failures = self._failures[url] = self._failures.get(url, 0) + 1
        wait = interval * float(2 ** min(failures - 1, _MAX_DOUBLINGS))
        wait = max(interval, min(wait, LONGEST_PAUSE))
        if isinstance(error, errors.Transient):
            wait = max(wait, error.after or timedelta(0))
            self._host_failed(host, error, now)
        return wait + self._spread(interval)

    def _host_failed(self, host: str, error: errors.Transient, now: datetime) -> None:
        state = self._hosts.setdefault(host, _Host(now))
        state.failures, state.at = state.failures + 1, now
        if error.after is None and state.failures < FAILURES_OF_A_HOST:
            return
        state.until = now + max(error.after or timedelta(0), HOST_PAUSE)
        state.error = error

    def _spread(self, within: timedelta) -> timedelta:
        return within * (0.1 * self._random())
