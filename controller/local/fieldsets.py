"""Sets of fields, in the form in which managedFields holds them (FieldsV1).

A set is a tree of dicts: ``{"f:spec": {".": {}, "f:size": {}}}`` holds spec and spec.size. A field
that is in the set and has nothing below it may be written ``{}``; inside, the mark ``.`` is always
there. Elements of a path: ``f:`` a field, ``k:`` an item of a list by its keys, ``v:`` by its
value, ``i:`` by its place. Used by managedfields and fieldwalks; semantics as in
sigs.k8s.io/structured-merge-diff/fieldpath. Sets are never changed in place.
"""

import json
from collections.abc import Iterator
from typing import Any

from controller.local.structural.nodes import Node

Fields = dict[str, Any]
MEMBER = "."
_IN: Fields = {MEMBER: {}}


class FieldsError(ValueError):
    """This is not the form that sets of fields have."""


def parsed(fields: Any) -> Fields:
    """A FieldsV1 with the mark on every field that is in the set. Raises FieldsError."""
    if not isinstance(fields, dict):
        raise FieldsError("a set of fields is an object")
    found = {}
    for key, below in fields.items():
        if key == MEMBER:
            found[key] = below
            continue
        kind, colon, text = key.partition(":")
        if kind not in ("f", "k", "v", "i") or not colon:
            raise FieldsError(f"{key}: not an element of a path")
        if kind in ("k", "v") and not _is_item(kind, text):
            raise FieldsError(f"{key}: not an item of a list")
        found[key] = parsed(below) if below else _IN
    return found


def _is_item(kind: str, text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict) is (kind == "k")
    except (ValueError, RecursionError):
        return False


def printed(fields: Fields) -> Fields:
    """The FieldsV1 of a set, its elements sorted as a real API server sorts them."""
    return {
        key: {} if key == MEMBER or below.keys() == {MEMBER} else printed(below)
        for key, below in sorted(fields.items())
    }


def union(one: Fields, other: Fields) -> Fields:
    if not one or not other:
        return one or other
    found = dict(one)
    for key, below in other.items():
        mine = found.get(key)
        found[key] = below if mine is None else (mine if key == MEMBER else union(mine, below))
    return found


def difference(one: Fields, other: Fields) -> Fields:
    """What is in ``one`` and not in ``other``; fields below one that is in both stay."""
    if not other:
        return one
    found = {}
    for key, below in one.items():
        if key == MEMBER:
            if MEMBER not in other:
                found[key] = below
        elif key not in other:
            found[key] = below
        elif rest := difference(below, other[key]):
            found[key] = rest
    return found


def intersection(one: Fields, other: Fields) -> Fields:
    found = {}
    for key, below in one.items():
        if key in other:
            both = below if key == MEMBER else intersection(below, other[key])
            if both or key == MEMBER:
                found[key] = both
    return found


def named(fields: Fields, node: Node | None) -> Fields:
    """The set with each field that the schema names and that only has fields below it in the set.

    The fields of an object belong to it without being owned; the keys of a map do not.
    """
    found = {}
    for key, below in fields.items():
        if key == MEMBER:
            found[key] = below
            continue
        child = below_of(key, node)
        inner = named(below, child)
        if MEMBER not in inner and key.startswith("f:") and _is_named(key[2:], node):
            inner = {MEMBER: {}, **inner}
        found[key] = inner
    return found


def _is_named(name: str, node: Node | None) -> bool:
    return node is not None and name in node.properties


def below_of(element: str, node: Node | None) -> Node | None:
    """The schema below a path element; None where nothing is known."""
    if node is None:
        return None
    return node.child(element[2:]) if element.startswith("f:") else node.items


def paths(fields: Fields, prefix: str = "") -> Iterator[str]:
    """All fields of the set as text: ``.spec.parts[name="a"].size``."""
    if MEMBER in fields:
        yield prefix
    for key, below in sorted(fields.items()):
        if key != MEMBER:
            yield from paths(below, prefix + _element(key))


def _element(key: str) -> str:
    kind, _, text = key.partition(":")
    match kind:
        case "f":
            return f".{text}"
        case "k":
            keys = json.loads(text).items()
            return "[" + ",".join(f"{k}={_compact(v)}" for k, v in sorted(keys)) + "]"
        case "v":
            return f"[={text}]"
        case _:
            return f"[{text}]"


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def item_element(item: Any, node: Node, index: int) -> str:
    """The path element of an item of a list, by what the list's schema says items are told by."""
    if node.list_type == "set":
        return f"v:{_compact(item)}"
    if node.list_type == "map" and isinstance(item, dict):
        keys = {key: _key(item, key, node) for key in sorted(node.list_keys)}
        return f"k:{_compact({key: value for key, value in keys.items() if value is not None})}"
    return f"i:{index}"


def _key(item: Fields, key: str, node: Node) -> Any:
    if item.get(key) is not None or node.items is None or key not in node.items.properties:
        return item.get(key)
    return node.items.properties[key].default
