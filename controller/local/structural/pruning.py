"""Pruning: fields that a schema does not know are dropped, and their paths told.

Called by Structural on everything that is read from a request. Semantics as in
k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning.
"""

from typing import Any

from controller.local.structural.nodes import METADATA_FIELDS, Node

_TYPE_META = frozenset({"apiVersion", "kind"})


def prune(obj: Any, root: Node) -> list[str]:
    """Drops unknown fields of ``obj`` in place; returns their paths."""
    unknown: list[str] = []
    _prune_value(obj, root, "", unknown)
    return unknown


def _prune_value(value: Any, node: Node | None, path: str, unknown: list[str]) -> None:
    if isinstance(value, dict):
        _prune_map(value, node, path, unknown)
    elif isinstance(value, list):
        items = node.items if node else None
        if items is None and node is not None and node.preserve:
            return
        for index, item in enumerate(value):
            if isinstance(item, dict | list):
                _prune_value(item, items, f"{path}[{index}]", unknown)


def _prune_map(value: dict[str, Any], node: Node | None, path: str, unknown: list[str]) -> None:
    for key in list(value):
        field = f"{path}.{key}" if path else key
        if node is not None and node.resource and (key in _TYPE_META or key == "metadata"):
            if key == "metadata":
                _prune_metadata(value[key], field, unknown)
            continue
        child = node.properties.get(key) if node else None
        if child is None and node is not None:
            child = node.values
        if child is not None:
            _prune_value(value[key], child, field, unknown)
        elif node is not None and node.free_values:
            # The values are allowed, but nothing is known of what is in them.
            _prune_value(value[key], None, field, unknown)
        elif node is None or not node.preserve:
            unknown.append(field)
            del value[key]


def _prune_metadata(meta: Any, path: str, unknown: list[str]) -> None:
    if isinstance(meta, dict):
        for key in [key for key in meta if key not in METADATA_FIELDS]:
            unknown.append(f"{path}.{key}")
            del meta[key]
