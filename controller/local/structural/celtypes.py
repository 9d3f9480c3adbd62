"""The types of a schema for CEL's checker, so that a rule cannot name a field that is not there.

Called by rules when a definition is checked. Every object of the schema becomes a message of a
protobuf file that is made up for it: the CEL library knows object types in no other form. Rules
are evaluated on plain maps all the same (``views``): nothing is ever stored in these messages.
"""

from typing import Any, Final

from cel_expr_python import cel
from google.protobuf import duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool

from controller.local.structural import views
from controller.local.structural.nodes import Node

_PACKAGE: Final = "schema"
_KNOWN: Final = (duration_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)
_Field = FieldDescriptorProto
_SCALARS: Final[dict[str, tuple[Any, str]]] = {
    "string": (_Field.TYPE_STRING, ".google.protobuf.StringValue"),
    "int": (_Field.TYPE_INT64, ".google.protobuf.Int64Value"),
    "double": (_Field.TYPE_DOUBLE, ".google.protobuf.DoubleValue"),
    "bool": (_Field.TYPE_BOOL, ".google.protobuf.BoolValue"),
    "bytes": (_Field.TYPE_BYTES, ".google.protobuf.BytesValue"),
}
_MESSAGES: Final = {
    "timestamp": ".google.protobuf.Timestamp",
    "duration": ".google.protobuf.Duration",
}
_ANYTHING: Final = ".google.protobuf.Value"


def of(node: Node) -> tuple[Any, Any]:
    """The CEL type of a node's values, and the pool of descriptors that it is known in."""
    file = FileDescriptorProto(name="schema.proto", package=_PACKAGE)
    file.dependency.extend(each.DESCRIPTOR.name for each in _KNOWN)
    types = _Types(file)
    signature = types.signature(node)
    pool = DescriptorPool()
    for each in _KNOWN:
        pool.AddSerializedFile(each.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return (cel.Type.DYN if signature == "dyn" else cel.Type(signature)), pool


def _is_struct(node: Node) -> bool:
    """An object whose fields are all known: those that it may keep unknown no rule can reach."""
    return node.types == ("object",) and node.values is None and not node.free_values


def _fields(node: Node) -> dict[str, Node]:
    if not node.resource:
        return node.properties
    text = Node(schema={}, types=("string",))
    meta = Node(schema={}, types=("object",), properties={"name": text, "generateName": text})
    return {**node.properties, "apiVersion": text, "kind": text, "metadata": meta}


class _Types:
    """Collects the messages of a schema in one file."""

    def __init__(self, file: FileDescriptorProto) -> None:
        self._file = file

    def signature(self, node: Node) -> str:
        """The type of a value of its own, in the signature form of the CEL library."""
        if _is_struct(node):
            return self._message(node).removeprefix(".")
        if node.types == ("array",) and node.items is not None and not node.nullable:
            return f"list<{self.signature(node.items)}>"
        if node.types == ("object",) and node.values is not None and not node.nullable:
            return f"map<string, {self.signature(node.values)}>"
        return views.cel_type(node)

    def _message(self, node: Node) -> str:
        message = self._file.message_type.add(name=f"Object{len(self._file.message_type)}")
        for number, (key, child) in enumerate(_fields(node).items(), start=1):
            name = views.escaped(key, node)
            if not name.isidentifier() or not name.isascii():
                continue  # no rule can name it
            # A JSON name of its own: protobuf would take by_name and byName for the same one.
            field = message.field.add(name=name, number=number, json_name=f"field{number}")
            self._type(field, child, message)
        return f".{_PACKAGE}.{message.name}"

    def _type(self, field: FieldDescriptorProto, node: Node, holder: DescriptorProto) -> None:
        field.label = _Field.LABEL_OPTIONAL
        if node.types == ("array",) and not node.nullable and _is_plain(node.items):
            assert node.items is not None  # noqa: S101 - _is_plain says so
            self._type(field, node.items, holder)
            field.label = _Field.LABEL_REPEATED
        elif node.types == ("object",) and not node.nullable and _is_plain(node.values):
            assert node.values is not None  # noqa: S101 - _is_plain says so
            self._map(field, node.values, holder)
        else:
            self._single(field, node)

    def _single(self, field: FieldDescriptorProto, node: Node) -> None:
        kind = views.cel_type(node)
        bare = views.cel_type(_not_null(node)) if node.nullable else kind
        field.type = _Field.TYPE_MESSAGE
        if _is_struct(node):
            field.type_name = self._message(node)
        elif bare in _MESSAGES:
            field.type_name = _MESSAGES[bare]
        elif bare not in _SCALARS:
            field.type_name = _ANYTHING
        elif node.nullable:
            field.type_name = _SCALARS[bare][1]
        else:
            field.type = _SCALARS[bare][0]

    def _map(self, field: FieldDescriptorProto, values: Node, holder: DescriptorProto) -> None:
        # A map is a repeated message of a certain name and shape.
        words = "".join(part[:1].upper() + part[1:] for part in field.name.split("_"))
        name = f"{words}Entry"
        if any(name == other.name for other in holder.nested_type):
            field.type, field.type_name = _Field.TYPE_MESSAGE, _ANYTHING
            return
        entry = holder.nested_type.add(name=name)
        entry.options.map_entry = True
        key = entry.field.add(name="key", number=1)
        key.type, key.label = _Field.TYPE_STRING, _Field.LABEL_OPTIONAL
        value = entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL)
        self._single(value, values)
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{holder.name}.{entry.name}"
        field.label = _Field.LABEL_REPEATED


def _is_plain(node: Node | None) -> bool:
    """What protobuf can repeat or map to: no list or map, nothing that may be null."""
    if node is None or node.nullable:
        return False
    return _is_struct(node) or node.types not in (("array",), ("object",))


def _not_null(node: Node) -> Node:
    return Node(schema=node.schema, types=node.types, format=node.format)
