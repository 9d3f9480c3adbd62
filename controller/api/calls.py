"""What a handler is given and what it gives back: a request and an answer without HTTP.

Shared by the handlers, `app`, which makes the one and sends the other, and their tests.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.api.reading import ABSENT
from controller.models.tooldeployment import Trigger


@dataclass(frozen=True, slots=True)
class Call:
    """An authorised request about a tool.

    `caller` is TOKEN for whoever came with the tool's deploy token, else API. `body` is the JSON
    value, `reading.ABSENT` where there is none, bytes where it was no JSON by its type.
    """

    tool: str
    caller: Trigger = Trigger.API
    parts: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: object = ABSENT


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` and `messages` of a success; `status` is 200 but for an ill /v1/healthz."""

    data: Mapping[str, Any]
    messages: Mapping[str, list[str]] = field(default_factory=dict)
    status: int = 200


Handler = Callable[[Call], Awaitable[Answer]]
