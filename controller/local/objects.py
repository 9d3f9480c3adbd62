"""The state of the embedded control plane: objects, versions, and the log of recent changes.

Reads are answered from memory, as of the last commit. Writes are decided against what is
accepted but not yet on the disk (`latest`), so that two writes in flight cannot overwrite each
other, and are answered after the commit. Everything that waits is committed as one batch.
Called by the request handlers and by `lifecycle`. Knows keys, versions and bytes; the rules of
Kubernetes are elsewhere.
"""

import asyncio
import bisect
import json
from collections.abc import Callable, Iterator
from typing import Any

from controller.local import storage

Object = dict[str, Any]

HISTORY = 10_000
"""Changes kept for each resource, for watches that resume and for lists of an older version."""

HISTORY_BYTES = 32 * 1024 * 1024
"""Bytes of changes kept for each resource; whichever limit is met first counts."""


STOPPED = "the control plane has stopped and takes no more writes"


class Stored:
    """One version of one object; `body` is its JSON.

    `adapted` is the version of the schema that the body was last brought in line with.
    """

    __slots__ = ("_labels", "adapted", "body", "key", "version")

    def __init__(
        self, key: str, version: int, body: bytes, labels: dict[str, str] | None = None
    ) -> None:
        self.key = key
        self.version = version
        self.body = body
        self.adapted = version
        self._labels = labels

    def object(self) -> Object:
        """A new dict of the object, which the caller may change."""
        found: Object = json.loads(self.body)
        return found

    @property
    def labels(self) -> dict[str, str]:
        """The object's labels; of an object that was loaded, parsed when first asked for."""
        if self._labels is None:
            has = b'"labels":' in self.body
            self._labels = (self.object()["metadata"].get("labels") or {}) if has else {}
        return self._labels


class Change:
    """One committed write. `new` is None for a deletion, whose last state is `last`."""

    __slots__ = ("last", "new", "old", "version")

    def __init__(self, version: int, old: Stored | None, new: Stored | None, last: Stored) -> None:
        self.version = version
        self.old = old
        self.new = new
        self.last = last


