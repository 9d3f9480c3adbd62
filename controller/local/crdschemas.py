"""Checks of the schemas in a CRD: is it structural, do its defaults fit, do its rules compile.

Called by crd for every version. Texts follow k8s.io/apiextensions-apiserver (validation of
apiextensions, schema/validation.go); paths begin with that of openAPIV3Schema.
"""

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

from controller.local import fielderrors
from controller.local.fielderrors import FieldError
from controller.local.structural import checking, nodes, patterns, pruning

Schema = Mapping[str, Any]

_TYPES: Final = ("array", "boolean", "integer", "number", "object", "string")
_JUNCTORS: Final = ("anyOf", "allOf", "oneOf")
_NOT_SUPPORTED: Final = (
    *("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"),
)
# What a schema below a junctor may not say, with the word that the error has for "nothing".
_NOT_NESTED: Final = {
    "type": "empty",
    "additionalProperties": "undefined",
    "default": "undefined",
    "title": "empty",
    "description": "empty",
    "nullable": "false",
    "externalDocs": "undefined",
    "x-kubernetes-preserve-unknown-fields": "false",
    "x-kubernetes-embedded-resource": "false",
    "x-kubernetes-int-or-string": "false",
    "x-kubernetes-list-map-keys": "empty",
    "x-kubernetes-list-type": "undefined",
    "x-kubernetes-map-type": "undefined",
    "x-kubernetes-validations": "empty",
}
_INT_OR_STRING: Final = [{"type": "integer"}, {"type": "string"}]
_EMPTY_TYPE: Final = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}


def check(schema: Schema, path: str) -> list[FieldError]:
    """All errors of an openAPIV3Schema; an earlier kind of error hides the later ones.

    First what OpenAPI says that Kubernetes does not support, then what is not structural, then
    defaults and rules: these are tried out, which takes a schema that can be compiled.
    """
    found = list(_check_supported(schema, path))
    found += sorted(_check_structural(schema, path, "root"), key=str)
    if found:
        return found
    return [*_check_defaults(schema, path), *_check_rules(nodes.compiled_root(schema), path)]


def below(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """The schemas that a schema holds, junctors left out, with their paths."""
    for key, part in (schema.get("properties") or {}).items():
        yield f"{path}.properties[{key}]", part
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), Mapping):
            yield f"{path}.{name}", schema[name]


def _items(schema: Schema) -> Schema:
    """The schema of the items; an array of schemas is refused elsewhere."""
    found = schema.get("items")
    return found if isinstance(found, Mapping) else {}


