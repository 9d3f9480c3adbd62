"""Kubernetes' protobuf encoding of the built-in kinds, for reading only.

kubectl sends some creations (`create secret`, `auth can-i`) in no other form. The answer is JSON,
which it accepts. Field numbers are those of k8s.io/api's generated.proto. Called by `decoding`.
"""

import base64
import dataclasses
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

Object = dict[str, Any]

MAGIC = b"k8s\x00"


class FormatError(ValueError):
    """The bytes are not such a message."""


Read = Callable[[Any], Any]


@dataclasses.dataclass(frozen=True)
class Field:
    """One field of a message: its name in JSON, how its value is read, and whether it repeats."""

    name: str
    read: Read
    many: bool = False
    mapped: bool = False


def _raw(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise FormatError("a number stands where bytes are expected")
    return value


def _text(value: Any) -> str:
    return _raw(value).decode()


def _data(value: Any) -> str:
    return base64.b64encode(_raw(value)).decode()


def _integer(value: Any) -> int:
    if not isinstance(value, int):
        raise FormatError("bytes stand where a number is expected")
    return value - (1 << 64) if value >> 63 else value


def _flag(value: Any) -> bool:
    return _integer(value) != 0


def _time(digits: int) -> Read:
    def read(value: Any) -> str | None:
        found = {number: _integer(each) for number, each in _fields(value) if number in (1, 2)}
        if not found.get(1):
            return None
        moment = datetime.fromtimestamp(found[1], UTC)
        moment += timedelta(microseconds=found.get(2, 0) // 1000)
        text = moment.strftime("%Y-%m-%dT%H:%M:%S")
        return f"{text}.{moment.microsecond:06d}Z" if digits else f"{text}Z"

    return read


def _message(fields: dict[int, Field]) -> Read:
    def read(value: Any) -> Object:
        found: Object = {}
        for number, each in _fields(value):
            field = fields.get(number)
            if field is None:
                continue
            if field.mapped:
                entry = dict(_fields(each))
                found.setdefault(field.name, {})[_text(entry.get(1, b""))] = field.read(
                    entry.get(2, b"")
                )
            elif field.many:
                found.setdefault(field.name, []).append(field.read(each))
            else:
                found[field.name] = field.read(each)
        return found

    return read


def _texts(*names: str) -> dict[int, Field]:
    """String fields numbered from 1; an empty name leaves a number out."""
    return {number: Field(name, _text) for number, name in enumerate(names, 1) if name}


_OWNER = _message(
    {
        **_texts("kind", "", "name", "uid", "apiVersion"),
        6: Field("controller", _flag),
        7: Field("blockOwnerDeletion", _flag),
    }
)

_METADATA = _message(
    {
        **_texts("name", "generateName", "namespace", "selfLink", "uid", "resourceVersion"),
        7: Field("generation", _integer),
        8: Field("creationTimestamp", _time(0)),
        9: Field("deletionTimestamp", _time(0)),
        10: Field("deletionGracePeriodSeconds", _integer),
        11: Field("labels", _text, mapped=True),
        12: Field("annotations", _text, mapped=True),
        13: Field("ownerReferences", _OWNER, many=True),
        14: Field("finalizers", _text, many=True),
    }
)

_REFERENCE = _message(
    _texts("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
)

_EVENT: dict[int, Field] = {
    2: Field("involvedObject", _REFERENCE),
    3: Field("reason", _text),
    4: Field("message", _text),
    5: Field("source", _message(_texts("component", "host"))),
    6: Field("firstTimestamp", _time(0)),
    7: Field("lastTimestamp", _time(0)),
    8: Field("count", _integer),
    9: Field("type", _text),
    10: Field("eventTime", _time(6)),
    11: Field(
        "series",
        _message({1: Field("count", _integer), 2: Field("lastObservedTime", _time(6))}),
    ),
    12: Field("action", _text),
    13: Field("related", _REFERENCE),
    14: Field("reportingComponent", _text),
    15: Field("reportingInstance", _text),
}

_LEASE = _message(
    {
        1: Field("holderIdentity", _text),
        2: Field("leaseDurationSeconds", _integer),
        3: Field("acquireTime", _time(6)),
        4: Field("renewTime", _time(6)),
        5: Field("leaseTransitions", _integer),
    }
)

_ACCESS = _message(
    {
        1: Field(
            "resourceAttributes",
            _message(
                _texts("namespace", "verb", "group", "version", "resource", "subresource", "name")
            ),
        ),
        2: Field("nonResourceAttributes", _message(_texts("path", "verb"))),
    }
)

_KINDS: dict[str, dict[int, Field]] = {
    "v1/Secret": {
        2: Field("data", _data, mapped=True),
        3: Field("type", _text),
        4: Field("stringData", _text, mapped=True),
        5: Field("immutable", _flag),
    },
    "v1/ConfigMap": {
        2: Field("data", _text, mapped=True),
        3: Field("binaryData", _data, mapped=True),
        4: Field("immutable", _flag),
    },
    "v1/Namespace": {2: Field("spec", _message({1: Field("finalizers", _text, many=True)}))},
    "v1/Event": _EVENT,
    "coordination.k8s.io/v1/Lease": {2: Field("spec", _LEASE)},
    "authentication.k8s.io/v1/SelfSubjectReview": {},
    "authorization.k8s.io/v1/SelfSubjectAccessReview": {2: Field("spec", _ACCESS)},
    "authorization.k8s.io/v1/SelfSubjectRulesReview": {
        2: Field("spec", _message(_texts("namespace")))
    },
}


def parse(raw: bytes) -> Object | None:
    """The object in a body; None for a kind whose encoding is not known. Raises FormatError."""
    if not raw.startswith(MAGIC):
        raise FormatError("the provided data does not appear to be a protobuf message")
    try:
        envelope = dict(_fields(raw.removeprefix(MAGIC)))
        type_meta = _message(_texts("apiVersion", "kind"))(envelope.get(1, b""))
        version, kind = type_meta.get("apiVersion", ""), type_meta.get("kind", "")
        fields = _KINDS.get(f"{version}/{kind}")
        if fields is None:
            return None
        found: Object = _message({1: Field("metadata", _METADATA)} | fields)(envelope.get(2, b""))
    except (IndexError, OSError, ValueError, OverflowError) as error:
        raise FormatError(f"the message cannot be read: {error}") from None
    return found | {"apiVersion": version, "kind": kind}


def _fields(raw: Any) -> Iterator[tuple[int, Any]]:
    """Numbers and values of a message's fields."""
    view, at = memoryview(_raw(raw)), 0
    while at < len(view):
        tag, at = _varint(view, at)
        if tag & 7 == 0:
            value, at = _varint(view, at)
            yield tag >> 3, value
            continue
        size = {1: 8, 5: 4}.get(tag & 7)
        if size is None:
            if tag & 7 != 2:
                raise FormatError(f"wire type {tag & 7}")
            size, at = _varint(view, at)
        if at + size > len(view):
            raise FormatError("unexpected end")
        yield tag >> 3, bytes(view[at : at + size])
        at += size


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    number, shift = 0, 0
    while True:
        byte = view[at]
        at += 1
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return number, at
        if shift > 63:
            raise FormatError("a number is too long")
