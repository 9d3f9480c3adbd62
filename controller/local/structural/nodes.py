"""The compiled form of a structural schema: a tree of ``Node``, shared by all passes over objects.

Built by Structural once per schema. A node only holds what its schema says, in the form that the
passes read fastest; what is done with it belongs to the pass.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

Schema = Mapping[str, Any]

# Fields of ObjectMeta that a server accepts; others in metadata are unknown fields.
METADATA_FIELDS: Final = frozenset(
    {
        "name",
        "generateName",
        "namespace",
        "selfLink",
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "labels",
        "annotations",
        "ownerReferences",
        "finalizers",
        "managedFields",
    }
)


@dataclass(slots=True, eq=False)
class Node:
    """One schema. ``types`` is empty where any type is allowed; None means "not given"."""

    schema: Schema
    types: tuple[str, ...] = ()
    format: str = ""
    nullable: bool = False
    default: Any = None
    properties: dict[str, "Node"] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    values: "Node | None" = None  # additionalProperties as a schema
    free_values: bool = False  # additionalProperties: true
    items: "Node | None" = None
    preserve: bool = False
    resource: bool = False  # the root, or x-kubernetes-embedded-resource
    atomic: bool = False  # owned as a whole by one manager
    list_type: str = "atomic"
    list_keys: tuple[str, ...] = ()
    enum: tuple[Any, ...] = ()
    bounded: bool = False  # has any of the checks on a number, string, list or map
    all_of: tuple["Node", ...] = ()
    any_of: tuple["Node", ...] = ()
    one_of: tuple["Node", ...] = ()
    none_of: "Node | None" = None
    has_junctors: bool = False
    rules: tuple[Schema, ...] = ()
    # Whether anything of that kind is in the node or below it: passes skip whole subtrees.
    has_rules: bool = False
    has_defaults: bool = False
    has_invariants: bool = False

    def child(self, key: str) -> "Node | None":
        """The node of a field, be it a property or a map's value."""
        return self.properties.get(key) or self.values

    def below(self) -> Iterator["Node"]:
        yield from self.properties.values()
        for node in (self.values, self.items):
            if node is not None:
                yield node


_BOUNDS = (
    "minimum",
    "maximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
)


def compiled_root(schema: Schema) -> Node:
    """The node of a whole object: apiVersion, kind and metadata are known without the schema."""
    root = compiled(schema)
    root.resource = True
    return root


_METADATA: Final[Schema] = {
    "type": "object",
    "properties": {
        **{name: {} for name in METADATA_FIELDS},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
        "finalizers": {
            "type": "array",
            "x-kubernetes-list-type": "set",
            "items": {"type": "string"},
        },
        "ownerReferences": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
            "items": {"type": "object", "x-kubernetes-map-type": "atomic"},
        },
    },
}


def with_metadata(root: Node) -> Node:
    """The root with ObjectMeta's own types in the place of what the schema says of metadata."""
    return dataclasses.replace(root, properties={**root.properties, "metadata": _METADATA_NODE})


def compiled(schema: Schema) -> Node:
    """The node of a schema and of all below it."""
    additional = schema.get("additionalProperties")
    node = Node(
        schema=schema,
        types=_types(schema),
        format=schema.get("format") or "",
        nullable=bool(schema.get("nullable")),
        default=schema.get("default"),
        properties={k: compiled(v) for k, v in (schema.get("properties") or {}).items()},
        required=tuple(schema.get("required") or ()),
        values=compiled(additional) if isinstance(additional, Mapping) else None,
        free_values=additional is True,
        items=compiled(schema["items"]) if isinstance(schema.get("items"), Mapping) else None,
        preserve=bool(schema.get("x-kubernetes-preserve-unknown-fields")),
        resource=bool(schema.get("x-kubernetes-embedded-resource")),
        enum=tuple(schema.get("enum") or ()),
        bounded=any(schema.get(bound) is not None for bound in _BOUNDS),
        rules=tuple(schema.get("x-kubernetes-validations") or ()),
    )
    _compile_ownership(node, schema)
    _compile_junctors(node, schema)
    _note_what_is_below(node)
    return node


def _types(schema: Schema) -> tuple[str, ...]:
    if schema.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    return (schema["type"],) if schema.get("type") else ()


def _compile_ownership(node: Node, schema: Schema) -> None:
    node.list_type = schema.get("x-kubernetes-list-type") or "atomic"
    node.list_keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    if "array" in node.types:
        node.atomic = node.list_type == "atomic"
    else:
        node.atomic = schema.get("x-kubernetes-map-type") == "atomic"


def _compile_junctors(node: Node, schema: Schema) -> None:
    def alternatives(name: str) -> tuple[Node, ...]:
        parts: Sequence[Schema] = schema.get(name) or ()
        return tuple(compiled(part) for part in parts)

    node.all_of, node.any_of = alternatives("allOf"), alternatives("anyOf")
    node.one_of = alternatives("oneOf")
    node.none_of = compiled(schema["not"]) if schema.get("not") is not None else None
    node.has_junctors = bool(node.all_of or node.any_of or node.one_of or node.none_of)


def _note_what_is_below(node: Node) -> None:
    below = list(node.below())
    node.has_rules = bool(node.rules) or any(child.has_rules for child in below)
    # A null may have to be dropped anywhere, so only the plain defaults are noted.
    node.has_defaults = any(c.default is not None or c.has_defaults for c in below)
    unique = node.list_type in ("set", "map")
    embedded = bool(node.schema.get("x-kubernetes-embedded-resource"))
    node.has_invariants = unique or embedded or any(child.has_invariants for child in below)


_METADATA_NODE: Final = compiled(_METADATA)
