"""Lists: of now, of an older version, in pages.

A page after the first shows the same version as the first, which the continue token names; the
token has the form of kube-apiserver's. Called by `server` and, for what to delete, by
deletions of a collection.
"""

import base64
import bisect
import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from controller.local import bodies, fielderrors, objects, requests, selection, statuses

Object = dict[str, Any]


@dataclasses.dataclass
class Page:
    """Selected objects, the version they are of, and what comes after them."""

    items: list[objects.Stored]
    version: int
    token: str = ""
    remaining: int | None = None

    def metadata(self, custom: bool) -> Object:
        """The list's metadata; custom resources always show `continue`."""
        found: Object = {"resourceVersion": str(self.version)}
        if custom or self.token:
            found["continue"] = self.token
        if self.remaining:
            found["remainingItemCount"] = self.remaining
        return found


def page(store: objects.Objects, call: requests.Call) -> Page:
    """The answer to a list. Raises ApiError."""
    chosen = selection.Selection(call)
    limit = max(call.query.number("limit"), 0)
    collection = store.collection(call.resource.collection)
    token = call.query.text("continue")
    if token:
        version, start = _decode(token)
        if call.query.text("resourceVersion") not in ("", "0"):
            raise statuses.bad_request(
                "specifying resource version is not allowed when using continue"
            )
        if version > store.version:
            raise statuses.too_large_version(version, store.version)
        start = chosen.prefix + start
    else:
        version, start = _version(store, call), chosen.prefix
    keys, undone = _state(store, collection, chosen, version)
    items: list[objects.Stored] = []
    at = bisect.bisect_left(keys, start)
    for position in range(at, len(keys)):
        stored = undone.get(keys[position]) or collection.objects[keys[position]]
        if not chosen.everything and not chosen.matches(stored):
            continue
        if limit and len(items) == limit:
            after = items[-1].key.removeprefix(chosen.prefix) + "\0"
            left = len(keys) - position if chosen.everything else None
            return Page(items, version, _encode(version, after), left)
        items.append(stored)
    return Page(items, version)


def _state(
    store: objects.Objects,
    collection: objects.Collection,
    chosen: selection.Selection,
    version: int,
) -> tuple[Sequence[str], Mapping[str, objects.Stored | None]]:
    """The sorted keys that may be selected, and the objects that were others at that version."""
    if version < collection.oldest:
        raise statuses.expired(
            "The provided continue parameter is too old to display a consistent list result. "
            "You can start a new list without the continue parameter, or list without a limit."
        )
    undone = collection.undone(version) if version < store.version else {}
    key = chosen.key()
    if undone:
        keys = set(collection.span(chosen.prefix))
        keys -= {each for each, old in undone.items() if old is None}
        keys |= {each for each, old in undone.items() if old and each.startswith(chosen.prefix)}
        return sorted(keys), undone
    if key is not None:
        return ([key] if key in collection.objects else []), undone
    return collection.span(chosen.prefix), undone


def _version(store: objects.Objects, call: requests.Call) -> int:
    """The version that a list without a token shows."""
    asked, match = call.query.version(), call.query.text("resourceVersionMatch")
    if match and asked is None:
        detail = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        error = fielderrors.forbidden("resourceVersionMatch", detail)
        raise statuses.invalid("meta.k8s.io", "ListOptions", "", [error])
    if match not in ("", "Exact", "NotOlderThan"):
        supported = ["Exact", "NotOlderThan", ""]
        error = fielderrors.not_supported("resourceVersionMatch", match, supported)
        raise statuses.invalid("meta.k8s.io", "ListOptions", "", [error])
    if not asked:
        if match == "Exact":
            detail = 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            error = fielderrors.forbidden("resourceVersionMatch", detail)
            raise statuses.invalid("meta.k8s.io", "ListOptions", "", [error])
        return store.version
    if asked > store.version:
        raise statuses.too_large_version(asked, store.version)
    exact = match == "Exact" or (not match and call.query.number("limit") > 0)
    if not exact:
        return store.version
    if asked < store.collection(call.resource.collection).oldest:
        raise statuses.expired(f"The resourceVersion for the provided list is too old: {asked}")
    return asked


def _encode(version: int, start: str) -> str:
    text = json.dumps(
        {"v": "meta.k8s.io/v1", "rv": version, "start": f"/{start}"}, separators=(",", ":")
    )
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _decode(token: str) -> tuple[int, str]:
    try:
        found, _ = bodies.parse_json(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        known = found if isinstance(found, dict) else {}
        version, start = known.get("rv"), known.get("start")
        if type(version) is not int or version < 1:
            raise ValueError("incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
        if not isinstance(start, str) or not start:
            raise ValueError("encoded start key empty (version meta.k8s.io/v1)")
    except ValueError as error:
        raise statuses.bad_request(
            f"invalid continue token: continue key is not valid: {error}"
        ) from None
    return version, start.removeprefix("/")
