"""Tables (meta.k8s.io/v1): what ``kubectl get`` prints, row by row.

The HTTP server asks for the columns of a resource and for the table of a page of objects. Columns
of custom resources come from their CRD, those of built-in kinds are here, with the cells that a
real API server gives them. Objects come in the version that was asked for.
"""

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from controller.local import durations, jsonpaths

Object = Mapping[str, Any]
Cell = Callable[[Object, datetime], Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column; ``cell`` gives its value for an object at a moment."""

    name: str
    type: str
    description: str
    cell: Cell
    format: str = ""
    priority: int = 0

    def definition(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "type": self.type,
            "format": self.format,
            "description": self.description,
            "priority": self.priority,
        }


def table(
    objects: Sequence[Object],
    columns: Sequence[Column],
    list_meta: Object,
    include: str,
    now: datetime,
) -> dict[str, Any]:
    """The Table of ``objects``; ``include`` is Metadata, Object or None, as in the request."""
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": list_meta,
        "columnDefinitions": [column.definition() for column in columns],
        "rows": [
            {"cells": [c.cell(obj, now) for c in columns], "object": _included(obj, include)}
            for obj in objects
        ],
    }


def _included(obj: Object, include: str) -> Object | None:
    if include == "None":
        return None
    if include == "Object":
        return obj
    meta = obj["metadata"]
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}


def columns_of(crd_version: Object) -> Sequence[Column]:
    """The columns of one version of a CRD: the name, then its own or else the age."""
    listed = crd_version.get("additionalPrinterColumns")
    if not listed:
        return [_NAME, Column("Age", "date", _CREATED, _age)]
    # The same version is asked for again with every request, and compiling paths takes a while.
    return _custom_columns(json.dumps(listed))


@functools.lru_cache(maxsize=256)
def _custom_columns(listed: str) -> Sequence[Column]:
    return [_NAME, *map(_custom_column, json.loads(listed))]


def _custom_column(given: Object) -> Column:
    path = given["jsonPath"]
    described = f"Custom resource definition column (in JSONPath format): {path}"
    return Column(
        name=given["name"],
        type=given["type"],
        description=given.get("description") or described,
        cell=_found(jsonpaths.compiled(path), given["type"]),
        format=given.get("format") or "",
        priority=given.get("priority") or 0,
    )


def _found(find: Callable[[Any], list[Any]], kind: str) -> Cell:
    def cell(obj: Object, now: datetime) -> Any:
        values = find(obj)
        return _typed(values[0], kind, now) if values else None

    return cell


def _typed(value: Any, kind: str, now: datetime) -> Any:
    """The value as the column's type has it; null where it is of another type."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match kind:
        case "string":
            return value if isinstance(value, str) else _printed(value)
        case "integer":
            return int(value) if number else None
        case "number":
            return value if number else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case "date":
            return _since(value, now) if isinstance(value, str) else None
        case _:
            return None


def _printed(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _since(text: str | None, now: datetime) -> str:
    if not text:
        return "<unknown>"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return "<invalid>"
    return durations.human(now - (moment if moment.tzinfo else moment.replace(tzinfo=UTC)))


def _age(obj: Object, now: datetime) -> str:
    return _since(obj["metadata"].get("creationTimestamp"), now)


def _count(*names: str) -> Cell:
    return lambda obj, _now: sum(len(obj.get(name) or {}) for name in names)


def _text(*path: str) -> Cell:
    def cell(obj: Object, _now: datetime) -> str:
        value: Any = obj
        for name in path:
            value = value.get(name) or {}
        return value or ""

    return cell


def _either(event: Object, core: str, newer: str) -> Any:
    """A field of an event, which has another name in events.k8s.io."""
    return event.get(core) or event.get(newer)


def _first_seen(event: Object, now: datetime) -> str:
    first = _either(event, "firstTimestamp", "deprecatedFirstTimestamp")
    return _since(first or event.get("eventTime"), now)


def _last_seen(event: Object, now: datetime) -> str:
    series = event.get("series")
    if series:
        return _since(series.get("lastObservedTime"), now)
    last = _either(event, "lastTimestamp", "deprecatedLastTimestamp")
    return _since(last, now) if last else _first_seen(event, now)


def _event_count(event: Object, _now: datetime) -> int:
    if event.get("series"):
        return int(event["series"].get("count") or 0)
    return _either(event, "count", "deprecatedCount") or 1


def _event_object(event: Object, _now: datetime) -> str:
    about = _either(event, "involvedObject", "regarding") or {}
    kind, name = about.get("kind", "").lower(), about.get("name")
    return f"{kind}/{name}" if name else kind


def _event_source(event: Object, _now: datetime) -> str:
    source = _either(event, "source", "deprecatedSource") or {}
    who = source.get("component") or _either(event, "reportingComponent", "reportingController")
    where = source.get("host") or (
        "" if source.get("component") else event.get("reportingInstance")
    )
    return ", ".join(part for part in (who, where) if part)


def _event_message(event: Object, _now: datetime) -> str:
    return (_either(event, "message", "note") or "").strip()


def _event_subobject(event: Object, _now: datetime) -> str:
    return (_either(event, "involvedObject", "regarding") or {}).get("fieldPath") or ""


# The descriptions are those of Kubernetes' API reference; kubectl does not print them.
_CREATED: Final = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. "
    "It is not guaranteed to be set in happens-before order across separate operations. Clients "
    "may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the "
    "system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/"
    "devel/sig-architecture/api-conventions.md#metadata"
)
_NAME: Final = Column(
    "Name",
    "string",
    "Name must be unique within a namespace. Is required when creating resources, although some "
    "resources may allow a client to request the generation of an appropriate name "
    "automatically. Name is primarily intended for creation idempotence and configuration "
    "definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/"
    "working-with-objects/names#names",
    _text("metadata", "name"),
    "name",
)
_AGE: Final = Column("Age", "string", _CREATED, _age)
_SECRET_TYPE: Final = (
    "Used to facilitate programmatic handling of secret data. More info: "
    "https://kubernetes.io/docs/concepts/configuration/secret/#secret-types"
)
_SECRET_DATA: Final = (
    "Data contains the secret data. Each key must consist of alphanumeric characters, '-', '_' "
    "or '.'. The serialized form of the secret data is a base64 encoded string, representing the "
    "arbitrary (possibly non-string) data value here. Described in "
    "https://tools.ietf.org/html/rfc4648#section-4"
)
_CONFIG_DATA: Final = (
    "Data contains the configuration data. Each key must consist of alphanumeric characters, "
    "'-', '_' or '.'. Values with non-UTF-8 byte sequences must use the BinaryData field. The "
    "keys stored in Data must not overlap with the keys in the BinaryData field, this is enforced "
    "during validation process."
)
_HOLDER: Final = (
    "holderIdentity contains the identity of the holder of a current lease. If Coordinated Leader "
    "Election is used, the holder identity must be equal to the elected "
    "LeaseCandidate.metadata.name field."
)
_SUBOBJECT: Final = (
    "If referring to a piece of an object instead of an entire object, this string should contain "
    "a valid JSON/Go field access statement, such as desiredState.manifest.containers[2]. For "
    "example, if the object reference is to a container within a pod, this would take on a value "
    'like: "spec.containers{name}" (where "name" refers to the name of the container that '
    'triggered the event) or if no container name is specified "spec.containers[2]" (container '
    "with index 2 in this pod). This syntax is chosen only to have some well-defined way of "
    "referencing a part of an object."
)
_EVENT: Final = [
    Column(
        "Last Seen",
        "string",
        "The time at which the most recent occurrence of this event was recorded.",
        _last_seen,
    ),
    Column(
        "Type",
        "string",
        "Type of this event (Normal, Warning), new types could be added in the future",
        _text("type"),
    ),
    Column(
        "Reason",
        "string",
        "This should be a short, machine understandable string that gives the reason for the "
        "transition into the object's current status.",
        _text("reason"),
    ),
    Column("Object", "string", "The object that this event is about.", _event_object),
    Column("Subobject", "string", _SUBOBJECT, _event_subobject, priority=1),
    Column(
        "Source",
        "string",
        "The component reporting this event. Should be a short machine understandable string.",
        _event_source,
        priority=1,
    ),
    Column(
        "Message",
        "string",
        "A human-readable description of the status of this operation.",
        _event_message,
    ),
    Column(
        "First Seen",
        "string",
        "The time at which the event was first recorded. (Time of server receipt is in TypeMeta.)",
        _first_seen,
        priority=1,
    ),
    Column(
        "Count",
        "string",
        "The number of times this event has occurred.",
        _event_count,
        priority=1,
    ),
    Column("Name", "string", _NAME.description, _NAME.cell, "name", 1),
]

BUILT_IN: Final[Mapping[str, Sequence[Column]]] = {
    "/Namespace": [
        _NAME,
        Column("Status", "string", "The status of the namespace", _text("status", "phase")),
        _AGE,
    ],
    "/Secret": [
        _NAME,
        Column("Type", "string", _SECRET_TYPE, _text("type")),
        Column("Data", "string", _SECRET_DATA, _count("data")),
        _AGE,
    ],
    "/ConfigMap": [
        _NAME,
        Column("Data", "string", _CONFIG_DATA, _count("data", "binaryData")),
        _AGE,
    ],
    "coordination.k8s.io/Lease": [
        _NAME,
        Column("Holder", "string", _HOLDER, _text("spec", "holderIdentity")),
        _AGE,
    ],
    "/Event": _EVENT,
    "events.k8s.io/Event": _EVENT,
    "apiextensions.k8s.io/CustomResourceDefinition": [
        _NAME,
        Column("Created At", "date", _CREATED, _text("metadata", "creationTimestamp")),
    ],
}
"""By ``group/Kind``."""
