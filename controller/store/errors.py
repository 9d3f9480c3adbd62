"""The failures of the control plane, named.

    errors.Transient                          errors.Terminal
    ├── Unavailable   no or no useful answer  ├── NotFound       there is no such object
    │   ├── Unauthorized  it knows us not     ├── AlreadyExists  the name is taken
    │   └── Faulty        it says it is ill   ├── Forbidden      our account may not
    ├── Conflict      it changed meanwhile    ├── Invalid        it refuses what we sent
    └── Gone          that version is past    └── Unreadable     we cannot read what it stores

Raised by everything in this package, and by nothing else. Callers catch the classes, never codes.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from controller import errors
from controller.models.reasons import Reason

_LONGEST_WAIT = timedelta(minutes=5)


class Unavailable(errors.Transient):
    """Refused, timed out, overloaded or broken; `after` is its Retry-After."""

    def __init__(self, message: str, after: timedelta | None = None) -> None:
        super().__init__(Reason.PLATFORM_UNAVAILABLE, message, after)


class Unauthorized(Unavailable):
    """It does not know who asks: a token that is renewed passes later, a wrong one never."""


class Faulty(Unavailable):
    """It answers, and with a fault of its own, as where its disk is full."""


class Conflict(errors.Transient):
    """The object is not the one that was read: it changed, or is another of the same name."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.RETRYING, message)


class Gone(errors.Transient):
    """The version asked for has been forgotten: list again."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.RETRYING, message)


class NotFound(errors.Terminal):
    """There is no object, or no kind, of that name.

    `name` is that of the missing object. It is "" where none is named: of a kind that is not served
    (for a moment after its start a server does not serve ours), or in the words of a proxy.
    """

    def __init__(self, message: str, hint: str = "", name: str = "") -> None:
        super().__init__(Reason.PLATFORM_UNAVAILABLE, message, hint)
        self.name = name


class AlreadyExists(errors.Terminal):
    """There is an object of that name already."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.RETRYING, message)


class Forbidden(errors.Terminal):
    """Our account may not do this."""

    def __init__(self, message: str) -> None:
        hint = "Compare the account's roles with manifests/rbac."
        super().__init__(Reason.PLATFORM_UNAVAILABLE, message, hint)


class Invalid(errors.Terminal):
    """What we sent is refused. `causes` are (field, message), as far as the server names them."""

    def __init__(self, message: str, causes: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(Reason.CONFIG_INVALID, message)
        self.causes = causes


class Unreadable(errors.Terminal):
    """A stored object that our models refuse; `problems` are its mistakes, as `path: message`.

    `stored` is its JSON where it is one of our kinds.
    """

    def __init__(
        self, message: str, problems: tuple[str, ...] = (), stored: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(Reason.CONFIG_INVALID, message)
        self.problems = problems
        self.stored = stored or {}


def of_answer(
    code: int, body: Mapping[str, Any], text: str, retry_after: str | None
) -> errors.EdgeError:
    """The error that an unsuccessful answer means.

    `body` is the Status object, empty where the answer was something else (a proxy's HTML, the
    plain text of 429); then the first line of `text` is quoted.
    """
    message = str(body.get("message") or _first_line(text) or "no explanation")
    said = f"the control plane answered {code}: {message}"
    match code:
        case 401:
            return Unauthorized(said)
        case 403:
            return Forbidden(said)
        case 404:
            return NotFound(said, _of_namespace(body), _named(body))
        case 409 if body.get("reason") == "AlreadyExists":
            return AlreadyExists(said)
        case 409:
            return Conflict(said)
        case 410:
            return Gone(said)
        case 400 | 405 | 406 | 413 | 415 | 422:
            return _refusal(said, body)
        case 500:
            return Faulty(said)
        case _:
            return Unavailable(said, _wait(retry_after))


def _named(body: Mapping[str, Any]) -> str:
    details = body.get("details")
    return str(details.get("name") or "") if isinstance(details, Mapping) else ""


def _of_namespace(body: Mapping[str, Any]) -> str:
    """What to do about a namespace that is not there, "" where something else is missing."""
    details = body.get("details")
    if not isinstance(details, Mapping) or details.get("kind") != "namespaces":
        return ""
    name = details.get("name")
    return f"Choose a tool that is known there; or make one: kubectl create namespace {name}"


def _refusal(said: str, body: Mapping[str, Any]) -> errors.EdgeError:
    details = body.get("details")
    found = details.get("causes") if isinstance(details, Mapping) else None
    causes = tuple(
        (str(cause.get("field", "")), str(cause.get("message", ""))) for cause in found or ()
    )
    if any(field == "metadata.uid" for field, _ in causes):
        return Conflict(said)  # another object of the same name
    return Invalid(said, causes)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:200]


def _wait(retry_after: str | None) -> timedelta | None:
    """Retry-After in seconds, bounded; the API server never sends a date."""
    if retry_after is None or not retry_after.strip().isdecimal():
        return None
    return min(timedelta(seconds=int(retry_after.strip()[:9])), _LONGEST_WAIT)
