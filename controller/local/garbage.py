"""Ownership: what is owned goes with its owners, or before them, or is let go, as was asked.

Follows `metadata.ownerReferences` as Kubernetes' garbage collector does: background (dependents
go after the owner), foreground (before it), orphan (they lose the reference). Called by
`lifecycle`. An owner of a kind that is not served is taken to exist.
"""

from typing import Any

from controller.local import deletes, objects, resources

Object = dict[str, Any]
Place = tuple[str, str]
"""Collection and key."""

_BACKGROUND = deletes.Options(finalizer="")
_WAITING = (f'"{deletes.FOREGROUND}"'.encode(), f'"{deletes.ORPHAN}"'.encode())


class Garbage:
    """Who is owned by whom, and what is to be looked at."""

    def __init__(
        self,
        store: objects.Objects,
        catalogue: resources.Catalogue,
        deleter: deletes.Deleter,
    ) -> None:
        self._objects = store
        self._catalogue = catalogue
        self._deleter = deleter
        self._dependents: dict[str, set[Place]] = {}
        self._suspects: set[Place] = set()
        self._waiting: set[Place] = set()

    def look(self, name: str, stored: objects.Stored) -> bool:
        """Take note of an object; True if there may be something to do."""
        found = False
        if b'"ownerReferences":' in stored.body:
            for owner in stored.object()["metadata"].get("ownerReferences") or ():
                self._dependents.setdefault(owner["uid"], set()).add((name, stored.key))
            self._suspects.add((name, stored.key))
            found = True
        if b'"finalizers":' in stored.body and any(each in stored.body for each in _WAITING):
            self._waiting.add((name, stored.key))
            found = True
        return found

    def gone(self, name: str, last: objects.Stored) -> bool:
        """Take note of a deletion: its dependents are to be looked at. True if there are any."""
        if not self._dependents:
            return False
        meta = last.object()["metadata"]
        for owner in meta.get("ownerReferences") or ():
            places = self._dependents.get(owner["uid"], set())
            places.discard((name, last.key))
            if not places:
                self._dependents.pop(owner["uid"], None)
        self._suspects |= self._dependents.pop(meta["uid"], set())
        return bool(self._suspects or self._waiting)

    async def collect(self) -> None:
        """Do what is to be done now."""
        suspects, self._suspects = self._suspects, set()
        try:
            while suspects:
                await self._judge(next(iter(suspects)))
                suspects.pop()
        finally:
            self._suspects |= suspects
        for place in list(self._waiting):
            await self._finish(place)

    async def _judge(self, place: Place) -> None:
        """Delete an object when it had owners and none is left; forget those that are gone."""
        stored, resource = self._objects.latest(*place), self._catalogue.of_collection(place[0])
        if stored is None or resource is None:
            return
        meta = stored.object()["metadata"]
        owners = meta.get("ownerReferences") or []
        if not owners or meta.get("deletionTimestamp"):
            return
        living = [each for each in owners if self._lives(each, meta.get("namespace", ""))]
        if not living:
            await self._deleter.remove(resource, stored, _BACKGROUND)
        elif len(living) < len(owners):
            body = stored.object()
            body["metadata"]["ownerReferences"] = living
            await self._objects.put(place[0], place[1], body).done()

    def _lives(self, owner: Object, namespace: str) -> bool:
        group = owner["apiVersion"].rpartition("/")[0]
        for resource in self._catalogue:
            if resource.group == group and resource.kind == owner["kind"]:
                key = resource.key(namespace, owner["name"])
                stored = self._objects.latest(resource.collection, key)
                return stored is not None and stored.object()["metadata"]["uid"] == owner["uid"]
        return True

    async def _finish(self, place: Place) -> None:
        """Carry on with a deletion that waits for dependents."""
        stored, resource = self._objects.latest(*place), self._catalogue.of_collection(place[0])
        finalizers = stored.object()["metadata"].get("finalizers") or () if stored else ()
        if stored is None or resource is None:
            self._waiting.discard(place)
            return
        meta = stored.object()["metadata"]
        if not meta.get("deletionTimestamp"):
            self._waiting.discard(place)
        elif deletes.ORPHAN in finalizers:
            await self._orphan(meta["uid"])
            await deletes.release(self._objects, resource, stored, deletes.ORPHAN)
        elif deletes.FOREGROUND in finalizers:
            if not await self._delete_dependents(meta["uid"]):
                await deletes.release(self._objects, resource, stored, deletes.FOREGROUND)
        else:
            self._waiting.discard(place)

    async def _orphan(self, uid: str) -> None:
        for place in self._dependents.pop(uid, set()):
            stored = self._objects.latest(*place)
            if stored is None:
                continue
            body = stored.object()
            owners = body["metadata"].get("ownerReferences") or ()
            kept = [each for each in owners if each["uid"] != uid]
            body["metadata"]["ownerReferences"] = kept
            if not kept:
                del body["metadata"]["ownerReferences"]
            await self._objects.put(place[0], place[1], body).done()

    async def _delete_dependents(self, uid: str) -> bool:
        """Delete what the owner still has; True while a dependent holds it."""
        held = False
        for place in list(self._dependents.get(uid, ())):
            stored = self._objects.latest(*place)
            resource = self._catalogue.of_collection(place[0])
            if stored is None or resource is None:
                self._dependents.get(uid, set()).discard(place)  # others may have gone meanwhile
                continue
            meta = stored.object()["metadata"]
            if not meta.get("deletionTimestamp"):
                await self._deleter.remove(resource, stored, _BACKGROUND)
            owners = meta.get("ownerReferences") or ()
            blocks = any(each["uid"] == uid and each.get("blockOwnerDeletion") for each in owners)
            held = held or (blocks and self._objects.latest(*place) is not None)
        return held
