"""What a handler is given and what it gives back: a request and an answer without HTTP.

Shared by the handlers, `app`, which makes the one and sends the other, and their tests.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.api import pushes
from controller.api.reading import ABSENT
from controller.models.tooldeployment import Trigger

LISTS = ("Accept", "If-None-Match", "Prefer")
"""Those of HEADERS that are lists, which may come in several lines."""

HEADERS = (*LISTS, "Idempotency-Key", "Last-Event-ID", *pushes.PROOFS)
"""What handlers may know of a request's header; who asks is none of it."""


@dataclass(frozen=True, slots=True)
class Call:
    """An authorised request about a tool.

    `caller` is TOKEN for whoever came with the tool's deploy token, else API. `body` is the JSON
    value, `reading.ABSENT` where there is none, `reading.Foreign` where its type is not JSON, bytes
    where the route takes it as it is. `headers` are those of HEADERS that were sent.
    """

    tool: str
    caller: Trigger = Trigger.API
    parts: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = ABSENT
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def wants_lines(self) -> bool:
        """Whether the answer shall be `key=value` lines: a shell without jq asks."""
        return wants_lines(self.headers.get("Accept", ""))


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` and `messages` of a success; `status` is 200 but for an ill /v1/healthz.

    `whole`: `data` is the whole body, an RFC 9457 problem. `lines`: so is this text.
    """

    data: Mapping[str, Any]
    messages: Mapping[str, list[str]] = field(default_factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    lines: str | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """Server-sent events, as they come."""

    events: AsyncGenerator[str, None]


Handler = Callable[[Call], Awaitable[Answer | Stream]]


def wants_lines(accept: str) -> bool:
    """Whether plain text is preferred to JSON."""
    return "text/plain" in accept and "json" not in accept and "html" not in accept
