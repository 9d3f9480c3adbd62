"""From the stored form of an object to what a client gets, and back.

Built-in objects are stored without `kind` and `apiVersion`, which depend on where they are read;
events are stored in the form of the core API and converted for events.k8s.io; custom resources
are stored in their storage version. Called by everything that answers with objects. Pure.
"""

from typing import Any

from controller.local import objects, resources

Object = dict[str, Any]

_EVENT_NAMES = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}

_CORE_NAMES = {core: new for new, core in _EVENT_NAMES.items()}


def to_stored(resource: resources.Resource, body: Object) -> Object:
    """A new dict with the stored form of an object."""
    if resource.custom is not None:
        return body | {"apiVersion": f"{resource.group}/{resource.stored_version}"}
    found = {name: each for name, each in body.items() if name not in ("kind", "apiVersion")}
    if resource == resources.NEW_EVENTS:
        found = {_EVENT_NAMES.get(name, name): each for name, each in found.items()}
    return found


def from_stored(resource: resources.Resource, body: Object) -> Object:
    """A new dict with an object as clients know it."""
    if resource == resources.NEW_EVENTS:
        body = {_CORE_NAMES.get(name, name): each for name, each in body.items()}
        for name in ("reportingController", "reportingInstance"):
            if not body.get(name):
                body.pop(name, None)
    return body | {"kind": resource.kind, "apiVersion": resource.api_version}


def read(resource: resources.Resource, stored: objects.Stored) -> Object:
    """A new dict of a stored object."""
    _adapt(resource, stored)
    return from_stored(resource, stored.object())


def _adapt(resource: resources.Resource, stored: objects.Stored) -> None:
    """Prune and default an object that was stored under an older schema; once, in memory."""
    if stored.adapted >= resource.since:
        return
    body = stored.object()
    resource.schema.prune(body)
    resource.schema.default(body)
    stored.body = objects.encode(body)
    stored.adapted = resource.since


def _as_it_is(resource: resources.Resource) -> bool:
    if resource.custom is not None:
        return resource.version == resource.stored_version
    return resource != resources.NEW_EVENTS


def whole(resource: resources.Resource, stored: objects.Stored) -> bytes:
    """A stored object in JSON."""
    _adapt(resource, stored)
    if not _as_it_is(resource):
        return objects.encode(read(resource, stored))
    if resource.custom is not None:
        return stored.body
    head = f'{{"apiVersion":"{resource.api_version}","kind":"{resource.kind}",'
    return head.encode() + stored.body[1:]


def item(resource: resources.Resource, stored: objects.Stored) -> bytes:
    """A stored object in JSON as it stands in a list, where built-in kinds do not name theirs."""
    if resource.custom is not None:
        return whole(resource, stored)
    if _as_it_is(resource):
        return stored.body
    found = read(resource, stored)
    return objects.encode({k: v for k, v in found.items() if k not in ("kind", "apiVersion")})


def partial(body: Object) -> Object:
    """The metadata alone, as PartialObjectMetadata."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": body["metadata"],
    }
