"""What the pods of each job are made from, as far as this process has seen it.

jobs-api shows one status for all pods of a job, old and new, without saying which definition they
run. Their age tells: a pod runs what was in force when it started. This module remembers what was
in force when. It is a memory, not a record: after a restart of the controller it is empty, and
`rolling` finds out anew what can be found out. No I/O.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

T = TypeVar("T")
Key = tuple[str, str]
"""Tool and job."""

_JOBS = 10_000
_CHANGES = 20
_BEFORE = datetime.min.replace(tzinfo=UTC)  # before this process began
# The service tells ages in whole seconds, both ends rounded down.
_ROUNDING = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class _Change:
    """`marked`: by a restart. `by`: the restart that was asked for with it ("" for none)."""

    at: datetime
    template: str
    marked: bool
    by: str


@dataclass(slots=True)
class Rollouts:
    """Changes of what pods are made from, per job, the oldest job forgotten first."""

    _seen: OrderedDict[Key, tuple[_Change, ...]] = field(default_factory=OrderedDict)
    _adjusted: OrderedDict[Key, datetime] = field(default_factory=OrderedDict)

    def changed(self, key: Key, template: str, at: datetime, by: str) -> None:
        """From `at` on, new pods are made from `template`.

        The service writes a Deployment anew on a change, without the mark of a restart, so that
        after a restart even an equal template makes new pods (seen in the recording, step 44).
        """
        self._add(key, _Change(at, template, marked=False, by=by))

    def restarted(self, key: Key, template: str, at: datetime, by: str) -> None:
        """All pods from before `at` are being replaced."""
        self._add(key, _Change(at, template, marked=True, by=by))

    def learned(self, key: Key, template: str) -> None:
        """The pods that are there are made from `template`, as was found out."""
        self.forget(key)
        self._add(key, _Change(_BEFORE, template, marked=False, by=""))

    def knows(self, key: Key, template: str) -> bool:
        """Whether what is in force is what this process saw or learned last."""
        changes = self._seen.get(key)
        return bool(changes and changes[-1].template == template)

    def adjusted(self, key: Key, at: datetime) -> None:
        """The job was changed in something that its pods do not notice."""
        _put(self._adjusted, key, at)

    def forget(self, key: Key) -> None:
        """Somebody else has changed it."""
        self._seen.pop(key, None)
        self._adjusted.pop(key, None)

    def was_restarted_by(self, key: Key, restart: str) -> bool:
        """Whether this process has made new pods for that restart already."""
        return any(change.by == restart for change in self._seen.get(key, ()))

    def made(self, key: Key, since: datetime) -> bool:
        """Whether pods that started at `since` are there because of what this process did."""
        made_of = _made_of(self._seen.get(key, ()), since)
        return made_of is not None and made_of.at != _BEFORE

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
        return _same(_made_of(changes, since), changes[-1])

    def keeps(self, key: Key, template: str, since: datetime) -> bool | None:
        """Whether pods that started at `since` would outlive a change to `template`.

        They do when they were made from the same, even if another definition came between.
        None: cannot tell what they were made from.
        """
        made_of = _made_of(self._seen.get(key, ()), since)
        return None if made_of is None else made_of.template == template and not made_of.marked

    def is_marked(self, key: Key) -> bool:
        """Whether the pods carry the mark of a restart, which the next change takes away."""
        changes = self._seen.get(key)
        return bool(changes and changes[-1].marked)

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


def _made_of(changes: tuple[_Change, ...], since: datetime) -> _Change | None:
    """The change that was in force then."""
    before = [change for change in changes if change.at <= since + _ROUNDING]
    return before[-1] if before else None


def _same(one: _Change | None, other: _Change) -> bool:
    """Whether two changes make the same pods: every restart makes others."""
    if one is None or one.template != other.template:
        return False
    return one is other or not (one.marked or other.marked)
