"""From exceptions to the one form that every error of the HTTP API has.

Handlers raise `Refused`; failures of the control plane and bugs are named here, once. The first
message is the one that a client shows, so it is the one that the user needs. Nothing about HTTP
frameworks here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from math import ceil
from typing import Any

from controller import errors
from controller.api import problem_body, texts
from controller.models.reasons import EXPLANATIONS, Reason
from controller.store import errors as store_errors


class Refused(Exception):
    """The request cannot be granted: a status code, and messages, the most useful one first.

    `reason` says the same to machines, where the code alone is too little, and brings its hint;
    `hint` is what to do next where there is no reason; `after` when to try again. `mistakes` are
    those of a config's text: `controller.config.Problem.as_dict`, and the `file` that they are in.
    """

    def __init__(
        self,
        status: int,
        *messages: str,
        reason: Reason | None = None,
        hint: str = "",
        after: timedelta | None = None,
        mistakes: Sequence[Mapping[str, object]] = (),
    ) -> None:
        super().__init__(messages[0])
        self.status = status
        self.messages = messages
        self.reason = reason
        self.hint = hint
        self.after = after
        self.mistakes = tuple(mistakes)


@dataclass(frozen=True, slots=True)
class Problem:
    """What to answer; `bug`: nobody expected it, so it belongs into the log with its traceback."""

    status: int
    messages: tuple[str, ...]
    bug: bool = False
    reason: Reason | None = None
    detail: str = ""
    hint: str = ""
    after: timedelta | None = None
    mistakes: tuple[Mapping[str, object], ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        """What the header of the answer says of it."""
        said = {"WWW-Authenticate": "Bearer"} if self.status == HTTPStatus.UNAUTHORIZED else {}
        if self.after is not None:
            said["Retry-After"] = str(ceil(self.after.total_seconds()))
        return said

    @property
    def record(self) -> dict[str, Any]:
        """The answer as RFC 9457 has it, with the messages that every answer of this API has."""
        detail = self.detail or self.messages[0]
        kind = self.reason.slug if self.reason else _phrase(self.status).lower().replace(" ", "-")
        record = problem_body.plain(kind, self.status, detail, self.messages)
        if self.reason:
            explanation = EXPLANATIONS[self.reason]
            record |= {"title": explanation.sentence, "reason": kind}
            if self.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                record["hint"] = explanation.hint
        elif self.hint:
            record["hint"] = self.hint
        if self.mistakes:
            record["mistakes"] = list(self.mistakes)
        return record

    @property
    def body(self) -> dict[str, Any]:
        """The same as the existing service's routes have it, whose clients look at the messages.

        `error` is never empty: the Toolforge client takes its first.
        """
        said = {"info": [], "warning": [texts.BETA], "error": list(self.messages)}
        record = {name: value for name, value in self.record.items() if name != "messages"}
        return {"messages": said, "problem": record}


def of(error: Exception) -> Problem:
    """What an exception means for the client. Details of the platform stay inside.

    No 502 and no 503 where the Toolforge client asks: it would replace the text by its own.
    """
    match error:
        case Refused():
            return Problem(
                error.status,
                error.messages,
                reason=error.reason,
                hint=error.hint,
                after=error.after,
                mistakes=error.mistakes,
            )
        case store_errors.Conflict():
            again = "Somebody else changed it at the same moment; look at it and try again"
            return Problem(HTTPStatus.CONFLICT, (again,))
        case store_errors.Invalid():
            return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, _refusal(error))
        case store_errors.Faulty():
            hint = "The control plane has a fault; its log (that of `ptd local`) says which"
            return _ours(hint, Reason.PLATFORM_UNAVAILABLE)
        case store_errors.Unavailable():
            hint = "The control plane does not answer; try again in a minute"
            return _ours(hint, Reason.PLATFORM_UNAVAILABLE)
        case errors.EdgeError():
            return _ours("The control plane refused it; the operators' log says why", bug=True)
        case _:
            return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, (texts.INTERNAL,), bug=True)


def _ours(words: str, reason: Reason | None = None, *, bug: bool = False) -> Problem:
    """A fault of the platform: the words of today's service first, and what they leave unsaid."""
    messages = (texts.INTERNAL, words)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, messages, bug, reason, detail=words)


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase


def _refusal(error: store_errors.Invalid) -> tuple[str, ...]:
    """The control plane's own rules have the last word; it names the fields by their paths."""
    found = tuple(
        texts.invalid(field.removeprefix("spec.").replace(".", " -> "), message)
        for field, message in error.causes
    )
    return found or (error.message,)
