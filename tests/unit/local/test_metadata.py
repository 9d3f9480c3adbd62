"""Metadata checks say what a real kube-apiserver says."""

from typing import Any

import pytest

from controller.local import fielderrors, metadata
from tests.unit.local import golden


def widget(number: int) -> dict[str, Any]:
    sent: dict[str, Any] = golden.request(number)
    sent["metadata"].setdefault("namespace", "golden")
    return sent


@pytest.mark.parametrize("number", [58, 59, 71])
def test_a_refused_create_has_the_recorded_causes(number: int) -> None:
    found = metadata.check(widget(number), None, namespaced=True)
    assert [error.cause for error in found] == golden.causes(number)


def test_a_missing_name_is_the_first_recorded_cause() -> None:
    found = metadata.check(widget(57), None, namespaced=True)
    assert [error.cause for error in found] == golden.causes(57)[:1]


def test_the_name_of_a_namespace_is_a_label() -> None:
    found = metadata.check(golden.request(13), None, namespaced=False, naming=metadata.dns_label)
    assert fielderrors.invalid_status("Namespace", "", "Bad_Name", found) == golden.answer(13)


def test_a_new_finalizer_on_a_deleted_object_is_told_once_and_listed_twice() -> None:
    old = golden.answer(155)
    new = {**old, "metadata": {**old["metadata"], **golden.request(156)["metadata"]}}
    found = metadata.check(new, old, namespaced=True)
    status = fielderrors.invalid_status("Widget", "golden.example.com", "b", found)
    assert status == golden.answer(156)


def test_another_kind_in_the_body_is_refused() -> None:
    found = metadata.check_type(golden.request(60), "golden.example.com/v1", "Widget")
    assert [error.cause for error in found] == golden.causes(60)


@pytest.mark.parametrize("number", [24, 46, 198])
def test_an_accepted_object_has_no_errors(number: int) -> None:
    assert metadata.check(widget(number), None, namespaced=True) == []


def test_a_generated_name_may_end_in_a_dash() -> None:
    assert metadata.dns_subdomain("gen-", prefix=True) == []
    assert metadata.dns_subdomain("gen-") != []


ROWS: list[tuple[str, dict[str, Any], str]] = [
    (
        "a label's value has no spaces",
        {"labels": {"a": "b c"}},
        'metadata.labels: Invalid value: "b c": a valid label must be an empty string or consist '
        "of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
        "character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
        "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
    ),
    (
        "a finalizer has a qualified name",
        {"finalizers": ["a/b/c"]},
        'metadata.finalizers: Invalid value: "a/b/c": a qualified name must consist of '
        "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
        "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
        "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and "
        "'/' (e.g. 'example.com/MyName')",
    ),
    (
        "an owner has a uid",
        {"ownerReferences": [{"apiVersion": "v1", "kind": "Secret", "name": "s"}]},
        'metadata.ownerReferences.uid: Invalid value: "": must not be empty',
    ),
    (
        "annotations together have at most 256 KiB",
        {"annotations": {"a": "x" * 256 * 1024}},
        "metadata.annotations: Too long: may not be more than 262144 bytes",
    ),
    (
        "a namespaced object has a namespace",
        {"namespace": ""},
        "metadata.namespace: Required value",
    ),
]


@pytest.mark.parametrize(("meta", "error"), [row[1:] for row in ROWS], ids=[r[0] for r in ROWS])
def test_metadata_is_refused_because(meta: dict[str, Any], error: str) -> None:
    obj = {"metadata": {"name": "a", "namespace": "golden", **meta}}
    assert list(map(str, metadata.check(obj, None, namespaced=True))) == [error]


def test_a_namespace_is_not_allowed_on_a_cluster_scoped_object() -> None:
    obj = {"metadata": {"name": "a", "namespace": "golden"}}
    found = metadata.check(obj, None, namespaced=False)
    assert list(map(str, found)) == ["metadata.namespace: Forbidden: not allowed on this type"]


def test_what_the_server_sets_cannot_be_changed() -> None:
    old = {"metadata": {"name": "a", "uid": "1", "resourceVersion": "1"}}
    new = {"metadata": {"name": "a", "uid": "2", "resourceVersion": "1"}}
    found = metadata.check(new, old, namespaced=True)
    assert list(map(str, found)) == 2 * ['metadata.uid: Invalid value: "2": field is immutable']
