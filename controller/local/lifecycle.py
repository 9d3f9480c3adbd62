"""What a cluster's controllers do for the resources served here, in one background task.

Empties namespaces and definitions that are being deleted, then lets them go; lets events go after
an hour; hands ownership to `garbage`. It looks at what is, not at what happened, so it can begin
again anywhere. Started by `server`.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from controller.local import definitions, deletes, garbage, objects, resources, storage

_log = logging.getLogger(__name__)

EVENTS_KEPT = timedelta(hours=1)
"""How long an event is kept after it was last seen, as in kube-apiserver."""

_SWEEP = 60.0
"""Seconds between looks without a change: at events, and at what failed."""

_BACKGROUND = deletes.Options(finalizer="")


class Lifecycle:
    """The background task and what it still has to look at."""

    def __init__(
        self,
        store: objects.Objects,
        catalogue: resources.Catalogue,
        deleter: deletes.Deleter,
        clock: Callable[[], datetime],
    ) -> None:
        self._objects = store
        self._catalogue = catalogue
        self._deleter = deleter
        self._clock = clock
        self._garbage = garbage.Garbage(store, catalogue, deleter)
        self._ending: dict[str, set[str]] = {
            "namespaces": set(),
            "customresourcedefinitions": set(),
        }
        self._work = asyncio.Event()
        self._sweep_at = 0.0

    def load(self) -> None:
        """Look at everything that is stored."""
        for name in self._objects.names():
            for stored in self._objects.collection(name).objects.values():
                self._look(name, stored)

    def observe(self, name: str, change: objects.Change) -> None:
        """Take note of a committed change; an observer of `objects.Objects`."""
        if change.new is not None:
            self._look(name, change.new)
        elif self._garbage.gone(name, change.last) or any(self._ending.values()):
            self._work.set()

    def _look(self, name: str, stored: objects.Stored) -> None:
        if name in self._ending and _is_marked(stored):
            self._ending[name].add(stored.key)
            self._work.set()
        if self._garbage.look(name, stored):
            self._work.set()

    async def run(self) -> None:
        """Work for ever."""
        while True:
            try:
                await self._pass()
            except storage.StorageError as error:
                _log.error("control plane clean-up waits: %s", error)
            except Exception:  # noqa: BLE001 -- a bug must not end all other deletions
                _log.exception("control plane clean-up failed")
            try:
                async with asyncio.timeout(_SWEEP):
                    await self._work.wait()
            except TimeoutError:
                pass

    async def _pass(self) -> None:
        self._work.clear()
        await self._garbage.collect()
        for name in list(self._ending["namespaces"]):
            await self._end_namespace(name)
        for name in list(self._ending["customresourcedefinitions"]):
            await self._end_definition(name)
        now = asyncio.get_running_loop().time()
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP
            await self._expire_events()

    async def _end_namespace(self, name: str) -> None:
        stored = self._objects.latest("namespaces", name)
        if stored is None:
            self._ending["namespaces"].discard(name)
            return
        found = {each.collection: each for each in self._catalogue if each.namespaced}
        for resource in found.values():
            await self._empty(resource, f"{name}/")
        left = {
            each.qualified: len(self._objects.collection(each.collection).span(f"{name}/"))
            for each in found.values()
        }
        if any(left.values()):
            await self._say_what_is_left(stored, {k: v for k, v in left.items() if v})
        else:
            await deletes.release(self._objects, resources.NAMESPACES, stored, "kubernetes")

    async def _say_what_is_left(self, stored: objects.Stored, left: dict[str, int]) -> None:
        body = stored.object()
        listed = ", ".join(f"{name} has {count} resource instances" for name, count in left.items())
        condition = {
            "type": "NamespaceContentRemaining",
            "status": "True",
            "lastTransitionTime": body["metadata"]["deletionTimestamp"],
            "reason": "SomeResourcesRemain",
            "message": f"Some resources are remaining: {listed}",
        }
        if body["status"].get("conditions") != [condition]:
            body["status"]["conditions"] = [condition]
            await self._objects.put("namespaces", stored.key, body).done()

    async def _end_definition(self, name: str) -> None:
        stored = self._objects.latest("customresourcedefinitions", name)
        if stored is None:
            self._ending["customresourcedefinitions"].discard(name)
            return
        # Of a kind that is not served any more there may be objects.
        await self._empty(resources.of_storage(stored.object()), "")
        if not self._objects.collection(name).keys:
            await deletes.release(self._objects, resources.DEFINITIONS, stored, definitions.CLEANUP)

    async def _empty(self, resource: resources.Resource, prefix: str) -> None:
        """Delete what is not marked as deleted yet."""
        collection = self._objects.collection(resource.collection)
        keys = [key for key in collection.span(prefix) if not _is_marked(collection.objects[key])]
        await self._deleter.remove_all(resource, keys, _BACKGROUND)

    async def _expire_events(self) -> None:
        oldest = (self._clock() - EVENTS_KEPT).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        events = self._objects.collection("events").objects.values()
        keys = _seen_before(events, oldest)
        await self._deleter.remove_all(resources.EVENTS, keys, _BACKGROUND)


def _is_marked(stored: objects.Stored) -> bool:
    # What an object holds may have a field of that name too, but most objects are not parsed.
    has = b'"deletionTimestamp":' in stored.body
    return has and bool(stored.object()["metadata"].get("deletionTimestamp"))


def _seen_before(events: Iterable[objects.Stored], oldest: str) -> list[str]:
    found = []
    for stored in events:
        body = stored.object()
        entries = body["metadata"].get("managedFields") or ()
        times = [body["metadata"]["creationTimestamp"]]
        times += [entry["time"] for entry in entries if entry.get("time")]
        if max(times) < oldest:
            found.append(stored.key)
    return found
