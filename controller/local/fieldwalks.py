"""Walks over objects by their schema: which fields there are, what differs, merged, without some.

Used by managedfields, on objects as JSON has them. Where the schema says nothing, maps are
granular and lists atomic. Semantics as in sigs.k8s.io/structured-merge-diff/typed; objects are
never changed in place, and results may share parts with what was given.
"""

import collections
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from controller.local import fieldsets
from controller.local.fieldsets import MEMBER, Fields
from controller.local.structural import checking
from controller.local.structural.nodes import Node

ABSENT: Final = object()


class Changes(NamedTuple):
    """What differs between two objects; the three sets have no field in common."""

    added: Fields
    modified: Fields
    removed: Fields


def _granular(value: Any, node: Node | None) -> bool:
    """Whether a value has fields of its own, or is owned as a whole."""
    if isinstance(value, dict):
        return node is None or not node.atomic
    return isinstance(value, list) and node is not None and not node.atomic


def _parts(value: Any, node: Node | None) -> dict[str, Any]:
    """The parts of a granular value by path element; the last of items that are told alike."""
    if isinstance(value, dict):
        return {f"f:{key}": part for key, part in value.items()}
    if isinstance(value, list) and node is not None:
        elements = (fieldsets.item_element(item, node, i) for i, item in enumerate(value))
        return dict(zip(elements, value, strict=True))
    return {}


def fields(value: Any, node: Node | None) -> Fields:
    """All fields of a configuration that somebody applies.

    A field that the schema names is in the set only with a value of its own: an object is not
    owned by who owns its fields, a map's entry and a list's item are. (Kubernetes has nobody own
    an empty granular list; with that, applying the same again could change something.)
    """
    found: Fields = {}
    if not _granular(value, node):
        return {MEMBER: {}}
    for element, part in _parts(value, node).items():
        child = fieldsets.below_of(element, node)
        below = fields(part, child)
        known = node is not None and element[2:] in node.properties
        entry = not element.startswith("f:") or not known
        if (entry or part in ({}, [], None)) and MEMBER not in below:
            below = {MEMBER: {}, **below}
        if below:
            found[element] = below
    return found


def compare(old: Any, new: Any, node: Node | None) -> Changes:
    """What was added, modified and removed from ``old`` to ``new``; ABSENT is no value at all."""
    if old is not ABSENT and new is not ABSENT and checking.same(old, new):
        return Changes({}, {}, {})
    granular = [value for value in (old, new) if _granular(value, node)]
    leaf = not granular or not any(granular)
    if leaf:
        return _changed_leaf(old, new)
    mine, theirs = (_parts(value, node) if _granular(value, node) else {} for value in (old, new))
    found = Changes({}, {}, {})
    for element in [*mine, *(element for element in theirs if element not in mine)]:
        child = fieldsets.below_of(element, node)
        below = compare(mine.get(element, ABSENT), theirs.get(element, ABSENT), child)
        for all_of_kind, part in zip(found, below, strict=True):
            if part:
                all_of_kind[element] = part
    if old is ABSENT:
        found.added[MEMBER] = {}
    elif new is ABSENT:
        found.removed[MEMBER] = {}
    elif None not in (old, new) and type(old) is not type(new):
        found.modified[MEMBER] = {}
    return found


def _changed_leaf(old: Any, new: Any) -> Changes:
    leaf: Fields = {MEMBER: {}}
    if old is ABSENT:
        return Changes(leaf, {}, {})
    return Changes({}, {}, leaf) if new is ABSENT else Changes({}, leaf, {})


def merge(live: Any, applied: Any, node: Node | None) -> Any:
    """``live`` with everything that ``applied`` says; lists keep the order that both agree on."""
    if live is ABSENT or not _granular(live, node):
        return applied
    if applied is None and live:
        return live
    if not _granular(applied, node) or isinstance(live, dict) is not isinstance(applied, dict):
        return applied
    if isinstance(live, dict):
        merged = dict(live)
        for key, part in applied.items():
            child = None if node is None else node.child(key)
            merged[key] = merge(live.get(key, ABSENT), part, child)
        return merged
    mine, theirs = _parts(live, node), _parts(applied, node)
    items = None if node is None else node.items
    return [
        merge(mine.get(element, ABSENT), theirs[element], items)
        if element in theirs
        else mine[element]
        for element in _merged_order(list(mine), list(theirs))
    ]


def _merged_order(live: list[str], applied: list[str]) -> Iterator[str]:
    """Applied items in their order, and between them the others where they were."""
    there, wanted = set(live), set(applied)
    shared = collections.deque(element for element in applied if element in there)
    at, given = 0, 0
    done: set[str] = set()
    while at < len(live) or given < len(applied):
        mine = live[at] if at < len(live) else None
        if mine is not None and mine not in wanted:
            yield mine
            at += 1
        elif mine is not None and (
            mine in done or (given < len(applied) and shared and shared[0] != mine)
        ):
            at += 1  # it has its place among the applied items
        else:
            theirs = applied[given]
            yield theirs
            done.add(theirs)
            given += 1
            if shared and shared[0] == theirs:
                shared.popleft()


def remove(value: Any, gone: Fields, node: Node | None) -> Any:
    """``value`` without the fields in ``gone``.

    A map or list that has nothing left stays, empty: had nobody owned it, it would be in ``gone``
    itself. (Kubernetes leaves a null, which the schema of a custom resource mostly refuses.)
    """
    if not gone or not value or not _granular(value, node):
        return value
    kept = {}
    for element, part in _parts(value, node).items():
        below = gone.get(element) or {}
        if MEMBER in below:
            continue
        kept[element] = remove(part, below, fieldsets.below_of(element, node)) if below else part
    if isinstance(value, dict):
        return {element[2:]: part for element, part in kept.items()}
    return list(kept.values())
