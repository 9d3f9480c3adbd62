"""Field ownership and server-side apply: the recorded conversation, then its corners."""

import copy
import json
import time
import timeit
from typing import Any

import pytest

from controller.local import managedfields
from controller.local.managedfields import Conflict, Write
from controller.local.structural import Structural
from tests.unit.local import golden

VERSION = "golden.example.com/v1"
WIDGET = Structural(golden.crd_version()["schema"]["openAPIV3Schema"], resets=["status"])


def managed(obj: dict[str, Any]) -> Any:
    """The managedFields without their times."""
    entries = copy.deepcopy(obj["metadata"].get("managedFields") or [])
    for entry in entries:
        entry.pop("time", None)
    return entries


def write(obj: dict[str, Any], manager: str = "Python-urllib", **more: Any) -> Write:
    entries = obj["metadata"].get("managedFields") or [{"time": "2026-01-01T00:00:00Z"}]
    return Write(manager, VERSION, max(entry["time"] for entry in entries), **more)


def bare(number: int) -> dict[str, Any]:
    """The recorded answer without what is under test."""
    obj: dict[str, Any] = golden.answer(number)
    obj["metadata"].pop("managedFields", None)
    return obj


@pytest.mark.parametrize("number", [24, 40, 46, 47, 48, 56, 198])
def test_a_create_owns_what_was_recorded(number: int) -> None:
    answer = golden.answer(number)
    assert managedfields.updated(None, bare(number), write(answer), WIDGET) == answer


@pytest.mark.parametrize(
    ("number", "old"), [(74, 73), (83, 78), (84, 83), (85, 84), (93, 86), (98, 93), (200, 198)]
)
def test_an_update_owns_what_was_recorded(number: int, old: int) -> None:
    answer = golden.answer(number)
    found = managedfields.updated(golden.answer(old), bare(number), write(answer), WIDGET)
    assert managed(found) == managed(answer)


@pytest.mark.parametrize(("number", "old"), [(100, 98), (101, 100), (104, 103), (109, 104)])
def test_a_write_of_status_owns_what_was_recorded(number: int, old: int) -> None:
    answer = golden.answer(number)
    by = write(answer, subresource="status")
    found = managedfields.updated(golden.answer(old), bare(number), by, WIDGET)
    assert managed(found) == managed(answer)


def by_owner(entries: Any) -> dict[tuple[str, str], Any]:
    return {(entry["manager"], entry.get("subresource", "")): entry for entry in entries}


def applied(number: int, old: int | None, manager: str, **more: Any) -> Any:
    live = None if old is None else golden.answer(old)
    by = write(golden.answer(number) if "metadata" in more else {"metadata": {}}, manager, **more)
    return managedfields.apply(live, golden.request(number), by, WIDGET)


@pytest.mark.parametrize(
    ("number", "old", "manager", "more"),
    [
        (110, None, "one", {}),
        (111, 110, "one", {}),
        (113, 111, "two", {"force": True}),
        (114, 113, "one", {}),
        (117, 114, "one", {"subresource": "status"}),
    ],
)
def test_an_apply_is_as_recorded(
    number: int, old: int | None, manager: str, more: dict[str, Any]
) -> None:
    answer = golden.answer(number)
    found = applied(number, old, manager, **more)
    WIDGET.default(found)
    assert (found["spec"], found.get("status")) == (answer["spec"], answer.get("status"))
    # The times are those of this test, and order the entries only after their operation.
    assert by_owner(managed(found)) == by_owner(managed(answer))


@pytest.mark.parametrize(("number", "old", "manager"), [(112, 111, "two"), (116, 114, "one")])
def test_an_apply_to_a_field_of_another_is_a_conflict(number: int, old: int, manager: str) -> None:
    with pytest.raises(managedfields.ApplyConflict) as caught:
        applied(number, old, manager)
    (cause,) = golden.causes(number)
    owner = cause["message"].split('"')[1]
    assert caught.value.conflicts == [Conflict(owner, "", cause["field"])]


def test_applying_again_changes_nothing_at_all() -> None:
    first = applied(110, None, "one")
    later = Write("one", VERSION, "2027-01-01T00:00:00Z")
    assert managedfields.apply(first, golden.request(110), later, WIDGET) == first


PARTS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "list": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "v": {"type": "integer"}},
                    },
                },
                "set": {
                    "type": "array",
                    "x-kubernetes-list-type": "set",
                    "items": {"type": "string"},
                },
                "map": {"type": "object", "additionalProperties": {"type": "string"}},
                "whole": {
                    "type": "object",
                    "x-kubernetes-map-type": "atomic",
                    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
                },
            },
        }
    },
}
SCHEMA = Structural(PARTS)


