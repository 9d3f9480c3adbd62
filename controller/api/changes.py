"""Who waits for a tool's deployments to change, and the one watch that tells them all.

The composition root calls `Changes.changed(tool)` from its watch and says what the watch shows
(`Mirror`); `waiting` and `events` listen. A waiter costs an entry in a set and its own deadline: no
request, no timer, no task. Nothing here knows what a deployment is about.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from controller.models.summary import DeploymentSummary
from controller.models.tooldeployment import ToolDeployment


class Mirror(Protocol):
    """What a watch has shown of the deployments."""

    def fresh(self) -> bool:
        """Whether the watch is heard, so that what it has not shown has not happened."""
        ...

    def held(self, tool: str, name: str) -> ToolDeployment | DeploymentSummary | None:
        """A deployment: whole while it is not finished; None where it was not seen."""
        ...


class Unwatched:
    """A `Mirror` where nothing is watched: everything has to be asked."""

    def fresh(self) -> bool:
        """Never."""
        return False

    def held(self, tool: str, name: str) -> None:
        """Nothing was seen."""


@dataclass(frozen=True, slots=True)
class Waiters:
    """How many may wait at once: with one tool's deploy token, for one tool, and in all; and how
    long a request may be held."""

    token: int = 50
    tool: int = 100
    all: int = 20_000
    longest: timedelta = timedelta(minutes=5)


class TooMany(Exception):
    """No further waiter is admitted; the message says whose limit it is."""


class Bell:
    """Rings when a deployment of the tool may have changed."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Something changed."""
        self._rung.set()

    def hush(self) -> None:
        """From here on, what rings is news: look at the state after this, never before."""
        self._rung.clear()

    async def rings(self, until: float) -> bool:
        """Wait for it, at most until a moment of the event loop's clock."""
        try:
            async with asyncio.timeout_at(until):
                await self._rung.wait()
        except TimeoutError:
            return False
        return True


@dataclass(slots=True)
class Changes:
    """The waiters of all tools."""

    mirror: Mirror = field(default_factory=Unwatched)
    limits: Waiters = field(default_factory=Waiters)
    closing: bool = False
    _bells: dict[str, set[Bell]] = field(default_factory=dict)
    _seats: Counter[str] = field(default_factory=Counter)

    def changed(self, tool: str) -> None:
        """A deployment of the tool may have changed."""
        for bell in self._bells.get(tool, ()):
            bell.ring()

    def close(self) -> None:
        """The process is about to end: everybody is woken, and nobody waits any more."""
        self.closing = True
        for bells in self._bells.values():
            for bell in bells:
                bell.ring()

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return sum(len(bells) for bells in self._bells.values())

    @contextmanager
    def listening(self, tool: str, *, with_token: bool = False) -> Iterator[Bell]:
        """A bell for one waiter; raises TooMany."""
        seats = self._take(tool, with_token)
        bell = Bell()
        self._bells.setdefault(tool, set()).add(bell)
        try:
            yield bell
        finally:
            self._leave(tool, bell, seats)

    def _take(self, tool: str, with_token: bool) -> Sequence[str]:
        limits: Mapping[str, tuple[int, str]] = {
            f"tool {tool}": (self.limits.tool, f"{self.limits.tool} requests wait for {tool}"),
            "all": (self.limits.all, "too many requests wait at this server"),
        }
        if with_token:
            words = f"{self.limits.token} requests wait with this deploy token"
            limits = {f"token {tool}": (self.limits.token, words), **limits}
        for seat, (limit, words) in limits.items():
            if self._seats[seat] >= limit:
                raise TooMany(words)
        self._seats.update(limits.keys())
        return tuple(limits)

    def _leave(self, tool: str, bell: Bell, seats: Sequence[str]) -> None:
        bells = self._bells[tool]
        bells.discard(bell)
        if not bells:
            del self._bells[tool]
        self._seats.subtract(seats)
        for seat in seats:
            if not self._seats[seat]:
                del self._seats[seat]
