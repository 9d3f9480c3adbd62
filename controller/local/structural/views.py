"""What a CEL rule sees of a value: its type in CEL, and the value in that type.

Called by rules. Dates become timestamps, numbers of a ``number`` field doubles, names that CEL
could not select are escaped as Kubernetes documents it. A value whose schema needs none of that
is passed as it is: most are.
"""

import base64
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from controller.local.structural.nodes import Node

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch
# Words that CEL keeps for itself or has as literals: a rule cannot select a field of that name.
_RESERVED: Final = frozenset({"as", "break", "const", "continue", "else", "for", "function"}) | {
    *("if", "import", "let", "loop", "package", "namespace", "return", "var", "void", "while"),
    *("true", "false", "null", "in"),
}
_ESCAPES: Final = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_SCALARS: Final = {"string": "string", "integer": "int", "number": "double", "boolean": "bool"}
_FORMATS: Final = {"date-time": "timestamp", "date": "timestamp", "duration": "duration"} | {
    "byte": "bytes"
}


def cel_type(node: Node) -> str:
    """The CEL type of a node's values, in the signature form of the CEL library."""
    if len(node.types) != 1 or node.nullable:
        return "dyn"
    (kind,) = node.types
    if kind == "string":
        return _FORMATS.get(node.format, "string")
    if kind == "array":
        return f"list<{cel_type(node.items) if node.items else 'dyn'}>"
    if kind == "object":
        # Fields of an object have different types, so all are checked when a rule is evaluated.
        return f"map<string, {cel_type(node.values) if node.values else 'dyn'}>"
    return _SCALARS[kind]


def view(value: Any, node: Node) -> Any:
    """``value`` as rules see it; the value itself where nothing has to be changed."""
    if isinstance(value, dict):
        return {
            escaped(key, node): _viewed(part, _child(key, node))
            for key, part in _known(value, node).items()
        }
    if isinstance(value, list) and node.items is not None:
        return [view(item, node.items) for item in value]
    if isinstance(value, str) and node.format in _FORMATS and "string" in node.types:
        return _parsed(value, node.format)
    if isinstance(value, int) and not isinstance(value, bool) and node.types == ("number",):
        return float(value)
    return value


def _child(key: str, node: Node) -> Node | None:
    # A schema may restrict the name in metadata; what is in it does not depend on that.
    return None if node.resource and key == "metadata" else node.child(key)


def _viewed(value: Any, node: Node | None) -> Any:
    return value if node is None else view(value, node)


def _parsed(text: str, form: str) -> Any:
    try:
        return _PARSERS[form](text)
    except (ValueError, OverflowError):
        # Stored before the format was asked for: the rule finds a text, and says so.
        return text


def _known(value: dict[str, Any], node: Node) -> dict[str, Any]:
    """What rules see of an object, as in Kubernetes: no field that the schema does not have.

    Of a resource's metadata that is the name alone.
    """
    if node.values is not None or node.free_values or "object" not in node.types:
        return value
    if not node.resource:
        return {key: part for key, part in value.items() if key in node.properties}
    seen = {k: v for k, v in value.items() if k in node.properties or k in ("apiVersion", "kind")}
    meta = value.get("metadata")
    if isinstance(meta, dict):
        seen["metadata"] = {k: meta[k] for k in ("name", "generateName") if k in meta}
    return seen


def escaped(name: str, node: Node) -> str:
    """What a rule calls a field: its name, where CEL takes it as one."""
    if name not in node.properties:
        return name  # the key of a map, which rules reach by m["key"]
    if name in _RESERVED:
        return f"__{name}__"
    if _IDENTIFIER(name) and "__" not in name:
        return name
    return re.sub(r"__|[./-]", lambda found: _ESCAPES[found[0]], name)


def _timestamp(text: str) -> Timestamp:
    # The CEL library takes times inside of objects only as the well-known protobuf messages.
    moment = Timestamp()
    moment.FromJsonString(text.upper() if "T" in text.upper() else f"{text}T00:00:00Z")
    return moment


_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)")


def _duration(text: str) -> Duration:
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    length = Duration()
    length.FromTimedelta(timedelta(seconds=-seconds if text.startswith("-") else seconds))
    return length


_PARSERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "date-time": _timestamp,
    "date": _timestamp,
    "duration": _duration,
    "byte": base64.b64decode,
}
