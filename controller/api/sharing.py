"""Reads that many ask for at one moment, as one read.

Used where thousands may come at once: waiters that ask again after a restart, before the watch is
heard. Nobody gets what was read before he asked: who comes while a read goes on shares the next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Found = TypeVar("Found")


class Shared(Generic[Found]):
    """At most one read at a time of each key, and one that waits for it."""

    def __init__(self) -> None:
        self._going: dict[Hashable, asyncio.Task[Found]] = {}
        self._next: dict[Hashable, asyncio.Task[Found]] = {}

    async def read(self, key: Hashable, read: Callable[[], Awaitable[Found]]) -> Found:
        """What `read` answers, or raises, when it is called from now on."""
        if key not in self._next:
            self._next[key] = asyncio.create_task(self._in_turn(key, read))
        # Whoever asked first may go away; the others still wait for the answer.
        return await asyncio.shield(self._next[key])

    async def _in_turn(self, key: Hashable, read: Callable[[], Awaitable[Found]]) -> Found:
        if key in self._going:
            await asyncio.wait([self._going[key]])
        mine = self._going[key] = self._next.pop(key)
        mine.add_done_callback(lambda done: self._forget(key, done))
        return await read()

    def _forget(self, key: Hashable, done: asyncio.Task[Found]) -> None:
        if self._going.get(key) is done:
            del self._going[key]
        if not done.cancelled():
            done.exception()  # retrieved, also where everybody has gone away
