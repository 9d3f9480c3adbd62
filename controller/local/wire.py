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
    if resource.custom is not None and not _as_it_is(resource):
        # What only the stored version has is not shown in this one, and stays in the store.
        return from_stored(resource, _adapted(resource, stored.object()))
    _adapt(resource, stored)
    return from_stored(resource, stored.object())


def _adapted(resource: resources.Resource, body: Object) -> Object:
    """An object with what the schema of this version has: pruned, and with its defaults."""
    resource.schema.prune(body)
    resource.schema.default(body)
    return body


def _adapt(resource: resources.Resource, stored: objects.Stored) -> None:
    """Bring an object that was stored under an older definition in line; once, in memory."""
    if stored.adapted >= resource.since or not _as_it_is(resource):
        return
    body = _adapted(resource, stored.object())
    stored.body = objects.encode(to_stored(resource, body))
    stored.adapted = resource.since


def _as_it_is(resource: resources.Resource) -> bool:
    """Whether objects are stored in the form of this resource."""
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
