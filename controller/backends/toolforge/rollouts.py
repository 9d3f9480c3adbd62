"""What the pods of each job are made from, as far as this process has seen it.

jobs-api shows one status for all pods of a job, old and new, without saying which definition they
run. Their age tells: a pod runs what was in force when it started. This module remembers what was
in force when. It is a memory, not a record: after a restart it is empty, and what depends on it
falls back to what needs no memory (`jobs` restarts a job once to be certain; the core compares
times). No I/O.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

T = TypeVar("T")
Key = tuple[str, str]
"""Tool and job."""

_JOBS = 10_000
_CHANGES = 20
# The service tells ages in whole seconds, both ends rounded down.
_ROUNDING = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _Change:
    at: datetime
    template: str
    restart: str = ""


@dataclass(slots=True)
class Rollouts:
    """Changes of what pods are made from, per job, the oldest job forgotten first."""

    _seen: OrderedDict[Key, tuple[_Change, ...]] = field(default_factory=OrderedDict)
    _adjusted: OrderedDict[Key, datetime] = field(default_factory=OrderedDict)

    def changed(self, key: Key, template: str, at: datetime) -> None:
        """From `at` on, new pods are made from `template`.

        The service writes a Deployment anew on a change, without the mark of a restart, so that
        after a restart even an equal template makes new pods (seen in the recording, step 44).
        """
        self._add(key, _Change(at, template))

    def restarted(self, key: Key, template: str, at: datetime, restart: str) -> None:
        """All pods from before `at` are being replaced, by order of `restart` ("" for our own)."""
        self._add(key, _Change(at, template, restart or at.isoformat()))

    def adjusted(self, key: Key, at: datetime) -> None:
        """The job was changed in something that its pods do not notice."""
        _put(self._adjusted, key, at)

    def forget(self, key: Key) -> None:
        """The job is gone, or somebody else has changed it."""
        self._seen.pop(key, None)
        self._adjusted.pop(key, None)

    def was_restarted_by(self, key: Key, restart: str) -> bool:
        """Whether this process has carried out that restart already."""
        return any(change.restart == restart for change in self._seen.get(key, ()))

    def last_adjusted(self, key: Key) -> datetime | None:
        """When it was changed without a new pod, last."""
        return self._adjusted.get(key)

    def last_change(self, key: Key) -> datetime | None:
        """When it was changed or restarted last."""
        changes = self._seen.get(key)
        return changes[-1].at if changes else None

    def current(self, key: Key, template: str, since: datetime) -> bool | None:
        """Whether pods that started at `since` are what `template` makes now.

        None: cannot tell, because this process has not seen the job change, or somebody else has
        changed it since.
        """
        changes = self._seen.get(key)
        if not changes or changes[-1].template != template:
            return None
        return _made_of(changes, since) == (template, changes[-1].restart)

    def keeps(self, key: Key, template: str, since: datetime) -> bool | None:
        """Whether pods that started at `since` would outlive a change to `template`.

        They do when they were made from the same, even if another definition came between.
        None: cannot tell what they were made from.
        """
        made_of = _made_of(self._seen.get(key, ()), since)
        return None if made_of is None else made_of == (template, "")

    def is_marked(self, key: Key) -> bool:
        """Whether the pods carry the mark of a restart, which the next change takes away."""
        changes = self._seen.get(key)
        return bool(changes and changes[-1].restart)

    def check(self, key: Key, template: str) -> None:
        """Forget a job whose definition in force is not the one that this process saw last."""
        changes = self._seen.get(key)
        if changes and changes[-1].template != template:
            self.forget(key)

    def _add(self, key: Key, change: _Change) -> None:
        _put(self._seen, key, (*self._seen.get(key, ()), change)[-_CHANGES:])


def _put(memory: OrderedDict[Key, T], key: Key, value: T) -> None:
    memory[key] = value
    memory.move_to_end(key)
    while len(memory) > _JOBS:
        memory.popitem(last=False)


def _made_of(changes: tuple[_Change, ...], since: datetime) -> tuple[str, str] | None:
    before = [change for change in changes if change.at <= since + _ROUNDING]
    return (before[-1].template, before[-1].restart) if before else None
