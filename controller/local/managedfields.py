"""Who owns which field: metadata.managedFields, and server-side apply that goes by it.

``updated`` is called on every write that is not an apply, ``apply`` on every apply; both return
the new object with its managedFields, and change nothing that was given. Semantics, order and
texts as in k8s.io/apimachinery/pkg/util/managedfields.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from controller.local import fieldowners, fieldsets, fieldwalks
from controller.local.fieldsets import Fields
from controller.local.structural import Structural, nodes

Object = dict[str, Any]

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_BEFORE: Final = "before-first-apply"


@dataclass(frozen=True, slots=True)
class Write:
    """A write request: who writes what, when (``now`` as it stands in an object)."""

    manager: str
    api_version: str
    now: str
    subresource: str = ""
    force: bool = False


class Conflict(NamedTuple):
    """A field that another manager owns; ``version`` is its API version if it does not apply."""

    manager: str
    version: str
    path: str


class ApplyConflict(Exception):
    """Others own fields that an apply would change; ``conflicts`` has one entry per field."""

    def __init__(self, conflicts: Iterable[Conflict]) -> None:
        self.conflicts = list(conflicts)
        super().__init__(", ".join(f"{c.manager}: {c.path}" for c in self.conflicts))


_METADATA_ITSELF: Final[Fields] = {"f:metadata": {fieldsets.MEMBER: {}}}
# Nobody owns what identifies an object, nor what the server alone sets.
_NOT_OWNED = frozenset(
    {
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    }
)


def updated(old: Object | None, new: Object, write: Write, schema: Structural) -> Object:
    """``new`` with managedFields that give the writer what it changed, and take that from others.

    ``old`` is None for a create. ManagedFields in ``new`` count (kubectl migrates so from
    client-side apply), unless they are empty: clients that do not know the field leave it out.
    """
    before = schema.zero if old is None else old
    entries = _entries_of(before, new, write)
    node = schema.fields
    changes = fieldwalks.compare(_owned(before, write, schema), _owned(new, write, schema), node)
    taken = fieldsets.union(changes.added, changes.modified)
    entries = fieldowners.without(fieldowners.without(entries, taken), changes.removed)
    if taken:
        mine = fieldowners.Entry(
            write.manager, "Update", write.api_version, write.subresource, write.now, taken
        )
        known = entries.get(mine.key)
        fields = taken if known is None else fieldsets.union(known.fields, taken)
        entries = {**entries, mine.key: replace(mine, fields=fields)}
    return _with(new, fieldowners.capped(entries))


def apply(live: Object | None, patch: Object, write: Write, schema: Structural) -> Object:
    """The object after ``patch`` (a configuration) was applied; ``live`` is None for a create.

    Fields that the manager applied before and leaves out now are removed, if nobody else owns
    them. Raises ApplyConflict unless ``write.force``.
    """
    annotations = ((live or {}).get("metadata") or {}).get("annotations") or {}
    if write.manager != "kubectl" or LAST_APPLIED not in annotations:
        return _applied(live, patch, write, schema)
    try:
        found = _applied(live, patch, write, schema)
    except ApplyConflict as error:
        # kubectl takes over what kubectl's client-side apply wrote, without being asked to.
        if any(c.manager != "kubectl-client-side-apply" for c in error.conflicts):
            raise
        found = _applied(live, patch, replace(write, force=True), schema)
    return _with_last_applied(found, patch)


def _with_last_applied(obj: Object, patch: Object) -> Object:
    """The object whose annotation says what was applied, for who goes back to client-side apply."""
    annotations = obj["metadata"].get("annotations")
    if not annotations or LAST_APPLIED not in annotations:
        return obj
    said = json.dumps(patch, ensure_ascii=False, separators=(",", ":"), sort_keys=True) + "\n"
    annotations = {**annotations, LAST_APPLIED: said}
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}


def _applied(live: Object | None, patch: Object, write: Write, schema: Structural) -> Object:
    node = schema.fields
    start: Object = {**schema.zero, "metadata": {}} if live is None else live
    owned, applied = _owned(start, write, schema), _owned(patch, write, schema)
    entries = fieldowners.decoded((live or {}).get("metadata", {}).get("managedFields"))
    if live is not None and not entries:
        entries = _unowned_before(owned, write, schema)
    mine = fieldowners.Entry(
        write.manager,
        "Apply",
        write.api_version,
        write.subresource,
        write.now,
        fieldsets.difference(fieldwalks.fields(applied, node), _METADATA_ITSELF),
    )
    last = entries.get(mine.key)
    entries = {**entries, mine.key: mine}
    merged = fieldwalks.merge(owned, applied, node)
    if last is not None and last.fields:
        merged = _pruned(merged, last.fields, entries, node)
    changes = fieldwalks.compare(owned, merged, node)
    taken = fieldsets.union(changes.added, changes.modified)
    others = {key: entry for key, entry in entries.items() if key != mine.key}
    if not write.force:
        _refuse_conflicts(others, taken)
    others = fieldowners.without(fieldowners.without(others, taken), changes.removed)
    if last is not None and not any(changes) and last.fields == mine.fields:
        mine = last
    if mine.fields:
        others[mine.key] = mine
    return _with(_completed(start, patch, merged, write, schema), others)


def _refuse_conflicts(others: fieldowners.Entries, taken: Fields) -> None:
    conflicts = []
    for entry in others.values():
        version = entry.api_version if entry.operation == "Update" else ""
        both = fieldsets.intersection(entry.fields, taken)
        conflicts += [Conflict(entry.manager, version, path) for path in fieldsets.paths(both)]
    if conflicts:
        raise ApplyConflict(conflicts)


def _unowned_before(owned: Object, write: Write, schema: Structural) -> fieldowners.Entries:
    """An object that nobody is known to have written: what is in it is not taken silently."""
    before = _owned({**schema.zero, "metadata": {}}, write, schema)
    fields = fieldwalks.compare(before, owned, schema.fields).added
    entry = fieldowners.Entry(
        _BEFORE, "Update", write.api_version, write.subresource, write.now, fields
    )
    return {entry.key: entry} if fields else {}


def _pruned(merged: Object, last: Fields, entries: fieldowners.Entries, node: nodes.Node) -> Object:
    """``merged`` without what the manager owned before, but nobody owns now."""
    before = fieldsets.named(last, node)
    all_there = fieldsets.named(fieldwalks.fields(merged, node), node)
    without = fieldwalks.remove(merged, before, node) or {}
    still_there = fieldsets.named(fieldwalks.fields(without, node), node)
    owned: Fields = {}
    for entry in entries.values():
        owned = fieldsets.union(owned, entry.fields)
    kept = fieldsets.union(still_there, fieldsets.named(owned, node))
    gone = fieldsets.difference(all_there, kept)
    # What falls with a removed field was the manager's too, or it stays.
    return fieldwalks.remove(merged, fieldsets.intersection(gone, before), node) or {}


def _owned(obj: Mapping[str, Any], write: Write, schema: Structural) -> Object:
    """The part of an object that a write to this endpoint can own."""
    if write.subresource:
        return {write.subresource: obj[write.subresource]} if write.subresource in obj else {}
    out = {"apiVersion", "kind", "metadata", *schema.resets}
    owned = {key: value for key, value in obj.items() if key not in out}
    meta = obj.get("metadata") or {}
    owned["metadata"] = {key: value for key, value in meta.items() if key not in _NOT_OWNED}
    return owned


def _completed(
    start: Object, patch: Object, merged: Object, write: Write, schema: Structural
) -> Object:
    """The whole object: what was merged, and the rest as it was."""
    if write.subresource:
        return {**start, **merged}
    whole = {key: value for key, value in start.items() if key in schema.resets}
    whole |= {key: patch[key] for key in ("apiVersion", "kind")} | merged
    fixed = {k: v for k, v in start["metadata"].items() if k in _NOT_OWNED}
    given = {k: v for k, v in (patch.get("metadata") or {}).items() if k in _NOT_OWNED}
    whole["metadata"] = {**fixed, **given, **(merged.get("metadata") or {})}
    return whole


def _entries_of(old: Object, new: Object, write: Write) -> fieldowners.Entries:
    before = (old.get("metadata") or {}).get("managedFields")
    given = (new.get("metadata") or {}).get("managedFields")
    if write.subresource or not given or given == before:
        return fieldowners.decoded(before)
    try:
        return fieldowners.decoded(given)
    except fieldsets.FieldsError:
        return fieldowners.decoded(before)  # as in Kubernetes: nonsense is no reason to refuse


def _with(obj: Object, entries: fieldowners.Entries) -> Object:
    """The object with these managedFields, in the order of a real API server."""
    meta = {key: value for key, value in obj["metadata"].items() if key != "managedFields"}
    if entries:
        ordered = fieldowners.ordered(entries)
        meta["managedFields"] = [fieldowners.encoded(entry) for entry in ordered]
    return {**obj, "metadata": meta}
