"""Random objects: what must hold for every one of them."""

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.local import fieldsets, fieldwalks, managedfields
from controller.local.managedfields import ApplyConflict, Write
from controller.local.structural import Structural

SCHEMA = Structural(
    {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "text": {"type": "string", "default": "d"},
                    "maybe": {"type": "string", "nullable": True},
                    "map": {"type": "object", "additionalProperties": {"type": "string"}},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    "set": {
                        "type": "array",
                        "x-kubernetes-list-type": "set",
                        "items": {"type": "string"},
                    },
                    "items": {
                        "type": "array",
                        "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["k"],
                        "items": {
                            "type": "object",
                            "required": ["k"],
                            "properties": {
                                "k": {"type": "string"},
                                "v": {"type": "integer", "default": 1},
                            },
                        },
                    },
                    "list": {"type": "array", "items": {"type": "string"}},
                },
            }
        },
    }
)

names = st.sampled_from(["a", "b", "c", "k", "v", "text", "map", "items"])
scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["x", "y"])
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)


def _key(item: Any) -> str:
    return str(item["k"])


def _text(item: Any) -> str:
    return json.dumps(item, sort_keys=True)


texts = st.sampled_from(["x", "y", "z"])
items = st.fixed_dictionaries({"k": texts}, optional={"v": st.integers(0, 2)})
specs = st.fixed_dictionaries(
    {},
    optional={
        "text": texts,
        "map": st.dictionaries(names, texts, max_size=3),
        "free": st.dictionaries(names, anything, max_size=3),
        "set": st.lists(texts, unique=True, max_size=3),
        "items": st.lists(items, unique_by=_key, max_size=3),
        "list": st.lists(texts, max_size=3),
    },
)


def obj(spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "X", "metadata": {"name": "a"}, "spec": spec}


def write(manager: str, force: bool = False) -> Write:
    return Write(manager, "v1", "2026-01-01T00:00:00Z", force=force)


@settings(max_examples=40, deadline=None)
@given(anything)
def test_pruning_and_defaulting_again_changes_nothing(spec: Any) -> None:
    found = obj(spec)
    SCHEMA.prune(found)
    SCHEMA.default(found)
    again = copy.deepcopy(found)
    assert SCHEMA.prune(again) == []
    SCHEMA.default(again)
    assert again == found


@settings(max_examples=40, deadline=None)
@given(anything)
def test_any_object_is_validated_without_a_crash(spec: Any) -> None:
    SCHEMA.validate(obj(spec), obj({}))


@settings(max_examples=40, deadline=None)
@given(specs, specs, specs)
def test_applying_twice_equals_once(one: Any, two: Any, three: Any) -> None:
    live = managedfields.apply(None, obj(one), write("one"), SCHEMA)
    live = managedfields.apply(live, obj(two), write("two", force=True), SCHEMA)
    once = managedfields.apply(live, obj(three), write("one", force=True), SCHEMA)
    twice = managedfields.apply(once, obj(three), write("one"), SCHEMA)
    assert twice == once


@settings(max_examples=40, deadline=None)
@given(specs, specs)
def test_what_was_applied_is_there_and_what_others_applied_stays(one: Any, two: Any) -> None:
    live = managedfields.apply(None, obj(one), write("one"), SCHEMA)
    try:
        both = managedfields.apply(live, obj(two), write("two"), SCHEMA)
    except ApplyConflict:
        return
    node = SCHEMA.fields.properties["spec"]
    for spec in (one, two):
        assert _sorted(fieldwalks.merge(both["spec"], spec, node)) == _sorted(both["spec"])


@settings(max_examples=40, deadline=None)
@given(specs, specs)
def test_a_lone_manager_has_exactly_what_it_applied_last(one: Any, two: Any) -> None:
    live = managedfields.apply(None, obj(one), write("one"), SCHEMA)
    found = managedfields.apply(live, obj(two), write("one"), SCHEMA)
    fresh = managedfields.apply(None, obj(two), write("one"), SCHEMA)
    assert _sorted(found["spec"]) == _sorted(fresh["spec"])


def _sorted(spec: Any) -> Any:
    """Items of granular lists may keep the order that they had before."""
    lists = ("set", "items")
    return {name: sorted(v, key=_text) if name in lists else v for name, v in spec.items()}


@settings(max_examples=40, deadline=None)
@given(specs, specs)
def test_comparing_tells_apart_exactly_what_differs(one: Any, two: Any) -> None:
    changes = fieldwalks.compare(obj(one), obj(two), SCHEMA.fields)
    assert any(changes) == (_sorted(one) != _sorted(two))
    back = fieldwalks.compare(obj(two), obj(one), SCHEMA.fields)
    assert (back.added, back.removed) == (changes.removed, changes.added)


@settings(max_examples=40, deadline=None)
@given(specs, specs, st.integers(0, 3))
def test_an_update_owns_all_that_is_new(one: Any, two: Any, writer: int) -> None:
    old = managedfields.updated(None, obj(one), write("first"), SCHEMA)
    new = managedfields.updated(old, obj(two), write(f"writer-{writer}"), SCHEMA)
    owned: dict[str, Any] = {}
    for entry in new["metadata"].get("managedFields", []):
        owned = fieldsets.union(owned, fieldsets.parsed(entry["fieldsV1"]))
    changes = fieldwalks.compare(obj(one), obj(two), SCHEMA.fields)
    for fields in (changes.added, changes.modified):
        assert fieldsets.difference(fields, owned) == {}
    assert fieldsets.intersection(owned, changes.removed) == {}