class Collection:
    """All objects of one resource, sorted by key, and their recent changes."""

    def __init__(self, name: str, oldest: int) -> None:
        self.name = name
        self.oldest = oldest
        self.objects: dict[str, Stored] = {}
        self.keys: list[str] = []
        self.changes: list[Change] = []
        self.changed = asyncio.Event()
        self.closed = False
        self._bytes = 0

    def apply(self, change: Change) -> None:
        """Take over one committed change."""
        key = change.last.key
        if change.new is None:
            del self.objects[key]
            del self.keys[bisect.bisect_left(self.keys, key)]
        else:
            if key not in self.objects:
                bisect.insort(self.keys, key)
            self.objects[key] = change.new
        self.changes.append(change)
        self._bytes += len(change.last.body)

    def compact(self, keep: int) -> None:
        """Forget the oldest changes beyond the limits (an eighth more, so that it is rare)."""
        if len(self.changes) <= keep and self._bytes <= HISTORY_BYTES:
            return
        surplus = max(len(self.changes) - keep + keep // 8, 1)
        size = sum(len(change.last.body) for change in self.changes[:surplus])
        while self._bytes - size > HISTORY_BYTES and surplus < len(self.changes):
            size += len(self.changes[surplus].last.body)
            surplus += 1
        self.oldest = self.changes[surplus - 1].version
        self._bytes -= size
        del self.changes[:surplus]

    def since(self, version: int) -> list[Change]:
        """The changes after a version, oldest first."""
        return self.changes[bisect.bisect_right(self.changes, version, key=_version) :]

    def span(self, prefix: str) -> list[str]:
        """The keys that begin with a prefix, sorted."""
        if not prefix:
            return self.keys
        start = bisect.bisect_left(self.keys, prefix)
        return self.keys[start : bisect.bisect_left(self.keys, prefix[:-1] + "0", start)]

    def undone(self, version: int) -> dict[str, Stored | None]:
        """What was different at a version (not before `oldest`): None was not there."""
        return {change.last.key: change.old for change in reversed(self.since(version))}

    def wake(self) -> None:
        """Let the watchers look."""
        self.changed.set()
        self.changed = asyncio.Event()


_Queued = tuple[str, Change, "asyncio.Future[None]"]


def _row(name: str, change: Change) -> storage.Row:
    body = None if change.new is None else change.new.body
    return storage.Row(name, change.last.key, change.version, body)


def _version(change: Change) -> int:
    return change.version


class Objects:
    """Every collection, the one rising version, and the writer."""

    def __init__(self, store: storage.Storage, history: int = HISTORY) -> None:
        self._storage = store
        self._history = history
        self._collections: dict[str, Collection] = {}
        self._pending: dict[tuple[str, str], Change] = {}
        self._queue: list[_Queued] = []
        self._work = asyncio.Event()
        self._writing = asyncio.Lock()
        self._next = 0
        self._stopped = False
        self.version = 0
        self.observers: list[Callable[[str, Change], None]] = []

    async def open(self) -> None:
        """Load everything that the file holds."""
        self.version, rows = await self._storage.open()
        self._next = self.version
        for row in rows:
            if row.body is not None:
                collection = self.collection(row.resource)
                collection.objects[row.key] = Stored(row.key, row.version, row.body)
        for collection in self._collections.values():
            collection.keys = sorted(collection.objects)

    def collection(self, name: str) -> Collection:
        """The collection of that name, e.g. `secrets` or `widgets.example.com`."""
        found = self._collections.get(name)
        if found is None:
            found = self._collections[name] = Collection(name, self.version)
        return found

    def names(self) -> Iterator[str]:
        """The names of the collections that were ever used."""
        return iter(list(self._collections))

    def forget(self, name: str) -> None:
        """Drop an empty collection with its history: its definition is gone."""
        collection = self._collections.pop(name, None)
        if collection is not None:
            collection.closed = True
            collection.wake()

    def latest(self, name: str, key: str) -> Stored | None:
        """The newest accepted state, also if it is not on the disk yet."""
        pending = self._pending.get((name, key))
        if pending is not None:
            return pending.new
        return self.collection(name).objects.get(key)

    def put(self, name: str, key: str, body: Object) -> "Write":
        """Accept a new state, whose `metadata.resourceVersion` is set; await it to be sure."""
        return self._accept(name, self._stored(key, body), gone=False)

    def remove(self, name: str, key: str, body: Object) -> "Write":
        """Accept a deletion; `body` is the last state, as the watchers will see it."""
        return self._accept(name, self._stored(key, body), gone=True)

    def _stored(self, key: str, body: Object) -> Stored:
        self._next += 1
        meta = body["metadata"]
        meta["resourceVersion"] = str(self._next)
        return Stored(key, self._next, encode(body), dict(meta.get("labels") or {}))

    def _accept(self, name: str, stored: Stored, *, gone: bool) -> "Write":
        if self._stopped:
            raise storage.StorageError(STOPPED)
        new = None if gone else stored
        change = Change(stored.version, self.latest(name, stored.key), new, stored)
        self._pending[name, stored.key] = change
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((name, change, done))
        self._work.set()
        return Write(stored, done)

    async def settled(self) -> None:
        """Wait until everything that is accepted now is on the disk."""
        if self._queue:
            await asyncio.shield(self._queue[-1][2])

    async def run(self) -> None:
        """Commit what is accepted, for ever; on cancellation, commit the rest first."""
        try:
            while True:
                await self._work.wait()
                await asyncio.shield(self._flush())
        finally:
            try:
                await self._flush()
            finally:
                # Nobody may wait for a writer that is gone.
                self._stopped = True
                self._refuse(storage.StorageError(STOPPED))

    async def _flush(self) -> None:
        async with self._writing:
            self._work.clear()
            if batch := list(self._queue):
                await self._commit(batch)

    async def _commit(self, batch: list[_Queued]) -> None:
        rows = [_row(name, change) for name, change, _ in batch]
        try:
            await self._storage.commit(rows, batch[-1][1].version)
        except storage.StorageError as error:
            self._refuse(error)
            return
        del self._queue[: len(batch)]
        self._publish(batch)

    def _refuse(self, error: storage.StorageError) -> None:
        """A failed batch takes with it what was decided on top of it meanwhile."""
        refused, self._queue = self._queue, []
        self._pending.clear()
        for _, _, done in refused:
            if not done.done():
                done.set_exception(error)
            done.exception()

    def _publish(self, batch: list[_Queued]) -> None:
        touched: dict[str, Collection] = {}
        for name, change, done in batch:
            collection = touched.setdefault(name, self.collection(name))
            collection.apply(change)
            self.version = change.version
            if self._pending.get((name, change.last.key)) is change:
                del self._pending[name, change.last.key]
            if not done.done():
                done.set_result(None)
            for observer in self.observers:
                observer(name, change)
        for collection in touched.values():
            collection.compact(self._history)
            collection.wake()


class Write:
    """An accepted write: `stored` at once, certain when awaited (raises StorageError)."""

    __slots__ = ("_done", "stored")

    def __init__(self, stored: Stored, done: "asyncio.Future[None]") -> None:
        self.stored = stored
        self._done = done

    async def done(self) -> Stored:
        """Wait for the disk; a caller that goes away does not stop the write."""
        await asyncio.shield(self._done)
        return self.stored


def encode(body: Object) -> bytes:
    """JSON as it is stored and sent: compact, keys sorted."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
