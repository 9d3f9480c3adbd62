"""From a pydantic model to a structural schema, as Kubernetes wants it in a custom resource.

Used by `models.crds`. pydantic's JSON schema says more than Kubernetes takes: references, unions,
null, titles. Two shapes at one place become one merged object here; the rules that tell them apart
are CEL, in `models.crds`. Every string, list and map gets a limit, for the sake of the rules' cost.
Defaults are left out: what a user stores must come back as it was sent.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

MAX_STRING = 32768
MAX_ITEMS = 256
MAX_PROPERTIES = 256

_KEPT = (
    "type",
    "enum",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
)


def of_model(model: type[BaseModel]) -> Schema:
    """The structural schema of a model, under the names that it has in JSON."""
    schema = model.model_json_schema(by_alias=True)
    return _Converter(schema.get("$defs", {})).convert(schema)


class _Converter:
    """Follows the references of one JSON schema."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def convert(self, node: Schema) -> Schema:
        if "$ref" in node:
            target = self._definitions[node["$ref"].rpartition("/")[2]]
            return self._described(self.convert(target), node)
        shapes = node.get("oneOf") or node.get("anyOf")
        if shapes:
            return self._described(self._merged(shapes), node)
        result: Schema = {key: node[key] for key in _KEPT if key in node}
        if "const" in node:
            result["enum"] = [node["const"]]
        if node.get("format") == "date-time":
            result["format"] = "date-time"
        if "properties" in node:
            result["properties"] = {
                name: self.convert(child) for name, child in node["properties"].items()
            }
            if node.get("required"):
                result["required"] = list(node["required"])
        elif values := _map_values(node):
            result["additionalProperties"] = self.convert(values)
        elif result.get("type") == "object":
            result["x-kubernetes-preserve-unknown-fields"] = True
        if "items" in node:
            result["items"] = self.convert(node["items"])
        return self._described(_limited(result), node)

    def _merged(self, shapes: list[Schema]) -> Schema:
        merged: Schema = {}
        if {"string", "object"} == {self._type(shape) for shape in shapes}:
            return self._text_or_object(shapes)
        for shape in shapes:
            if shape.get("type") != "null":
                converted = self.convert(shape)
                merged = _merge(merged, converted) if merged else converted
        return merged

    def _type(self, shape: Schema) -> str | None:
        while "$ref" in shape:
            shape = self._definitions[shape["$ref"].rpartition("/")[2]]
        return shape.get("type")

    def _text_or_object(self, shapes: list[Schema]) -> Schema:
        """A place without a type, which Kubernetes takes only where it leaves objects alone.

        What is said of the text still counts, for texts. CEL rules cannot name such a place.
        """
        text = next(self.convert(shape) for shape in shapes if self._type(shape) == "string")
        kept = {key: value for key, value in text.items() if key in ("pattern", "maxLength")}
        return {**kept, "x-kubernetes-preserve-unknown-fields": True}

    @staticmethod
    def _described(schema: Schema, node: Schema) -> Schema:
        """The words of the place win over the words of the type."""
        description = node.get("description") or schema.get("description")
        rest = {key: value for key, value in schema.items() if key != "description"}
        return ({"description": description} if description else {}) | rest


def _map_values(node: Schema) -> Schema | None:
    """The schema of a map's values; the rule for its keys is CEL in Kubernetes."""
    patterns = node.get("patternProperties")
    values = next(iter(patterns.values())) if patterns else node.get("additionalProperties")
    return values if isinstance(values, dict) else None


def _merge(one: Schema, other: Schema) -> Schema:
    """An object that takes what either takes; required is what both require."""
    result = one | other
    if "description" in one:
        result["description"] = one["description"]
    if "enum" in one and "enum" in other:
        result["enum"] = list(dict.fromkeys([*one["enum"], *other["enum"]]))
    if "properties" in one:
        ours, theirs = one["properties"], other["properties"]
        result["properties"] = {
            name: _merge(ours[name], theirs[name])
            if name in ours and name in theirs
            else ours.get(name) or theirs[name]
            for name in dict.fromkeys([*ours, *theirs])
        }
        required = [name for name in one.get("required", []) if name in other.get("required", [])]
        result.pop("required", None)
        if required:
            result["required"] = required
    return result


def _limited(schema: Schema) -> Schema:
    kind = schema.get("type")
    if kind == "string" and not {"enum", "format"} & schema.keys():
        schema.setdefault("maxLength", MAX_STRING)
    elif kind == "array":
        schema.setdefault("maxItems", MAX_ITEMS)
    elif "additionalProperties" in schema:
        schema.setdefault("maxProperties", MAX_PROPERTIES)
    return schema
