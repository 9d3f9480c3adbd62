"""Go's way to read JSON into structs, as far as a client sees it.

kube-apiserver decodes built-in objects, and the metadata of every object, into Go structs: with
unknown fields, type errors in Go's words, base64 and times checked, null and empty values left
out. The kinds' own types are in `gotypes`; both are used by `decoding`. Pure.
"""

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

Value = Any
Object = dict[str, Any]
Place = tuple[str, str]
"""Where we are: Go's name of the struct field (`Lease.spec`), and the user's path (`spec`)."""

Unknown = list[str]
"""Collects the paths of fields that the type does not have."""

Type = Callable[[Value, Place, Unknown], Value]


class MismatchError(ValueError):
    """The value is not of the type; the message is Go's."""


def _kind_of(value: Value) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return f"number {value}" if isinstance(value, float) else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def mismatch(value: Value, place: Place, wanted: str) -> MismatchError:
    return MismatchError(
        f"json: cannot unmarshal {_kind_of(value)} into Go struct field {place[0]} of type {wanted}"
    )


def anything(value: Value, _place: Place, _unknown: Unknown) -> Value:
    """A field whose content is kept as it is."""
    return value


def string(value: Value, place: Place, _unknown: Unknown) -> Value:
    """A string."""
    if not isinstance(value, str):
        raise mismatch(value, place, "string")
    return value


def boolean(value: Value, place: Place, _unknown: Unknown) -> Value:
    """A boolean."""
    if not isinstance(value, bool):
        raise mismatch(value, place, "bool")
    return value


def _integer(bits: int) -> Type:
    def check(value: Value, place: Place, _unknown: Unknown) -> Value:
        if isinstance(value, bool) or not isinstance(value, int):
            raise mismatch(value, place, f"int{bits}")
        if not -(1 << (bits - 1)) <= value < 1 << (bits - 1):
            raise MismatchError(
                f"json: cannot unmarshal number {value} into Go struct field {place[0]} "
                f"of type int{bits}"
            )
        return value

    return check


int32 = _integer(32)
int64 = _integer(64)


def number(value: Value, place: Place, _unknown: Unknown) -> Value:
    """A number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise mismatch(value, place, "float64")
    return value


def data(value: Value, place: Place, _unknown: Unknown) -> Value:
    """Bytes in base64, without the line breaks that may be in it."""
    if not isinstance(value, str):
        raise mismatch(value, place, "[]uint8")
    text = value.replace("\n", "").replace("\r", "")
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        good = re.match(r"[A-Za-z0-9+/]*", value)
        at = good.end() if good else 0
        raise MismatchError(f"illegal base64 data at input byte {at}") from None
    return text


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_MICRO = 6


def _time(digits: int) -> Type:
    """A moment, which is stored in UTC and with so many digits of the second."""
    layout = f"2006-01-02T15:04:05{'.' + '0' * digits if digits else ''}Z07:00"

    def check(value: Value, place: Place, _unknown: Unknown) -> Value:
        if not isinstance(value, str):
            raise mismatch(value, place, "string")
        found = _TIME.fullmatch(value)
        # A layout without a fraction takes any, one with a fraction takes its own.
        if not found or (digits and len(found[1] or "") != digits + 1):
            raise MismatchError(_no_time(value, layout))
        try:
            moment = datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
        except (ValueError, OverflowError):
            raise MismatchError(_no_time(value, layout)) from None
        return moment.isoformat(timespec="microseconds" if digits else "seconds") + "Z"

    return check


def _no_time(value: str, layout: str) -> str:
    return f'parsing time "{value}" as "{layout}": cannot parse "{value}" as "2006"'


time = _time(0)
micro_time = _time(_MICRO)


def listed(item: Type, name: str) -> Type:
    """A list; `name` is the items' Go type."""

    def check(value: Value, place: Place, unknown: Unknown) -> Value:
        if not isinstance(value, list):
            raise mismatch(value, place, f"[]{name}")
        return [
            item(each, (place[0], f"{place[1]}[{index}]"), unknown)
            for index, each in enumerate(value)
        ]

    return check


def mapped(item: Type, name: str, zero: Value = "") -> Type:
    """A map of strings; `name` is the values' Go type, `zero` what a null is of that type."""

    def check(value: Value, place: Place, unknown: Unknown) -> Value:
        if not isinstance(value, dict):
            raise mismatch(value, place, f"map[string]{name}")
        return {
            key: item(zero if each is None else each, (place[0], f"{place[1]}.{key}"), unknown)
            for key, each in value.items()
        }

    return check


def struct(
    name: str,
    fields: dict[str, Type],
    keep: frozenset[str] = frozenset(),
    always: Mapping[str, Value] = MappingProxyType({}),
) -> Type:
    """A struct. Empty values are left out but for the fields in `keep`.

    `always` has the fields that are there although nobody said them, with their zero values.
    """

    def check(value: Value, place: Place, unknown: Unknown) -> Value:
        if not isinstance(value, dict):
            raise mismatch(value, place, name)
        found: Object = dict(always)
        for key, each in value.items():
            path = f"{place[1]}.{key}" if place[1] else key
            if key not in fields:
                unknown.append(path)
            elif each is not None:
                cleaned = fields[key](each, (f"{place[0]}.{key}", path), unknown)
                if key in keep or cleaned not in ("", [], {}) or isinstance(cleaned, bool):
                    found[key] = cleaned
        return found

    return check


strings = listed(string, "string")
string_map = mapped(string, "string")


def _fields_v1(value: Value, place: Place, unknown: Unknown) -> Value:
    if not isinstance(value, dict):
        raise mismatch(value, place, "v1.FieldsV1")
    return {key: _fields_v1(each, place, unknown) for key, each in value.items()}


_ENTRY = struct(
    "v1.ManagedFieldsEntry",
    {
        **dict.fromkeys(("manager", "operation", "apiVersion", "fieldsType"), string),
        "time": time,
        "fieldsV1": _fields_v1,
        "subresource": string,
    },
)

METADATA = struct(
    "v1.ObjectMeta",
    {
        **dict.fromkeys(("name", "generateName", "namespace", "selfLink", "uid"), string),
        "resourceVersion": string,
        "generation": int64,
        "creationTimestamp": time,
        "deletionTimestamp": time,
        "deletionGracePeriodSeconds": int64,
        "labels": string_map,
        "annotations": string_map,
        "ownerReferences": listed(
            struct(
                "v1.OwnerReference",
                {
                    **dict.fromkeys(("apiVersion", "kind", "name", "uid"), string),
                    "controller": boolean,
                    "blockOwnerDeletion": boolean,
                },
                keep=frozenset(("apiVersion", "kind", "name", "uid")),
            ),
            "v1.OwnerReference",
        ),
        "finalizers": strings,
        "managedFields": listed(_ENTRY, "v1.ManagedFieldsEntry"),
    },
)
