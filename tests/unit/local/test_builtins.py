"""Ownership of the fields of built-in kinds: what was recorded, kind by kind."""

import copy
from typing import Any

import pytest

from controller.local import builtins, managedfields
from tests.unit.local import golden


def write(obj: dict[str, Any], subresource: str = "") -> managedfields.Write:
    entry = obj["metadata"]["managedFields"][-1]
    return managedfields.Write(
        entry["manager"], entry["apiVersion"], entry["time"], subresource=subresource
    )


def bare(obj: dict[str, Any]) -> dict[str, Any]:
    obj = copy.deepcopy(obj)
    del obj["metadata"]["managedFields"]
    return obj


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (11, "/Namespace"),
        (16, "apiextensions.k8s.io/CustomResourceDefinition"),
        (167, "/Secret"),
        (175, "/ConfigMap"),
        (179, "coordination.k8s.io/Lease"),
        (187, "/Event"),
        (192, "events.k8s.io/Event"),
    ],
)
def test_a_create_owns_what_was_recorded(number: int, kind: str) -> None:
    answer = golden.answer(number)
    found = managedfields.updated(None, bare(answer), write(answer), builtins.of(kind))
    assert found == answer


@pytest.mark.parametrize(
    ("number", "old", "kind"),
    [
        (169, 167, "/Secret"),
        (172, 169, "/Secret"),
        (177, 175, "/ConfigMap"),
        (181, 179, "coordination.k8s.io/Lease"),
        (189, 187, "/Event"),
    ],
)
def test_an_update_owns_what_was_recorded(number: int, old: int, kind: str) -> None:
    answer, before = golden.answer(number), golden.answer(old)
    found = managedfields.updated(before, bare(answer), write(answer), builtins.of(kind))
    assert found == answer


def test_a_definition_that_is_established_has_its_status_from_the_server() -> None:
    kind = "apiextensions.k8s.io/CustomResourceDefinition"
    before, answer = golden.answer(16), golden.answer(20)
    by = write(answer, "status")
    assert managedfields.updated(before, bare(answer), by, builtins.of(kind)) == answer


def test_a_definition_that_is_changed_has_its_spec_from_who_changed_it() -> None:
    kind = "apiextensions.k8s.io/CustomResourceDefinition"
    before, answer = golden.answer(20), golden.answer(197)
    assert managedfields.updated(before, bare(answer), write(answer), builtins.of(kind)) == answer


def test_a_map_of_a_built_in_kind_is_applied_key_by_key() -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}
    schema = builtins.of("/ConfigMap")

    def by(manager: str) -> managedfields.Write:
        return managedfields.Write(manager, "v1", "2026-01-01T00:00:00Z")

    obj = managedfields.apply(None, {**config, "data": {"a": "1"}}, by("one"), schema)
    obj = managedfields.apply(obj, {**config, "data": {"b": "2"}}, by("two"), schema)
    obj = managedfields.apply(obj, config, by("one"), schema)
    assert obj["data"] == {"b": "2"}
