"""From exceptions to the one form that every error of the HTTP API has.

Handlers raise `Refused`; failures of the control plane and bugs are named here, once. The first
message is the one that a client shows, so it is the one that the user needs. Nothing about HTTP
frameworks here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from controller import errors
from controller.api import texts
from controller.store import errors as store_errors


class Refused(Exception):
    """The request cannot be granted: a status code, and messages, the most useful one first."""

    def __init__(self, status: int, *messages: str) -> None:
        super().__init__(messages[0])
        self.status = status
        self.messages = messages


@dataclass(frozen=True, slots=True)
class Problem:
    """What to answer; `bug`: nobody expected it, so it belongs into the log with its traceback."""

    status: int
    messages: tuple[str, ...]
    bug: bool = False

    @property
    def body(self) -> dict[str, Any]:
        """The JSON of the answer. `error` is never empty: the Toolforge client takes its first."""
        return envelope(self.messages)


def envelope(messages: Sequence[str]) -> dict[str, Any]:
    """The JSON of an answer that is an error."""
    return {"messages": {"info": [], "warning": [texts.BETA], "error": list(messages)}}


def of(error: Exception) -> Problem:
    """What an exception means for the client. Details of the platform stay inside.

    No 502 and no 503: the Toolforge client would replace the text by its own.
    """
    match error:
        case Refused():
            return Problem(error.status, error.messages)
        case store_errors.Conflict():
            again = "Somebody else changed it at the same moment; look at it and try again"
            return Problem(HTTPStatus.CONFLICT, (again,))
        case store_errors.Invalid():
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, _refusal(error))
        case store_errors.Unavailable():
            hint = "The control plane does not answer; try again in a minute"
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, (texts.INTERNAL, hint))
        case errors.EdgeError():
            hint = "The control plane refused it; the operators' log says why"
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, (texts.INTERNAL, hint), bug=True)
        case _:
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, (texts.INTERNAL,), bug=True)


def _refusal(error: store_errors.Invalid) -> tuple[str, ...]:
    """The control plane's own rules have the last word; it names the fields by their paths."""
    found = tuple(
        texts.invalid(field.removeprefix("spec.").replace(".", " -> "), message)
        for field, message in error.causes
    )
    return found or (error.message,)
