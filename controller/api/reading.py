"""What a request says: its JSON body and its query parameters, read with limits.

Called by `app` before a handler runs, which gives each body an `intake.Place`; handlers get plain
values. What cannot be read is refused with the sentences of the existing service.
"""

import asyncio
import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NoReturn

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from controller.api import texts
from controller.api.intake import Place
from controller.api.problems import Refused

MAX_BODY = 256 * 1024
BODY_WITHIN = timedelta(seconds=10)
"""A place for a request is not held by a body that drips."""
IGNORED_QUERY = frozenset({"rebuild_storage"})
"""A parameter that the existing service leaked on all its routes; it never did any good."""

_LONGEST_SHOWN = 64
_BOOLEAN = TypeAdapter(bool)


class Absent:
    """The body of a request that has none."""


ABSENT: Final = Absent()


@dataclass(frozen=True, slots=True)
class Foreign:
    """A body whose type is not JSON, and which type that is."""

    kind: str


async def body(request: web.Request, place: Place) -> object:
    """The JSON value of a request's body, ABSENT, or Foreign where it is no JSON by type.

    Raises Refused: 413 for more than MAX_BODY, 408 for one that drips, 422 for what is not JSON,
    and where `place` is too small.
    """
    raw = await _limited(request, place)
    if not raw:
        return ABSENT
    declared = "Content-Type" in request.headers
    kind = request.content_type
    if declared and kind != "application/json" and not kind.endswith("+json"):
        return Foreign(kind[:_LONGEST_SHOWN])
    return _json(raw)


async def raw(request: web.Request, place: Place) -> bytes:
    """The bytes of a request's body. Raises Refused: 413 for more than MAX_BODY, 408 for late,
    422 for what is compressed (listeners decode nothing: `auto_decompress` of aiohttp is off)."""
    return await _limited(request, place)


async def _limited(request: web.Request, place: Place) -> bytes:
    if (request.content_length or 0) > MAX_BODY:
        raise _too_large()
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(422, "The body must not be compressed")
    raw = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN.total_seconds()):
            async for chunk in request.content.iter_any():
                place.take(len(chunk))
                raw += chunk
                if len(raw) > MAX_BODY:
                    raise _too_large()
    except TimeoutError:
        seconds = BODY_WITHIN.seconds
        raise Refused(408, f"The body did not arrive within {seconds} s") from None
    return bytes(raw)


def _too_large() -> Refused:
    return Refused(413, f"The body is larger than {MAX_BODY // 1024} KiB")


def _json(raw: bytes) -> object:
    try:
        value = json.loads(raw, parse_constant=_no_number)
        # Half of a surrogate pair is JSON, and text that nothing else can write.
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise Refused(422, f"Invalid JSON at position {error.pos}: {error.msg}") from None
    except UnicodeDecodeError as error:
        raise Refused(422, f"Invalid JSON at position {error.start}: not UTF-8") from None
    except UnicodeEncodeError:
        raise Refused(422, "Invalid JSON at position 0: half of a surrogate pair") from None
    except RecursionError:
        raise Refused(422, "Invalid JSON at position 0: nested too deeply") from None
    except ValueError as error:
        raise Refused(422, f"Invalid JSON at position 0: {str(error)[:100]}") from None
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def query(parameters: Mapping[str, str], known: Sequence[str]) -> None:
    """Refuse parameters that the route does not know, naming those that it does."""
    for name in parameters:
        if name not in known and name not in IGNORED_QUERY:
            shown = name[:_LONGEST_SHOWN]
            near = difflib.get_close_matches(shown.replace("_", "-"), known, n=1)
            guess = f", did you mean '{near[0]}'?" if near else "."
            names = ", ".join(known) or "none"
            raise Refused(422, f"Unknown query parameter '{shown}'{guess} Known here: {names}.")


def flag(parameters: Mapping[str, str], name: str) -> bool:
    """A boolean parameter in all its spellings; false where it is not given."""
    if name not in parameters:
        return False
    try:
        return _BOOLEAN.validate_python(parameters[name])
    except ValidationError as error:
        message = error.errors()[0]["msg"]
        raise Refused(422, texts.invalid(name, message, parameters[name])) from None


def text(value: object, name: str, longest: int) -> str:
    """A field of a body that is text."""
    if not isinstance(value, str):
        raise Refused(422, texts.invalid(name, "Input should be a valid string", value))
    if len(value) > longest:
        message = f"String should have at most {longest} characters"
        raise Refused(422, texts.invalid(name, message))
    return value


def mapping(value: object) -> dict[str, Any]:
    """A body that is an object."""
    if value is ABSENT:
        raise Refused(422, texts.invalid("", "Field required"))
    if isinstance(value, Foreign):
        raise Refused(422, texts.not_json(value.kind))
    if not isinstance(value, dict):
        raise Refused(422, texts.invalid("", texts.NOT_AN_OBJECT, value))
    return value
