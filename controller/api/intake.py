"""Room for bodies: how much memory those that are being read may hold, of one tool and in all.

Used by `app` for every body. Whoever is known by the header of a request is admitted before its
body is read, and has his tool's share. A signature is checked over the body, so that strangers have
to be read as well: they have a room of their own, and cannot fill that of the others.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from controller.api.problems import Refused

PLACE = 16 * 1024
"""What a request in progress costs besides the bytes of its body."""

_AGAIN = timedelta(seconds=10)  # after which what drips has been sent away


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes: of one tool's bodies, of those of all tools, of all that prove themselves by their
    body."""

    tool: int = 2 * 2**20
    all: int = 32 * 2**20
    unproven: int = 16 * 2**20


class Place:
    """Where one body is read."""

    def __init__(self, held: Counter[str], limits: Mapping[str, tuple[int, Refused]]) -> None:
        self._held = held
        self._limits = limits
        self._mine = 0

    def take(self, count: int) -> None:
        """Hold so many bytes more; Refused with 429 or 503 where there is no room for them."""
        for share, (most, refusal) in self._limits.items():
            if self._held[share] + count > most:
                raise refusal
        self._mine += count
        for share in self._limits:
            self._held[share] += count

    def leave(self) -> None:
        """Hold nothing any more."""
        for share in self._limits:
            self._held[share] -= self._mine
            if not self._held[share]:
                del self._held[share]


class Intake:
    """All places of a process."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._held: Counter[str] = Counter()

    @property
    def held(self) -> Mapping[str, int]:
        """What is held now, by share."""
        return self._held

    @contextmanager
    def place(self, tool: str, *, proven: bool) -> Iterator[Place]:
        """A place for a body that somebody sends for a tool; Refused with 429 or 503."""
        room = self._room
        own = Refused(429, f"Too many requests of {tool} are being read; try again", after=_AGAIN)
        if proven:
            full = Refused(429, "Too many requests are being read; try again", after=_AGAIN)
            limits = {f"tool {tool}": (room.tool, own), "tools": (room.all, full)}
        else:
            full = Refused(503, "Too many requests are being read; try again", after=_AGAIN)
            limits = {f"webhook {tool}": (room.tool, own), "webhooks": (room.unproven, full)}
        place = Place(self._held, limits)
        place.take(PLACE)
        try:
            yield place
        finally:
            place.leave()
