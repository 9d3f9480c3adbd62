"""Field errors: what is wrong with an object, where, in the words of a Kubernetes API server.

Every check of the embedded control plane (metadata, schemas, CRDs, built-in kinds) returns a list
of these, and the HTTP server renders the list as the Status object of a 422. The texts follow
k8s.io/apimachinery/pkg/util/validation/field. Checks themselves may not be put here.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TITLES = {
    "FieldValueRequired": "Required value",
    "FieldValueInvalid": "Invalid value",
    "FieldValueTypeInvalid": "Invalid value",
    "FieldValueDuplicate": "Duplicate value",
    "FieldValueNotSupported": "Unsupported value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueTooLong": "Too long",
    "FieldValueTooMany": "Too many",
    "FieldValueNotFound": "Not found",
}

# With one of these in the list a CEL rule could trip over the broken value, so none is evaluated.
BLOCKING = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)


@dataclass(frozen=True, slots=True)
class FieldError:
    """One entry of Status.details.causes: ``field`` is a path as ``spec.parts[0].name``."""

    field: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"

    @property
    def cause(self) -> dict[str, str]:
        return {"reason": self.reason, "message": self.message, "field": self.field}


class _Omitted:
    """Marks an error whose text does not repeat the value (objects and lists in CEL errors)."""


OMITTED = _Omitted()


def printed(value: Any) -> str:
    """A value as it stands in an error: strings quoted as Go does, the rest as compact JSON."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def quoted(text: str) -> str:
    """Go's %q of a string; JSON escapes all that matters here in the same way."""
    return json.dumps(text, ensure_ascii=False)


def _error(field: str, reason: str, value: Any, detail: str) -> FieldError:
    message = TITLES[reason]
    if value is not OMITTED:
        message += f": {printed(value)}"
    if detail:
        message += f": {detail}"
    return FieldError(field, reason, message)


def required(field: str, detail: str = "") -> FieldError:
    return _error(field, "FieldValueRequired", OMITTED, detail)


def invalid(field: str, value: Any, detail: str) -> FieldError:
    return _error(field, "FieldValueInvalid", value, detail)


def type_invalid(field: str, value: Any, detail: str) -> FieldError:
    return _error(field, "FieldValueTypeInvalid", value, detail)


def forbidden(field: str, detail: str) -> FieldError:
    return _error(field, "FieldValueForbidden", OMITTED, detail)


def duplicate(field: str, value: Any) -> FieldError:
    return _error(field, "FieldValueDuplicate", value, "")


def not_supported(field: str, value: Any, supported: Iterable[Any]) -> FieldError:
    texts = (v if isinstance(v, str) else printed(v) for v in supported)
    detail = "supported values: " + ", ".join(quoted(text) for text in texts)
    return _error(field, "FieldValueNotSupported", value, detail)


def too_long(field: str, most: int) -> FieldError:
    return _error(field, "FieldValueTooLong", OMITTED, f"may not be more than {most} bytes")


def too_many(field: str, actual: int, most: int) -> FieldError:
    items = "item" if most == 1 else "items"
    return _error(field, "FieldValueTooMany", actual, f"must have at most {most} {items}")


def blocking(errors: Iterable[FieldError]) -> bool:
    """Whether CEL rules must not be evaluated on an object with these errors."""
    return any(error.reason in BLOCKING for error in errors)


UNCHECKED_RULES = FieldError(
    "<nil>",
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


def invalid_message(kind: str, group: str, name: str, errors: Sequence[FieldError]) -> str:
    """``Widget.example.com "a" is invalid: …``; an error that is repeated is told once."""
    texts = list(dict.fromkeys(map(str, errors)))
    told = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    qualified = f"{kind}.{group}" if group else kind
    return f"{qualified} {quoted(name)} is invalid: {told}"


def invalid_status(
    kind: str, group: str, name: str, errors: Sequence[FieldError]
) -> Mapping[str, Any]:
    """The whole Status object of a 422; empty group and name are left out of its details."""
    details: dict[str, Any] = {"name": name, "group": group, "kind": kind}
    details = {key: value for key, value in details.items() if value}
    details["causes"] = [error.cause for error in errors]
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": invalid_message(kind, group, name, errors),
        "reason": "Invalid",
        "details": details,
        "code": 422,
    }
