"""Selectors: who is selected, and what a real kube-apiserver says to the rest."""

from typing import Any

import pytest

from controller.local import selectors
from tests.unit.local import golden

WIDGET = selectors.of_crd(golden.crd_version(), namespaced=True)


def widgets() -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = golden.answer(118)["items"]
    return items


@pytest.mark.parametrize(
    ("number", "text"),
    [(120, "app=one"), (121, "app in (one,two),tier"), (122, "app!=one")],
)
def test_a_label_selector_selects_what_was_recorded(number: int, text: str) -> None:
    selector = selectors.labels(text)
    selected = [w for w in widgets() if selector.matches(w["metadata"].get("labels"))]
    assert selected == golden.answer(number)["items"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (124, "metadata.name=a"),
        (125, "metadata.namespace=golden"),
        (126, "spec.color=blue"),
    ],
)
def test_a_field_selector_selects_what_was_recorded(number: int, text: str) -> None:
    selector = selectors.fields(text, WIDGET)
    assert [w for w in widgets() if selector.matches(w)] == golden.answer(number)["items"]


def test_a_bad_label_selector_has_the_recorded_message() -> None:
    with pytest.raises(selectors.SelectorError) as caught:
        selectors.labels("==")
    assert str(caught.value) == golden.answer(123)["message"]


def test_a_field_that_is_not_selectable_has_the_recorded_message() -> None:
    with pytest.raises(selectors.SelectorError) as caught:
        selectors.fields("spec.size=3", WIDGET)
    assert str(caught.value) == golden.answer(127)["message"]


@pytest.mark.parametrize(
    ("text", "labels", "selected"),
    [
        ("", {}, True),
        ("a", {"a": ""}, True),
        ("!a", {"a": ""}, False),
        ("!a", {}, True),
        ("a=", {"a": ""}, True),
        ("a==b", {"a": "b"}, True),
        ("a != b", {}, True),
        ("a notin (b, c)", {"a": "c"}, False),
        ("a notin (b, c)", {}, True),
        ("a in (b,)", {"a": ""}, True),
        ("in in (in)", {"in": "in"}, True),
        ("a>1,a<5", {"a": "3"}, True),
        ("a>3", {"a": "3"}, False),
        ("a>3", {"a": "x"}, False),
        ("x.io/a=b,c", {"x.io/a": "b"}, False),
    ],
)
def test_labels_are_selected(text: str, labels: dict[str, str], selected: bool) -> None:
    assert selectors.labels(text).matches(labels) is selected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a in", "unable to parse requirement: found '' expected: '('"),
        (
            "a b",
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
        ),
        ("a=b,", "found '', expected: identifier after ','"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        (
            "a>x",
            'unable to parse requirement: values[0]: Invalid value: "x": '
            "for 'Gt', 'Lt' operators, the value must be an integer",
        ),
        (
            "a in ()",
            "unable to parse requirement: values: Invalid value: []: "
            "for 'in', 'notin' operators, values set can't be empty",
        ),
    ],
)
def test_a_label_selector_is_refused(text: str, message: str) -> None:
    with pytest.raises(selectors.SelectorError) as caught:
        selectors.labels(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("", True),
        ("metadata.name=a", True),
        ("metadata.name!=a", False),
        ("metadata.name==a,spec.color=re\\,d\\=\\\\", True),
        ("spec.color=", False),
    ],
)
def test_fields_are_selected(text: str, selected: bool) -> None:
    obj = {"metadata": {"name": "a"}, "spec": {"color": "re,d=\\"}}
    assert selectors.fields(text, WIDGET).matches(obj) is selected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "metadata.name",
            "invalid selector: 'metadata.name'; can't understand 'metadata.name'",
        ),
        (
            "metadata.name=a\\b",
            "invalid field selector: invalid escape sequence: \\b",
        ),
        (
            "metadata.name=a=b",
            "invalid field selector: unescaped character in value: =",
        ),
    ],
)
def test_a_field_selector_is_refused(text: str, message: str) -> None:
    with pytest.raises(selectors.SelectorError) as caught:
        selectors.fields(text, WIDGET)
    assert str(caught.value) == message


def test_the_one_wanted_name_is_known_for_a_look_up() -> None:
    selector = selectors.fields("metadata.name=a,spec.color!=red", WIDGET)
    assert (selector.exactly("metadata.name"), selector.exactly("spec.color")) == (
        "a",
        None,
    )
