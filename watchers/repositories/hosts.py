"""Which hosts the followed repositories are on, and which of them do not answer: for metrics only.

Kept up to date by `poller`; memory only. No decisions belong here: those are `patience`'s.
"""

from collections import Counter
from collections.abc import Mapping


class Hosts:
    """The followed repositories by host."""

    def __init__(self) -> None:
        self._hosts: dict[str, str] = {}
        self._silent: set[str] = set()

    def clear(self) -> None:
        """Nothing is looked at."""
        self._hosts.clear()
        self._silent.clear()

    def follow(self, url: str, host: str) -> None:
        """The repository is looked at."""
        self._hosts[url] = host

    def forget(self, url: str) -> None:
        """Nobody follows the repository any more."""
        self._hosts.pop(url, None)
        self._silent.discard(url)

    def answered(self, url: str, *, well: bool) -> None:
        """A check of the repository ended; `well`: its host gave an answer, good news or bad."""
        if well:
            self._silent.discard(url)
        elif url in self._hosts:
            self._silent.add(url)

    def followed(self) -> Mapping[str, int]:
        """How many repositories are looked at, by host."""
        return Counter(self._hosts.values())

    def unreachable(self) -> Mapping[str, int]:
        """How many of them had no usable answer the last time, by host."""
        return Counter(self._hosts[url] for url in self._silent)
