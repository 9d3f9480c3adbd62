"""Defaulting: what is absent gets the schema's default.

Called by Structural after pruning. A null where the schema has no ``nullable`` counts as absent:
it is replaced by the default, or dropped where there is none. Semantics as in
k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting.
"""

import copy
from typing import Any

from controller.local.structural.nodes import Node


def drop_nulls(value: Any, node: Node | None) -> None:
    """Drops nulls that are not nullable and have no default, in place."""
    if node is None:
        return
    if isinstance(value, dict):
        for key in list(value):
            child = node.child(key)
            if value[key] is None:
                if child is not None and not child.nullable and child.default is None:
                    del value[key]
            else:
                drop_nulls(value[key], child)
    elif isinstance(value, list) and node.items is not None:
        for item in value:
            drop_nulls(item, node.items)


def default(value: Any, node: Node) -> None:
    """Fills in the defaults of ``node`` and of all below it, in place."""
    if not node.has_defaults:
        return
    if isinstance(value, dict):
        for key, child in node.properties.items():
            if child.default is not None and (
                key not in value or (value[key] is None and not child.nullable)
            ):
                value[key] = copy.deepcopy(child.default)
        for key, part in value.items():
            value[key] = _defaulted(part, node.child(key))
    elif isinstance(value, list) and node.items is not None:
        value[:] = [_defaulted(item, node.items) for item in value]


def _defaulted(value: Any, node: Node | None) -> Any:
    if node is None:
        return value
    if value is None and not node.nullable and node.default is not None:
        value = copy.deepcopy(node.default)
    default(value, node)
    return value
