"""The three errors that may cross an edge (backends, git, control plane) into the loop.

    EdgeError
    ├── Waiting(reason, message, after)   nothing is wrong: ask again after `after`
    ├── Transient(reason, message)        may pass by itself: try again with backoff
    └── Terminal(reason, message, hint)   will not pass by itself: somebody must change something

Any other exception inside a reconcile is a bug of ours and is counted as one. Reasons are CamelCase
words of `controller.models.reasons`. Messages are shown to users: no secrets, URLs without query
and credentials. Nothing of ours may be imported here.
"""

from datetime import timedelta


class EdgeError(Exception):
    """Base of the three; never raised itself."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Waiting(EdgeError):
    """The other side is busy with it or has no place yet; ask again after `after`."""

    def __init__(self, reason: str, message: str, after: timedelta) -> None:
        super().__init__(reason, message)
        self.after = after


class Transient(EdgeError):
    """A fault that may pass: network, 5xx, time-out, lost write race.

    `after` is what the other side asked for (Retry-After), if it did. `latest` is how long may be
    waited at most, however often it failed before: something else is due then.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        after: timedelta | None = None,
        latest: timedelta | None = None,
    ) -> None:
        super().__init__(reason, message)
        self.after = after
        self.latest = latest


class Terminal(EdgeError):
    """A refusal that stays until a person changes something; `hint` says what."""

    def __init__(self, reason: str, message: str, hint: str = "") -> None:
        super().__init__(reason, message)
        self.hint = hint
