"""Watches: what is there, then every committed change, as a stream of JSON lines.

A watcher keeps a version and reads the collection's log from there whenever it is woken, so a
slow client costs no memory; one that falls behind the log gets 410 and lists again. Called by
`server`, one task per open watch.
"""

import asyncio
import random
from collections.abc import Callable, Iterator

from aiohttp import web

from controller.local import (
    answers,
    fielderrors,
    objects,
    requests,
    selection,
    statuses,
    wire,
)

BOOKMARKS = 60.0
"""Seconds between bookmarks."""

LONGEST = (1800.0, 3600.0)
"""Seconds after which a watch that names no timeout ends, chosen between these two."""


class Watches:
    """All open watches of a server."""

    def __init__(self, store: objects.Objects, presenter: answers.Presenter) -> None:
        self._objects = store
        self._presenter = presenter
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, call: requests.Call, request: web.Request) -> web.StreamResponse:
        """Answer a watch until its time is over. Raises ApiError before the first byte."""
        shape = answers.accepted(call.accept, ("Table", *answers.LIST_SHAPES)).shape
        _check(call)
        watch = _Watch(self._objects, call, _encoder(self._presenter, call, shape))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        answers.warn(response, call.warnings)
        response.enable_chunked_encoding()
        await response.prepare(request)
        task = asyncio.create_task(watch.run(response))
        self._open.add(task)
        try:
            await task
        except (ConnectionError, asyncio.CancelledError):
            if not task.done():
                task.cancel()
                raise
        finally:
            self._open.discard(task)
        return response

    def close(self) -> None:
        """End all of them, as a server does that goes away."""
        for task in self._open:
            task.cancel()


def _check(call: requests.Call) -> None:
    """Refuse combinations of options that make no sense, as kube-apiserver does."""
    call.query.version()
    call.query.number("timeoutSeconds")
    match = call.query.text("resourceVersionMatch")
    errors = []
    if call.query.text("sendInitialEvents"):
        if match != "NotOlderThan":
            detail = (
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
                if not match
                else "sendInitialEvents requires resourceVersionMatch to be NotOlderThan"
            )
            errors.append(fielderrors.forbidden("resourceVersionMatch", detail))
    elif match:
        detail = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        errors.append(fielderrors.forbidden("resourceVersionMatch", detail))
    if errors:
        raise statuses.invalid("meta.k8s.io", "ListOptions", "", errors)


Encoder = Callable[[objects.Stored], bytes]


def _encoder(presenter: answers.Presenter, call: requests.Call, shape: str) -> Encoder:
    """How an object stands in an event."""
    if shape == "Table":
        first = True

        def table(stored: objects.Stored) -> bytes:
            nonlocal first
            meta = {"resourceVersion": str(stored.version)}
            found = presenter.table(call, [wire.read(call.resource, stored)], meta)
            if not first:
                found["columnDefinitions"] = None
            first = False
            return objects.encode(found)

        return table
    if shape:
        return lambda stored: objects.encode(wire.partial(wire.read(call.resource, stored)))
    return lambda stored: wire.whole(call.resource, stored)


class _Watch:
    """One watch: where it is, and what it sends."""

    def __init__(self, store: objects.Objects, call: requests.Call, encode: Encoder) -> None:
        self._call = call
        self._encode = encode
        self._collection = store.collection(call.resource.collection)
        self._chosen = selection.Selection(call)
        self._store = store
        self._at = call.query.version() or 0
        self._bookmarks = call.query.flag("allowWatchBookmarks")

    async def run(self, response: web.StreamResponse) -> None:
        """Send everything until the time is over."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        seconds = self._call.query.number("timeoutSeconds")
        end = start + (seconds if seconds > 0 else random.uniform(*LONGEST))
        bookmark = min(start + BOOKMARKS, end - 2) if self._bookmarks else end
        await _send(response, self._first())
        while True:
            woken = self._collection.changed
            if self._at < self._collection.oldest and self._at < self._store.version:
                await _send(response, [self._expired()])
                return
            await _send(response, self._next())
            if self._collection.closed:
                return
            until = min(bookmark, end) if start < bookmark else end
            try:
                async with asyncio.timeout_at(until):
                    await woken.wait()
            except TimeoutError:
                if until == end:
                    return
                await _send(response, [self._bookmark({})])
                start, bookmark = loop.time(), min(loop.time() + BOOKMARKS, end - 2)

    def _first(self) -> Iterator[bytes]:
        """What is there, when the client asks for that."""
        initial = self._call.query.text("sendInitialEvents")
        wanted = self._call.query.flag("sendInitialEvents") if initial else not self._at
        if initial and not wanted and not self._at:
            self._at = self._store.version
        if not wanted:
            return
        self._at = self._store.version
        # All taken at once: sending them may take long, and what happens meanwhile comes after.
        keys = self._collection.span(self._chosen.prefix)
        for stored in [self._collection.objects[key] for key in keys]:
            if self._chosen.has(stored):
                yield _line("ADDED", self._encode(stored))
        if initial and self._bookmarks:
            yield self._bookmark({"k8s.io/initial-events-end": "true"})

    def _next(self) -> Iterator[bytes]:
        """The changes since the last time. What comes while these are sent is for the next."""
        now = self._store.version
        for change in self._collection.since(self._at):
            line = self._event(change)
            if line is not None:
                yield line
        self._at = max(self._at, now)

    def _event(self, change: objects.Change) -> bytes | None:
        """The event for one change, or None when it is of no concern."""
        before = change.old is not None and self._chosen.has(change.old)
        after = change.new is not None and self._chosen.has(change.new)
        if change.new is not None and after:
            return _line("MODIFIED" if before else "ADDED", self._encode(change.new))
        if not before or change.old is None:
            return None
        if change.new is None:
            return _line("DELETED", self._encode(change.last))
        # It left the selection: the client sees its last selected state at the new version.
        body = change.old.object()
        body["metadata"]["resourceVersion"] = str(change.version)
        gone = objects.Stored(change.old.key, change.version, objects.encode(body))
        return _line("DELETED", self._encode(gone))

    def _bookmark(self, annotations: dict[str, str]) -> bytes:
        meta: dict[str, object] = {"resourceVersion": str(self._at)}
        if annotations:
            meta["annotations"] = annotations
        resource = self._call.resource
        body = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": meta}
        return _line("BOOKMARK", objects.encode(body))

    def _expired(self) -> bytes:
        message = f"too old resource version: {self._at} ({self._collection.oldest})"
        return _line("ERROR", objects.encode(statuses.expired(message).body()))


def _line(kind: str, body: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), body)


async def _send(response: web.StreamResponse, lines: Iterator[bytes] | list[bytes]) -> None:
    """Write lines in chunks of moderate size."""
    waiting: list[bytes] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size > 64 * 1024:
            await response.write(b"".join(waiting))
            waiting, size = [], 0
    if waiting:
        await response.write(b"".join(waiting))
