"""What a schema says beyond single values: unique list items, embedded resources.

Called by Structural after the value checks. Semantics as in
k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype and schema/objectmeta.
"""

import json
from collections.abc import Sequence
from typing import Any

from controller.local import fielderrors, metadata, typed
from controller.local.fielderrors import FieldError
from controller.local.structural.nodes import Node


def check(obj: Any, root: Node, old: Any | None) -> list[FieldError]:
    """Errors of embedded resources, then of lists of type set and map; ``old`` as in checking."""
    if not root.has_invariants:
        return []
    embedded: list[FieldError] = []
    lists: list[FieldError] = []
    _walk(obj, root, "", embedded, lists)
    if old is not None and lists:
        # Duplicates that were stored before may stay: an update of another field is not refused.
        before: list[FieldError] = []
        _walk(old, root, "", [], before)
        lists = [error for error in lists if error not in before]
    return embedded + lists


def _walk(
    value: Any, node: Node, path: str, embedded: list[FieldError], lists: list[FieldError]
) -> None:
    if isinstance(value, dict):
        if node.resource and path:
            embedded += _check_embedded(value, path)
        for key, part in value.items():
            child = node.child(key)
            if child is not None and child.has_invariants:
                _walk(part, child, f"{path}.{key}" if path else key, embedded, lists)
    elif isinstance(value, list):
        if node.list_type in ("set", "map"):
            lists += _check_unique(value, node, path)
        if node.items is not None and node.items.has_invariants:
            for index, item in enumerate(value):
                _walk(item, node.items, f"{path}[{index}]", embedded, lists)


def _check_unique(value: Sequence[Any], node: Node, path: str) -> list[FieldError]:
    found, seen = [], set()
    for index, item in enumerate(value):
        identity = item
        if node.list_type == "map":
            if not isinstance(item, dict):
                continue
            identity = {key: item[key] for key in node.list_keys if key in item}
        text = json.dumps(identity, sort_keys=True)
        if text in seen:
            found.append(fielderrors.duplicate(f"{path}[{index}]", identity))
        seen.add(text)
    return found


def _check_embedded(value: dict[str, Any], path: str) -> list[FieldError]:
    found = []
    for name in ("apiVersion", "kind"):
        part = value.get(name)
        if part is None or part == "":
            found.append(fielderrors.required(f"{path}.{name}", "must not be empty"))
        elif not isinstance(part, str):
            found.append(fielderrors.invalid(f"{path}.{name}", part, "must be a string"))
    given = value.get("metadata")
    if given is None:
        return found
    try:
        meta = typed.METADATA(given, ("ObjectMeta", "metadata"), [])
    except typed.MismatchError as error:
        return [*found, fielderrors.invalid(f"{path}.metadata", given, str(error))]
    # An embedded resource needs no name.
    whole = {"metadata": {"name": "none", **meta}}
    wrong = metadata.check(whole, None, bool(meta.get("namespace")), metadata.path_segment)
    return found + [FieldError(f"{path}.{e.field}", e.reason, e.message) for e in wrong]
