"""Deletion: preconditions, finalizers, propagation, and the two kinds that empty themselves first.

An object goes at once when nothing holds it; otherwise it is marked, and goes when the last
finalizer does (`writes`) or when `lifecycle` has removed what depends on it. Called by `server`.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from controller.local import (
    bodies,
    decoding,
    definitions,
    fielderrors,
    gotypes,
    objects,
    requests,
    resources,
    statuses,
    typed,
    wire,
)

Object = dict[str, Any]

PERMANENT = ("default", "kube-node-lease", "kube-public", "kube-system")
"""Namespaces that are made at the start; the last two and `default` cannot be deleted."""

TOGETHER = 200
"""Deletions handed to the store at once."""

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"

_POLICIES = {"Foreground": FOREGROUND, "Orphan": ORPHAN, "Background": ""}


def is_over(resource: resources.Resource, body: Object) -> bool:
    """Whether an object is to be deleted and nothing holds it any more."""
    held = any(holder.get("finalizers") for holder in _holders(resource, body))
    return bool(body["metadata"].get("deletionTimestamp")) and not held


def _holders(resource: resources.Resource, body: Object) -> list[Object]:
    """What may have finalizers of an object: of a namespace its spec too."""
    if resource != resources.NAMESPACES:
        return [body["metadata"]]
    return [body["metadata"], body.get("spec") or {}]


@dataclasses.dataclass(frozen=True)
class Options:
    """DeleteOptions: preconditions, dry run, and the finalizer that the propagation asks for.

    `finalizer` is None when the client leaves the propagation open, empty for Background.
    """

    uid: str | None = None
    version: str | None = None
    dry: bool = False
    finalizer: str | None = None


def options_of(call: requests.Call) -> Options:
    """The options in the body and the query of a request. Raises ApiError."""
    body = _body(call)
    preconditions = body.get("preconditions") or {}
    policy = body.get("propagationPolicy") or call.query.text("propagationPolicy")
    if not policy and (body.get("orphanDependents") or call.query.flag("orphanDependents")):
        policy = "Orphan"
    if policy and policy not in _POLICIES:
        supported = ["Foreground", "Background", "Orphan", "nil"]
        error = fielderrors.not_supported("propagationPolicy", policy, supported)
        raise statuses.invalid("meta.k8s.io", "DeleteOptions", "", [error])
    return Options(
        uid=preconditions.get("uid"),
        version=preconditions.get("resourceVersion"),
        dry=call.query.dry_run("DeleteOptions", body),
        finalizer=_POLICIES[policy] if policy else None,
    )


def _body(call: requests.Call) -> Object:
    if not call.raw:
        return {}
    kind = decoding.media_type(call.content_type) or "application/json"
    try:
        if kind == "application/json":
            value = bodies.parse_json(call.raw)[0]
        elif kind == "application/yaml":
            value = bodies.parse_yaml(call.raw)
        else:
            raise statuses.unsupported_media_type(decoding.ACCEPTED)
    except bodies.ParseError as error:
        raise statuses.bad_request(f"error decoding DeleteOptions: {error}") from None
    try:
        options: Object = gotypes.DELETE_OPTIONS(value, ("DeleteOptions", ""), [])
    except typed.MismatchError as error:
        raise statuses.bad_request(f"error decoding DeleteOptions: {error}") from None
    return options


class Deleter:
    """Carries out deletions."""

    def __init__(self, store: objects.Objects, clock: Callable[[], datetime]) -> None:
        self._objects = store
        self._clock = clock

    async def delete(self, call: requests.Call) -> objects.Stored | Object:
        """DELETE of one object: what is left of it, or the Status that says that it is gone."""
        options = options_of(call)
        stored = self._objects.latest(call.resource.collection, call.key)
        if stored is None:
            raise statuses.not_found(call.resource, call.path.name)
        return await self.remove(call.resource, stored, options)

    async def remove(
        self, resource: resources.Resource, stored: objects.Stored, options: Options
    ) -> objects.Stored | Object:
        """Delete one object as the options say."""
        body = stored.object()
        meta = body["metadata"]
        _check_preconditions(resource, stored, body, options)
        if resource == resources.NAMESPACES and meta["name"] in PERMANENT:
            why = "this namespace may not be deleted"
            raise statuses.forbidden(resource, meta["name"], why)
        changed = self._mark(resource, body, options)
        if not is_over(resource, body):
            if options.dry or not changed:
                await self._objects.settled()
                return objects.Stored(stored.key, stored.version, objects.encode(body))
            return await self._objects.put(resource.collection, stored.key, body).done()
        if not options.dry:
            unmarked = stored.object()
            await self._objects.remove(resource.collection, stored.key, unmarked).done()
        if resource == resources.NAMESPACES:
            return objects.Stored(stored.key, stored.version, objects.encode(body))
        return statuses.success(resource, meta["name"], meta["uid"])

    async def remove_all(
        self, resource: resources.Resource, keys: Sequence[str], options: Options
    ) -> None:
        """Delete many objects, so that they share transactions; what is gone is passed over."""
        for start in range(0, len(keys), TOGETHER):
            found = (
                self._objects.latest(resource.collection, key)
                for key in keys[start : start + TOGETHER]
            )
            await asyncio.gather(
                *(self.remove(resource, stored, options) for stored in found if stored)
            )

    def _mark(self, resource: resources.Resource, body: Object, options: Options) -> bool:
        """Mark as deleted, with the finalizers that the options ask for."""
        meta, before = body["metadata"], list(body["metadata"].get("finalizers") or ())
        finalizers = before
        if options.finalizer is not None:
            finalizers = [name for name in before if name not in (FOREGROUND, ORPHAN)]
            finalizers += [options.finalizer] if options.finalizer else []
        first = "deletionTimestamp" not in meta
        if first:
            now = self._clock().astimezone(UTC)
            meta["deletionTimestamp"] = now.strftime("%Y-%m-%dT%H:%M:%SZ")
            finalizers = _mark_first(resource, body, finalizers)
        if finalizers:
            meta["finalizers"] = finalizers
        else:
            meta.pop("finalizers", None)
        return first or finalizers != before


def _mark_first(resource: resources.Resource, body: Object, finalizers: list[str]) -> list[str]:
    """What the first deletion does beside the time stamp; returns the finalizers."""
    meta = body["metadata"]
    if resource == resources.NAMESPACES:
        body["status"] = {**(body.get("status") or {}), "phase": "Terminating"}
    elif resource == resources.DEFINITIONS:
        if definitions.CLEANUP not in finalizers:
            finalizers = [*finalizers, definitions.CLEANUP]
        _set_terminating(body, meta["deletionTimestamp"])
    else:
        meta["deletionGracePeriodSeconds"] = 0
        if meta.get("generation"):
            meta["generation"] += 1
    return finalizers


def _set_terminating(body: Object, now: str) -> None:
    condition = {
        "type": "Terminating",
        "status": "True",
        "lastTransitionTime": now,
        "reason": "InstanceDeletionPending",
        "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will "
        "begin soon",
    }
    others = (each for each in body["status"].get("conditions") or ())
    body["status"]["conditions"] = [
        *(each for each in others if each["type"] != "Terminating"),
        condition,
    ]


def _check_preconditions(
    resource: resources.Resource, stored: objects.Stored, body: Object, options: Options
) -> None:
    name, own = body["metadata"]["name"], body["metadata"]["uid"]
    if options.uid is not None and options.uid != own:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record "
            f"({own}). The object might have been deleted and then recreated"
        )
        raise statuses.precondition(resource, name, why)
    if options.version is not None and options.version != str(stored.version):
        why = (
            f"the ResourceVersion in the precondition ({options.version}) does not match the "
            f"ResourceVersion in record ({stored.version}). The object might have been modified"
        )
        raise statuses.precondition(resource, name, why)


def shown(resource: resources.Resource, left: objects.Stored | Object) -> bytes:
    """What `Deleter.delete` answers, as JSON."""
    return wire.whole(resource, left) if isinstance(left, objects.Stored) else objects.encode(left)


async def release(
    store: objects.Objects, resource: resources.Resource, stored: objects.Stored, finalizer: str
) -> None:
    """Take a finalizer (of the metadata, or of a namespace's spec) away; delete what is over."""
    body = stored.object()
    for holder in _holders(resource, body):
        held = [name for name in holder.get("finalizers") or () if name != finalizer]
        if held:
            holder["finalizers"] = held
        else:
            holder.pop("finalizers", None)
    if is_over(resource, body):
        await store.remove(resource.collection, stored.key, body).done()
    else:
        await store.put(resource.collection, stored.key, body).done()
