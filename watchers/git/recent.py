"""A mapping that keeps the newest entries only, for what may be forgotten.

Strangers choose the addresses that this package remembers something of, so that no memory of them
may grow without end. Nothing that must not be lost may be put here.
"""

from collections.abc import Iterator, MutableMapping
from typing import TypeVar

V = TypeVar("V")
LIMIT = 20_000


class Recent(MutableMapping[str, V]):
    """Up to `limit` entries; the one that was set first goes first."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._entries: dict[str, V] = {}

    def __getitem__(self, key: str) -> V:
        return self._entries[key]

    def __setitem__(self, key: str, value: V) -> None:
        self._entries.pop(key, None)
        self._entries[key] = value
        if len(self._entries) > self._limit:
            del self._entries[next(iter(self._entries))]

    def __delitem__(self, key: str) -> None:
        del self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)
