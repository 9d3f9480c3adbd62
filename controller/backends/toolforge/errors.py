"""What a refusal of builds-api or jobs-api means: wait, try again, or stop.

Called by `builds` and `jobs` with a status code and a body; pure. The services' own words are kept,
since only they know what is wrong, but credentials in URLs are not.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from controller import logs
from controller.errors import EdgeError, Terminal, Transient, Waiting
from controller.models.reasons import EXPLANATIONS, Reason

T = TypeVar("T")

QUEUE_PAUSE = timedelta(seconds=10)  # what Toolforge's own components-api waits
_MOST_WORDS = 1_000


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer; `after` is what its Retry-After header asks for."""

    status: int
    body: str
    after: timedelta | None = None

    @property
    def ok(self) -> bool:
        """Whether the service did what was asked."""
        return 200 <= self.status < 300

    def part(self, name: str, kind: type[T]) -> T:
        """A part of the JSON body; Transient where it is not there.

        Such an answer comes from something between us and the service.
        """
        try:
            found = json.loads(self.body)[name]
        except (ValueError, LookupError, TypeError):
            found = None
        if not isinstance(found, kind):
            text = f"an answer without a usable {name!r} (status {self.status})"
            raise Transient(Reason.PLATFORM_UNAVAILABLE, text)
        return found


def confirmed(answer: Answer) -> None:
    """Raise Transient unless the service itself says that something was done: in a JSON object."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        text = f"an answer that is not the service's (status {answer.status})"
        raise Transient(Reason.PLATFORM_UNAVAILABLE, text)


def words(answer: Answer, shape: str = "") -> str:
    """What the service says, whatever form it says it in.

    builds-api has three: `{"error": [text]}`, `{"message": text}` and a bare string. jobs-api has
    the first, and for bodies that it cannot read `{"detail": [...]}` with a problem for each shape
    of job that it tried; only those of the wanted `shape` say anything.
    """
    try:
        body = json.loads(answer.body)
    except ValueError:
        body = answer.body
    found = "; ".join(dict.fromkeys(_texts(body, shape)))
    return _clean(found) or f"status {answer.status} without a word"


def of_builds(answer: Answer) -> EdgeError:
    """The outcome that a refusal of builds-api stands for."""
    return _passing(answer) or _build_refused(words(answer))


def of_build_start(answer: Answer) -> EdgeError:
    """The same for the start of a build: there, 409 means that all slots are taken."""
    if answer.status == 409:
        return Waiting(Reason.BUILD_QUEUE_FULL, words(answer), answer.after or QUEUE_PAUSE)
    return of_builds(answer)


def of_jobs(answer: Answer, shape: str = "") -> EdgeError:
    """The outcome that a refusal of jobs-api stands for."""
    text = words(answer, shape)
    if "Out of quota" in text:  # comes as a 500
        return _terminal(Reason.QUOTA_EXCEEDED, text)
    if "already exists in runtime" in text:  # comes as a 500 too
        hint = "Something else of this name runs in the tool: delete it, or rename the component."
        return _terminal(Reason.JOB_REFUSED, text, hint)
    if (passing := _passing(answer)) is not None:
        return passing
    if "No such image" in text:
        return _terminal(Reason.IMAGE_UNAVAILABLE, text)
    if re.search(r"Requested (CPU|memory) .* (over maximum|less than minimum)", text):
        return _terminal(Reason.QUOTA_EXCEEDED, text, "Change the component's cpu or memory.")
    return _terminal(Reason.JOB_REFUSED, text)


def _passing(answer: Answer) -> EdgeError | None:
    """Trouble of the platform. Our credentials are part of it: no user can mend them."""
    if answer.status >= 500 or answer.status in (401, 403, 408, 429) or answer.status < 400:
        return Transient(Reason.PLATFORM_UNAVAILABLE, words(answer), answer.after)
    return None


def _build_refused(text: str) -> Terminal:
    if "Failed to resolve ref" in text:
        hint = "Check `repository` and `ref`: the branch or tag must exist, in a public repository."
        return _terminal(Reason.REF_NOT_FOUND, text, hint)
    return _terminal(Reason.BUILD_REFUSED, text)


def _terminal(reason: Reason, text: str, hint: str = "") -> Terminal:
    return Terminal(reason, text, hint or EXPLANATIONS[reason].hint)


def _texts(body: Any, shape: str) -> Iterator[str]:
    match body:
        case str():
            yield body
        case {"error": [*texts]}:
            yield from (str(text) for text in texts)
        case {"error": str(text)} | {"message": str(text)} | {"detail": str(text)}:
            yield text
        case {"messages": {"error": [*texts]}}:
            yield from (str(text) for text in texts)
        case {"detail": [*problems]}:
            fitting = [p for p in problems if shape and f"{shape}]" in str(_loc(p)[1:2])]
            yield from (_problem(problem) for problem in fitting or problems)
        case _:
            yield json.dumps(body)


def _problem(problem: Any) -> str:
    if not isinstance(problem, dict):
        return str(problem)
    where = ".".join(str(part) for part in _loc(problem)[2:])
    text = str(problem.get("msg", "")).removeprefix("Value error, ")
    return f"{where}: {text}" if where else text


def _loc(problem: Any) -> list[Any]:
    loc = problem.get("loc") if isinstance(problem, dict) else None
    return loc if isinstance(loc, list) else []


def _clean(text: str) -> str:
    text = logs.clean(text[: 4 * _MOST_WORDS]).strip()
    return text if len(text) <= _MOST_WORDS else f"{text[:_MOST_WORDS]}…"
