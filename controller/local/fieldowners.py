"""The entries of metadata.managedFields: read, written, and kept few.

Used by managedfields, which decides what is in them. Order, identity and the merging of old
entries are those of k8s.io/apimachinery/pkg/util/managedfields.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from controller.local import fieldsets
from controller.local.fieldsets import Fields

Object = dict[str, Any]

# More managers than this that only update are merged into one entry, oldest first.
MOST_UPDATERS: Final = 10
_MERGED: Final = "ancient-changes"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one manager owns by one way of writing: its operation, version and subresource."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    time: str
    fields: Fields

    @property
    def key(self) -> tuple[str, str, str, str]:
        # An applier is the same whatever version of the API it uses; an updater is not.
        version = "" if self.operation == "Apply" else self.api_version
        return (self.manager, self.operation, version, self.subresource)


Entries = dict[tuple[str, str, str, str], Entry]


def without(entries: Entries, fields: Fields) -> Entries:
    """The entries without these fields; one that has none left is dropped."""
    if not fields:
        return entries
    rest = {}
    for key, entry in entries.items():
        left = fieldsets.difference(entry.fields, fields)
        if left is entry.fields or left == entry.fields:
            rest[key] = entry
        elif left:
            rest[key] = replace(entry, fields=left)
    return rest


def decoded(given: Any) -> Entries:
    """Entries by key; [{}] (somebody resets the field) has none. Raises FieldsError."""
    found: Entries = {}
    for raw in () if given == [{}] else given or ():
        if not isinstance(raw, dict):
            raise fieldsets.FieldsError("an entry of managedFields is an object")
        if raw.get("operation") not in ("Apply", "Update"):
            raise fieldsets.FieldsError("operation must be `Apply` or `Update`")
        if not raw.get("apiVersion") or raw.get("fieldsType") != "FieldsV1":
            raise fieldsets.FieldsError("apiVersion and fieldsType FieldsV1 must be there")
        entry = Entry(
            str(raw.get("manager") or "unknown"),
            str(raw["operation"]),
            str(raw["apiVersion"]),
            str(raw.get("subresource") or ""),
            str(raw.get("time") or ""),
            fieldsets.parsed(raw.get("fieldsV1") or {}),
        )
        found[entry.key] = entry
    return found


def capped(entries: Entries) -> Entries:
    """The entries with at most MOST_UPDATERS that update: the oldest ones become one."""
    updaters = [entry for entry in entries.values() if entry.operation == "Update"]
    if len(updaters) <= MOST_UPDATERS:
        return entries
    oldest = sorted(updaters, key=lambda entry: entry.time)[: 1 + len(updaters) - MOST_UPDATERS]
    rest = {key: entry for key, entry in entries.items() if entry not in oldest}
    for entry in oldest:
        merged = replace(entry, manager=_MERGED)
        known = rest.get(merged.key)
        if known is not None:
            merged = replace(merged, fields=fieldsets.union(known.fields, merged.fields))
        rest[merged.key] = merged
    return rest


def ordered(entries: Entries) -> Iterable[Entry]:
    """The entries in the order of a real API server."""
    return sorted(
        entries.values(),
        key=lambda e: (e.operation, e.time, e.manager, e.api_version, e.subresource),
    )


def encoded(entry: Entry) -> Object:
    raw = {
        "manager": entry.manager,
        "operation": entry.operation,
        "apiVersion": entry.api_version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fieldsets.printed(entry.fields),
        "subresource": entry.subresource,
    }
    return {key: value for key, value in raw.items() if value or key == "fieldsV1"}