def parts(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": VERSION, "kind": "Part", "metadata": {"name": "p"}, "spec": spec}


def by(manager: str, **more: Any) -> Write:
    return Write(manager, VERSION, "2026-01-01T00:00:00Z", **more)


def put(live: dict[str, Any] | None, manager: str, **spec: Any) -> dict[str, Any]:
    return managedfields.apply(live, parts(**spec), by(manager), SCHEMA)


def test_items_entries_and_values_of_several_managers_live_side_by_side() -> None:
    obj = put(None, "one", list=[{"name": "a", "v": 1}], set=["x"], map={"k": "1"})
    obj = put(obj, "two", list=[{"name": "b", "v": 2}], set=["y"], map={"l": "2"})
    assert obj["spec"] == {
        "list": [{"name": "a", "v": 1}, {"name": "b", "v": 2}],
        "set": ["x", "y"],
        "map": {"k": "1", "l": "2"},
    }
    assert [entry["fieldsV1"] for entry in managed(obj)] == [
        {
            "f:spec": {
                "f:list": {f'k:{{"name":"{name}"}}': {".": {}, "f:name": {}, "f:v": {}}},
                "f:map": {f"f:{key}": {}},
                "f:set": {f'v:"{value}"': {}},
            }
        }
        for name, key, value in (("a", "k", "x"), ("b", "l", "y"))
    ]
    obj = put(obj, "one")
    assert obj["spec"] == {"list": [{"name": "b", "v": 2}], "set": ["y"], "map": {"l": "2"}}


def test_a_field_that_two_managers_apply_stays_until_both_leave_it_out() -> None:
    obj = put(put(None, "one", map={"k": "1"}), "two", map={"k": "1"})
    obj = put(obj, "one")
    assert obj["spec"] == {"map": {"k": "1"}}
    assert put(obj, "two")["spec"] == {}


def test_a_field_that_nobody_owns_stays() -> None:
    obj = put(None, "one", map={"k": "1"})
    obj["spec"]["map"]["defaulted"] = "d"
    assert put(obj, "one", map={})["spec"] == {"map": {"defaulted": "d"}}


def test_an_atomic_map_is_applied_as_a_whole() -> None:
    obj = put(None, "one", whole={"a": 1})
    with pytest.raises(managedfields.ApplyConflict) as caught:
        put(obj, "two", whole={"b": 2})
    assert caught.value.conflicts == [Conflict("one", "", ".spec.whole")]
    assert put(obj, "one", whole={"b": 2})["spec"] == {"whole": {"b": 2}}


def test_the_order_of_the_applied_list_wins_and_others_stay_where_they_were() -> None:
    live = put(None, "one", set=["a", "b", "c"])
    assert put(live, "two", set=["c", "x", "a"])["spec"] == {"set": ["b", "c", "x", "a"]}


def test_applying_a_long_list_again_takes_no_longer_for_its_length() -> None:
    items = [f"item-{number}" for number in range(10_000)]
    live = put(None, "one", set=items)
    start = time.process_time()
    assert put(live, "one", set=items[::-1])["spec"] == {"set": items[::-1]}
    assert time.process_time() - start < 1


def test_an_update_takes_the_fields_it_changes_and_conflicts_name_its_version() -> None:
    obj = put(None, "one", list=[{"name": "a", "v": 1}])
    new = copy.deepcopy(obj)
    new["spec"]["list"][0]["v"] = 9
    obj = managedfields.updated(obj, new, by("editor"), SCHEMA)
    assert [(e["manager"], e["operation"], e["fieldsV1"]) for e in managed(obj)] == [
        ("one", "Apply", {"f:spec": {"f:list": {'k:{"name":"a"}': {".": {}, "f:name": {}}}}}),
        ("editor", "Update", {"f:spec": {"f:list": {'k:{"name":"a"}': {"f:v": {}}}}}),
    ]
    with pytest.raises(managedfields.ApplyConflict) as caught:
        put(obj, "one", list=[{"name": "a", "v": 1}])
    assert caught.value.conflicts == [Conflict("editor", VERSION, '.spec.list[name="a"].v')]


def test_an_update_that_removes_a_field_takes_it_from_all() -> None:
    obj = put(None, "one", map={"k": "1", "l": "2"})
    obj = managedfields.updated(obj, parts(map={"l": "2"}), by("editor"), SCHEMA)
    assert [entry["fieldsV1"] for entry in managed(obj)] == [{"f:spec": {"f:map": {"f:l": {}}}}]


def test_an_object_that_nobody_is_known_to_own_is_not_taken_silently() -> None:
    with pytest.raises(managedfields.ApplyConflict) as caught:
        put(parts(map={"k": "1"}), "one", map={"k": "2"})
    assert caught.value.conflicts == [Conflict("before-first-apply", VERSION, ".spec.map.k")]


def test_kubectl_takes_over_what_its_client_side_apply_wrote() -> None:
    live = parts(map={"k": "1"})
    live["metadata"]["annotations"] = {managedfields.LAST_APPLIED: "{}"}
    live = managedfields.updated(None, live, by("kubectl-client-side-apply"), SCHEMA)
    taken = put(live, "kubectl", map={"k": "2"})
    assert taken["spec"] == {"map": {"k": "2"}}
    said = taken["metadata"]["annotations"][managedfields.LAST_APPLIED]
    assert json.loads(said) == parts(map={"k": "2"})
    with pytest.raises(managedfields.ApplyConflict):
        put(live, "someone", map={"k": "2"})


def test_managed_fields_in_an_update_count() -> None:
    obj = managedfields.updated(None, parts(map={"k": "1"}), by("kubectl-create"), SCHEMA)
    moved = copy.deepcopy(obj)
    moved["metadata"]["managedFields"][0] |= {"manager": "kubectl", "operation": "Apply"}
    assert managed(managedfields.updated(obj, moved, by("kubectl"), SCHEMA)) == managed(moved)
    reset = copy.deepcopy(obj)
    reset["metadata"]["managedFields"] = [{}]
    assert managed(managedfields.updated(obj, reset, by("kubectl"), SCHEMA)) == []
    left_out = parts(map={"k": "1"})
    assert managed(managedfields.updated(obj, left_out, by("x"), SCHEMA)) == managed(obj)


APPLIED: dict[str, Any] = {
    "manager": "m",
    "operation": "Apply",
    "apiVersion": VERSION,
    "fieldsType": "FieldsV1",
    "fieldsV1": {"f:spec": {}},
}


@pytest.mark.parametrize(
    "entry",
    [
        "text",
        {**APPLIED, "fieldsV1": "x"},
        *({**APPLIED, "fieldsV1": {key: {}}} for key in ("x", "k:{", "k:[]", "v:{}", "f")),
        {**APPLIED, "fieldsV1": {"k:" + '{"a":' * 3_000: {}}},
        {**APPLIED, "operation": "Patch"},
        {**APPLIED, "fieldsType": "FieldsV2"},
        {**APPLIED, "apiVersion": ""},
    ],
)
def test_managed_fields_that_make_no_sense_are_ignored(entry: Any) -> None:
    obj = managedfields.updated(None, parts(map={"k": "1"}), by("one"), SCHEMA)
    nonsense = copy.deepcopy(obj)
    nonsense["metadata"]["managedFields"] = [entry]
    assert managedfields.updated(obj, nonsense, by("two"), SCHEMA) == obj


def test_the_oldest_of_many_updaters_become_one_entry() -> None:
    obj = parts(map={})
    for number in range(13):
        new = copy.deepcopy(obj)
        new["spec"]["map"][f"k{number}"] = "v"
        when = f"2026-01-01T00:00:{number:02}Z"
        obj = managedfields.updated(obj, new, Write(f"m{number}", VERSION, when), SCHEMA)
    names = [entry["manager"] for entry in managed(obj)]
    assert names == ["ancient-changes", *(f"m{number}" for number in range(4, 13))]
    owned = managed(obj)[0]["fieldsV1"]["f:spec"]["f:map"]
    assert sorted(owned) == ["f:k0", "f:k1", "f:k2", "f:k3"]


def test_nothing_given_is_changed() -> None:
    live, patch = golden.answer(113), golden.request(114)
    before = copy.deepcopy((live, patch))
    managedfields.apply(live, patch, write(live, "one"), WIDGET)
    managedfields.updated(live, bare(114), write(live), WIDGET)
    assert (live, patch) == before


def test_a_plain_update_of_an_object_of_5_kb_takes_well_under_a_millisecond() -> None:
    spec = {"map": {f"key-{n}": "x" * 30 for n in range(100)}}
    old = managedfields.updated(None, parts(**spec), by("one"), SCHEMA)
    new = copy.deepcopy(old)
    new["spec"]["map"]["key-7"] = "changed"
    runs = timeit.repeat(
        lambda: managedfields.updated(old, new, by("two"), SCHEMA),
        timer=time.process_time,
        repeat=5,
        number=40,
    )
    assert min(runs) / 40 < 0.001
