"""What becomes of the lines of a watch on their way: held, dropped, repeated, cut, aged.

One `Views` for a world; a test sets `rule`, which is asked about each event of each watch.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]
Rule = Callable[[Event], Any]
"""An event to what becomes of it: see `View.lines`."""


def as_it_is(_: Event) -> str:
    """Nothing happens to it."""
    return "pass"


@dataclass
class Views:
    """The watches of a world."""

    rule: Rule = as_it_is
    seen: list[Event] = field(default_factory=list)

    def opened(self, path: str) -> "View":
        """A watch was opened."""
        return View(self, path)


@dataclass
class View:
    """One watch."""

    views: Views
    path: str

    async def lines(self, line: bytes) -> list[bytes]:
        """What comes out for a line that went in.

        The rule answers "pass", "drop", "twice", "half" (cut in the middle), "expire" (a 410
        instead), "silence" (nothing any more), or seconds to hold it back.
        """
        event = json.loads(line)
        self.views.seen.append(event)
        what = self.views.rule(event)
        match what:
            case "drop":
                return []
            case "twice":
                return [line, line]
            case "half":
                return [line[: len(line) // 2] + b"\n"]
            case "expire":
                gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
                return [json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n"]
            case "silence":
                await asyncio.sleep(10_000_000)
            case int() | float():
                await asyncio.sleep(what)
        return [line]
