"""Value checks: types, bounds, enums, patterns, formats, required fields, junctors.

Called by Structural. Texts and order follow k8s.io/kube-openapi/pkg/validation, with two
liberties where the real order is that of a Go map: fields come in the schema's order, and of the
alternatives of anyOf and oneOf the one with the fewest errors explains itself. On updates what
did not change is not checked again (Kubernetes calls it ratcheting).
"""

import math
from collections.abc import Sequence
from typing import Any, Final

from controller.local import bodies, fielderrors
from controller.local.fielderrors import FieldError
from controller.local.structural import formats, patterns
from controller.local.structural.nodes import Node

_ABSENT: Final = object()
_JSON_TYPES: Final = {bool: "boolean", int: "integer", float: "number", str: "string"} | {
    list: "array",
    dict: "object",
    type(None): "null",
}
_INTEGER_RANGES: Final = {
    "int32": range(-(2**31), 2**31),
    "uint32": range(2**32),
    "uint64": range(2**64),
}


def check(obj: Any, root: Node, old: Any | None, path: str = "") -> list[FieldError]:
    """All errors of ``obj``; values equal to those of ``old`` at the same place have none."""
    errors: list[FieldError] = []
    _check(obj, root, path, errors, _ABSENT if old is None else old)
    return errors


def same(one: Any, other: Any) -> bool:
    """JSON equality: as Python's, but true is not 1 (and 1.0 is 1)."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(v, other[k]) for k, v in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other) and isinstance(one, bool) is isinstance(other, bool)


def _check(value: Any, node: Node, path: str, errors: list[FieldError], old: Any) -> None:
    if old is not _ABSENT and same(value, old):
        return
    if value is None:
        if node.types and not node.nullable:
            errors.append(_wrong_type(path, ",".join(node.types), "null"))
        return
    kind = _JSON_TYPES[type(value)]
    _check_type(value, kind, node, path, errors)
    if node.has_junctors:
        _check_junctors(value, node, path, errors, old)
    match kind:
        case "string":
            _check_string(value, node, path, errors)
        case "integer" | "number":
            _check_number(value, node, path, errors)
        case "array":
            _check_list(value, node, path, errors, old)
    if node.enum and not any(same(value, allowed) for allowed in node.enum):
        errors.append(fielderrors.not_supported(_name(path), value, node.enum))
    if kind == "object":
        _check_map(value, node, path, errors, old)


def _name(path: str) -> str:
    return path.removeprefix(".") or "<nil>"


def _wrong_type(path: str, wanted: str, got: str) -> FieldError:
    text = fielderrors.quoted(got)
    detail = f"{path} in body must be of type {wanted}: {text}"
    return fielderrors.type_invalid(_name(path), got, detail)


def _check_type(value: Any, kind: str, node: Node, path: str, errors: list[FieldError]) -> None:
    types = node.types
    if kind == "string" and node.format and not {"integer", "number"} & set(types):
        if types and "string" not in types:
            errors.append(_wrong_type(path, ",".join(types), kind))
        elif not formats.holds(node.format, value):
            errors.append(_wrong_type(path, node.format, value))
        return
    fits = (
        kind in types
        or (kind == "number" and "integer" in types and value.is_integer())
        or (kind == "integer" and "number" in types)
    )
    if types and not fits:
        errors.append(_wrong_type(path, ",".join(types), kind))


def _invalid(path: str, value: Any, detail: str) -> FieldError:
    return fielderrors.invalid(_name(path), value, f"{path} in body {detail}")


def _check_string(value: str, node: Node, path: str, errors: list[FieldError]) -> None:
    if not node.bounded:
        return
    schema = node.schema
    most, least, pattern = map(schema.get, ("maxLength", "minLength", "pattern"))
    if most is not None and len(value) > most:
        errors.append(fielderrors.too_long(_name(path), most))
    elif least is not None and len(value) < least:
        errors.append(_invalid(path, value, f"should be at least {least} chars long"))
    elif pattern and not patterns.found(pattern, value):
        errors.append(_invalid(path, value, f"should match '{pattern}'"))


def _check_number(value: float, node: Node, path: str, errors: list[FieldError]) -> None:
    schema = node.schema
    if node.types[:1] == ("integer",) and not _in_range(value, node.format):
        form = f"with format {node.format}" if node.format else "(default format)"
        detail = f"Checked value must be of type integer {form} in {path}"
        errors.append(fielderrors.invalid("<nil>", "", detail))
    if not node.bounded:
        return
    printed = fielderrors.printed
    factor, most, least = map(schema.get, ("multipleOf", "maximum", "minimum"))
    if factor and not _is_multiple(value, factor):
        errors.append(_invalid(path, value, f"should be a multiple of {printed(factor)}"))
    if most is not None:
        exclusive = bool(schema.get("exclusiveMaximum"))
        if value > most or (exclusive and value == most):
            than = "less than" if exclusive else "less than or equal to"
            errors.append(_invalid(path, value, f"should be {than} {printed(most)}"))
    if least is not None:
        exclusive = bool(schema.get("exclusiveMinimum"))
        if value < least or (exclusive and value == least):
            than = "greater than" if exclusive else "greater than or equal to"
            errors.append(_invalid(path, value, f"should be {than} {printed(least)}"))


def _is_multiple(value: float, factor: float) -> bool:
    if isinstance(value, int) and isinstance(factor, int):
        return value % factor == 0
    # Counted so that 0.3 is a multiple of 0.1, though not to the last bit.
    times = value * (1 / factor) if factor < 1 else value / factor
    return math.isfinite(times) and math.isclose(times, round(times))


def _in_range(value: float, form: str) -> bool:
    return float(value).is_integer() and int(value) in _INTEGER_RANGES.get(form, bodies.INT64)


def _check_list(
    value: Sequence[Any], node: Node, path: str, errors: list[FieldError], old: Any
) -> None:
    if node.items is not None:
        before = items_of(old, node)
        for index, item in enumerate(value):
            old_item = before.get(key_of(item, node), _ABSENT) if before else _ABSENT
            _check(item, node.items, f"{path}[{index}]", errors, old_item)
    if not node.bounded:
        return
    most, least = node.schema.get("maxItems"), node.schema.get("minItems")
    if least is not None and len(value) < least:
        errors.append(_invalid(path, list(value), f"should have at least {least} items"))
    if most is not None and len(value) > most:
        errors.append(fielderrors.too_many(_name(path), len(value), most))
    if node.schema.get("uniqueItems") and any(
        same(item, other) for index, item in enumerate(value) for other in value[:index]
    ):
        errors.append(_invalid(path, list(value), "shouldn't contain duplicates"))


def items_of(old: Any, node: Node) -> dict[Any, Any]:
    """Items of the old list by their key: only lists of type map say which item is which."""
    if node.list_type != "map" or not isinstance(old, list):
        return {}
    return {key_of(item, node): item for item in old}


def key_of(item: Any, node: Node) -> Any:
    if not isinstance(item, dict):
        return None
    return tuple(repr(item.get(key)) for key in node.list_keys)


def _check_map(
    value: dict[str, Any], node: Node, path: str, errors: list[FieldError], old: Any
) -> None:
    if node.bounded and not _check_size(value, node, path, errors):
        return
    before = old if isinstance(old, dict) else {}
    if node.values is not None:
        for key, part in value.items():
            if key not in node.properties:
                _check(part, node.values, f"{path}.{key}", errors, before.get(key, _ABSENT))
    for key, child in node.properties.items():
        if key in value:
            where = f"{path}.{key}" if path else key
            _check(value[key], child, where, errors, before.get(key, _ABSENT))
    missing = (key for key in node.required if key not in value)
    errors.extend(fielderrors.required(_name(f"{path}.{key}")) for key in missing)


def _check_size(value: dict[str, Any], node: Node, path: str, errors: list[FieldError]) -> bool:
    most, least = node.schema.get("maxProperties"), node.schema.get("minProperties")
    if least is not None and len(value) < least:
        errors.append(_invalid(path, value, f"should have at least {least} properties"))
    elif most is not None and len(value) > most:
        errors.append(fielderrors.too_many(_name(path), len(value), most))
    else:
        return True
    return False


def _check_junctors(value: Any, node: Node, path: str, errors: list[FieldError], old: Any) -> None:
    def outcomes(alternatives: Sequence[Node]) -> list[list[FieldError]]:
        results: list[list[FieldError]] = []
        for alternative in alternatives:
            results.append([])
            _check(value, alternative, path, results[-1], old)
        return results

    if node.any_of:
        errors += _any_of(path, outcomes(node.any_of))
    if node.one_of:
        errors += _one_of(path, outcomes(node.one_of))
    if node.all_of:
        errors += _all_of(path, outcomes(node.all_of))
    if node.none_of is not None and not outcomes([node.none_of])[0]:
        errors.append(_junctor(path, "must not validate the schema (not)"))


def _any_of(path: str, results: list[list[FieldError]]) -> list[FieldError]:
    if not all(results):
        return []
    return [_junctor(path, "must validate at least one schema (anyOf)"), *_nearest(results)]


def _one_of(path: str, results: list[list[FieldError]]) -> list[FieldError]:
    held = sum(not result for result in results)
    if held == 1:
        return []
    told = f"Found {held} valid alternatives" if held else "Found none valid"
    error = _junctor(path, f"must validate one and only one schema (oneOf). {told}")
    return [error] if held else [error, *_nearest(results)]


def _all_of(path: str, results: list[list[FieldError]]) -> list[FieldError]:
    if not any(results):
        return []
    told = ". None validated" if all(results) else ""
    error = _junctor(path, f"must validate all the schemas (allOf){told}")
    return [*(error for result in results for error in result), error]


def _nearest(results: list[list[FieldError]]) -> list[FieldError]:
    fewest = min(map(len, results))
    return next(errors for errors in results if len(errors) == fewest)


def _junctor(path: str, text: str) -> FieldError:
    return fielderrors.invalid("<nil>", "", f'"{path}" {text}')
