"""What a schema says beyond single values: unique list items, embedded resources.

Called by Structural after the value checks. Semantics as in
k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype and schema/objectmeta.
"""

import json
from collections.abc import Sequence
from typing import Any

from controller.local import fielderrors, metadata
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
    if not value.get("apiVersion"):
        found.append(fielderrors.required(f"{path}.apiVersion", "must not be empty"))
    if not value.get("kind"):
        found.append(fielderrors.required(f"{path}.kind", "must not be empty"))
    meta = value.get("metadata")
    if isinstance(meta, dict) and meta.get("name"):
        namespaced = bool(meta.get("namespace"))
        wrong = metadata.check(value, None, namespaced)
        found += [FieldError(f"{path}.{e.field}", e.reason, e.message) for e in wrong]
    return found