def _junctors(schema: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    for name in _JUNCTORS:
        for index, part in enumerate(schema.get(name) or ()):
            yield f"{path}.{name}[{index}]", part
    if isinstance(schema.get("not"), Mapping):
        yield f"{path}.not", schema["not"]


def _check_supported(schema: Schema, path: str) -> Iterator[FieldError]:
    for name in _NOT_SUPPORTED:
        if schema.get(name):
            yield fielderrors.forbidden(f"{path}.{name}", f"{name} is not supported")
    kind = schema.get("type")
    if kind == "null":
        detail = "type cannot be set to null, use nullable as an alternative"
        yield fielderrors.forbidden(f"{path}.type", detail)
    elif kind and kind not in _TYPES:
        yield fielderrors.not_supported(f"{path}.type", kind, _TYPES)
    if isinstance(schema.get("items"), list):
        detail = "items must be a schema object and not an array"
        yield fielderrors.forbidden(f"{path}.items", detail)
    if schema.get("uniqueItems"):
        detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield fielderrors.forbidden(f"{path}.uniqueItems", detail)
    additional = schema.get("additionalProperties")
    if schema.get("properties") and additional is not None and additional is not True:
        detail = "additionalProperties and properties are mutual exclusive"
        yield fielderrors.forbidden(f"{path}.additionalProperties", detail)
    yield from _check_ownership(schema, path)
    for where, part in (*below(schema, path), *_junctors(schema, path)):
        yield from _check_supported(part, where)


def _check_ownership(schema: Schema, path: str) -> Iterator[FieldError]:
    list_type, map_type = (schema.get(f"x-kubernetes-{name}-type") for name in ("list", "map"))
    keys = schema.get("x-kubernetes-list-map-keys") or []
    if list_type is not None:
        if schema.get("type") != "array":
            detail = "must be array if x-kubernetes-list-type is specified"
            yield fielderrors.invalid(f"{path}.type", schema.get("type") or "", detail)
        if list_type not in ("atomic", "map", "set"):
            where = f"{path}.x-kubernetes-list-type"
            yield fielderrors.not_supported(where, list_type, ("atomic", "map", "set"))
    if map_type is not None:
        if schema.get("type") != "object":
            detail = "must be object if x-kubernetes-map-type is specified"
            yield fielderrors.invalid(f"{path}.type", schema.get("type") or "", detail)
        if map_type not in ("atomic", "granular"):
            where = f"{path}.x-kubernetes-map-type"
            yield fielderrors.not_supported(where, map_type, ("atomic", "granular"))
    where = f"{path}.x-kubernetes-list-map-keys"
    if keys and list_type != "map":
        detail = "must be map if x-kubernetes-list-map-keys is non-empty"
        yield fielderrors.invalid(f"{path}.x-kubernetes-list-type", list_type or "", detail)
    elif list_type == "map" and not keys:
        detail = "must not be empty if x-kubernetes-list-type is map"
        yield fielderrors.required(where, detail)
    elif keys:
        yield from _check_keys(_items(schema), keys, path)


def _check_keys(items: Schema, keys: list[str], path: str) -> Iterator[FieldError]:
    properties = items.get("properties") or {}
    if any(key not in properties for key in keys):
        detail = "entries must all be names of item properties"
        yield fielderrors.invalid(f"{path}.x-kubernetes-list-map-keys", keys, detail)
        return
    for key in keys:
        if key not in (items.get("required") or ()) and properties[key].get("default") is None:
            detail = (
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be "
                "a required property"
            )
            yield fielderrors.required(f"{path}.items.properties[{key}].default", detail)


def _check_structural(schema: Schema, path: str, level: str) -> Iterator[FieldError]:
    yield from _check_type(schema, path, level)
    if level == "root" and schema.get("additionalProperties") is not None:
        yield fielderrors.forbidden(f"{path}.additionalProperties", "must not be used at the root")
    embedded = schema.get("x-kubernetes-embedded-resource")
    preserve = schema.get("x-kubernetes-preserve-unknown-fields")
    if embedded and not preserve and not schema.get("properties"):
        detail = (
            "must not be empty if x-kubernetes-embedded-resource is true without "
            "x-kubernetes-preserve-unknown-fields"
        )
        yield fielderrors.required(f"{path}.properties", detail)
    if schema.get("x-kubernetes-int-or-string"):
        for name in ("preserve-unknown-fields", "embedded-resource"):
            if schema.get(f"x-kubernetes-{name}"):
                detail = "must be false if x-kubernetes-int-or-string is true"
                yield fielderrors.invalid(f"{path}.x-kubernetes-{name}", True, detail)
    if level == "root" or embedded:
        yield from _check_metadata(schema.get("properties") or {}, path, level)
    yield from _check_values(schema, schema, path)
    for where, part in below(schema, path):
        yield from _check_structural(part, where, "item" if where.endswith(".items") else "field")


def _check_type(schema: Schema, path: str, level: str) -> Iterator[FieldError]:
    kind = schema.get("type")
    where = f"{path}.type"
    if schema.get("x-kubernetes-embedded-resource") and kind != "object":
        detail = "must be object if x-kubernetes-embedded-resource is true"
        yield (
            fielderrors.invalid(where, kind, detail)
            if kind
            else fielderrors.required(where, detail)
        )
    elif not kind and not (
        schema.get("x-kubernetes-int-or-string")
        or schema.get("x-kubernetes-preserve-unknown-fields")
    ):
        yield fielderrors.required(where, _EMPTY_TYPE[level])
    elif level == "root" and kind and kind != "object":
        yield fielderrors.invalid(where, kind, "must be object at the root")
    if kind == "array" and schema.get("items") is None:
        yield fielderrors.required(f"{path}.items", "must be specified")


def _check_metadata(
    properties: Mapping[str, Schema], path: str, level: str
) -> Iterator[FieldError]:
    for name, wanted in (("kind", "string"), ("apiVersion", "string"), ("metadata", "object")):
        part = properties.get(name)
        if part is not None and part.get("type") != wanted:
            where = f"{path}.properties[{name}].type"
            yield fielderrors.invalid(where, part.get("type") or "", f"must be {wanted}")
    meta = properties.get("metadata") or {}
    named = set(meta.get("properties") or {}) - {"name", "generateName"}
    if level == "root" and (named or set(meta) - {"type", "properties", "description"}):
        detail = (
            "must not specify anything other than name and generateName, but metadata is "
            "implicitly specified"
        )
        yield fielderrors.forbidden(f"{path}.properties[metadata]", detail)


def _check_values(schema: Schema, outer: Schema, path: str) -> Iterator[FieldError]:
    """The value validations of a schema, and of the junctors in it."""
    pattern = schema.get("pattern")
    if pattern:
        try:
            patterns.check(pattern)
        except patterns.PatternError as error:
            detail = f"must be a valid regular expression, but isn't: {error}"
            yield fielderrors.invalid(f"{path}.pattern", pattern, detail)
    either = bool(outer.get("x-kubernetes-int-or-string"))
    for where, part in _junctors(schema, path):
        if either and schema.get("anyOf") == _INT_OR_STRING and where.startswith(f"{path}.anyOf"):
            continue  # the one thing that may be said of types below a junctor
        yield from _check_nested(part, outer, where)


def _check_nested(schema: Schema, outer: Schema, path: str) -> Iterator[FieldError]:
    for name, word in _NOT_NESTED.items():
        if schema.get(name):
            yield fielderrors.forbidden(f"{path}.{name}", f"must be {word} to be structural")
    properties = schema.get("properties") or {}
    if "metadata" in properties:
        detail = "must not be specified in a nested context"
        yield fielderrors.forbidden(f"{path}.properties[metadata]", detail)
    yield from _check_values(schema, outer, path)
    # What is restricted must be there outside of the junctor too: that is "structural".
    known = outer.get("properties") or {}
    outside = path.rpartition(".")[0]
    for key, part in properties.items():
        inner = known.get(key)
        if inner is None and not isinstance(outer.get("additionalProperties"), Mapping):
            detail = f"because it is defined in {path}.properties[{key}]"
            yield fielderrors.required(f"{outside}.properties[{key}]", detail)
        yield from _check_nested(part, inner or {}, f"{path}.properties[{key}]")
    if isinstance(schema.get("items"), Mapping):
        if not outer.get("items"):
            detail = f"because it is defined in {path}.items"
            yield fielderrors.required(f"{outside}.items", detail)
        yield from _check_nested(schema["items"], _items(outer), f"{path}.items")


def _check_defaults(schema: Schema, path: str) -> Iterator[FieldError]:
    default = schema.get("default")
    if default is not None:
        where, node = f"{path}.default", nodes.compiled(schema)
        known = copy.deepcopy(default)
        pruning.prune(known, node)
        if known != default:
            yield fielderrors.invalid(where, default, "must not have unknown fields")
        yield from checking.check(default, node, None, where)
    for inner, part in below(schema, path):
        yield from _check_defaults(part, inner)


def _check_rules(node: nodes.Node, path: str) -> Iterator[FieldError]:
    if not node.has_rules:
        return
    from controller.local.structural import rules  # noqa: PLC0415 - loads the CEL library

    for index, rule in enumerate(node.rules):
        where = f"{path}.x-kubernetes-validations[{index}]"
        if not (rule.get("rule") or "").strip():
            yield fielderrors.required(f"{where}.rule", "rule is not specified")
            continue
        try:
            rules.check(rule, node)
            rules.compiled_rule(rule, node)
        except rules.RuleError as error:
            part = error.part
            yield fielderrors.invalid(f"{where}.{part}", rule.get(part, ""), str(error))
    for key, child in node.properties.items():
        yield from _check_rules(child, f"{path}.properties[{key}]")
    if node.items is not None:
        yield from _check_rules(node.items, f"{path}.items")
    if node.values is not None:
        yield from _check_rules(node.values, f"{path}.additionalProperties")
