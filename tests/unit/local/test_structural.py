"""Pruning, defaulting and validation: the recorded answers, then what they do not show."""

import copy
from typing import Any

import pytest

from controller.local import fielderrors, metadata
from controller.local.structural import Structural
from tests.unit.local import golden

WIDGET = Structural(golden.crd_version()["schema"]["openAPIV3Schema"])
GROUP = "golden.example.com"


def received(number: int) -> dict[str, Any]:
    """The object of a recorded create, as it stands when validation begins."""
    obj: dict[str, Any] = golden.request(number)
    obj["metadata"].setdefault("namespace", "golden")
    obj.pop("status", None)
    WIDGET.prune(obj)
    WIDGET.default(obj)
    return obj


def schema_of(spec: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"spec": spec}}


def told(schema: dict[str, Any], value: Any, *old: Any) -> list[str]:
    """The errors of an object whose ``spec`` is of that schema and value."""
    before = {"spec": old[0]} if old else None
    return list(map(str, Structural(schema_of(schema)).validate({"spec": value}, before)))


INVALID = [31, 32, 33, 34, 35, 36, 37, 38, 39, 41, 43, 44, 45, 57, 58, 59, 71]


@pytest.mark.parametrize("number", INVALID, ids=[golden.step(n)["title"] for n in INVALID])
def test_a_refused_create_gets_the_recorded_answer(number: int) -> None:
    obj = received(number)
    found = metadata.check(obj, None, namespaced=True)
    errors = WIDGET.validate(obj, None, found)
    name = obj["metadata"].get("name", "")
    assert fielderrors.invalid_status("Widget", GROUP, name, errors) == golden.answer(number)


def test_two_errors_are_the_recorded_ones_in_the_order_of_the_schema() -> None:
    first, second, unchecked = golden.causes(42)
    found = [error.cause for error in WIDGET.validate(received(42))]
    assert found == [second, first, unchecked]


@pytest.mark.parametrize("number", [24, 40, 46, 47, 48, 50, 51, 54])
def test_an_accepted_create_is_stored_as_recorded(number: int) -> None:
    obj = received(number)
    assert obj["spec"] == golden.answer(number)["spec"]
    assert WIDGET.validate(obj) == []


@pytest.mark.parametrize(
    ("number", "old_number", "patch"),
    [
        (88, 86, {"spec": {"size": 99}}),
        (99, 98, {"spec": {"cancel": False}}),
        (105, 104, {"status": {"phase": "Odd"}}),
    ],
)
def test_a_refused_update_has_the_recorded_causes(
    number: int, old_number: int, patch: dict[str, Any]
) -> None:
    old = golden.answer(old_number)
    new = copy.deepcopy(old)
    for part, fields in patch.items():
        new[part].update(fields)
    assert [e.cause for e in WIDGET.validate(new, old)] == golden.causes(number)


def test_unknown_fields_are_dropped_and_told_by_path() -> None:
    structural = Structural(
        schema_of(
            {
                "type": "object",
                "properties": {
                    "list": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"a": {"type": "string"}}},
                    },
                    "map": {"type": "object", "additionalProperties": {"type": "object"}},
                    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                    "any": {"type": "object", "additionalProperties": True},
                    "embedded": {"type": "object", "x-kubernetes-embedded-resource": True},
                },
            }
        )
    )
    obj = {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "a", "nope": 1},
        "nope": 1,
        "spec": {
            "list": [{"a": "x", "b": 1}],
            "map": {"k": {"b": 1}},
            "free": {"x": {"y": 1}},
            "any": {"x": {"y": 1}, "z": 1},
            "embedded": {
                "apiVersion": "v1",
                "kind": "X",
                "metadata": {"name": "e", "q": 1},
                "z": 1,
            },
        },
    }
    assert structural.prune(obj) == [
        "metadata.nope",
        "nope",
        "spec.list[0].b",
        "spec.map.k.b",
        "spec.any.x.y",
        "spec.embedded.metadata.q",
        "spec.embedded.z",
    ]
    assert obj["spec"] == {
        "list": [{"a": "x"}],
        "map": {"k": {}},
        "free": {"x": {"y": 1}},
        "any": {"x": {}, "z": 1},
        "embedded": {"apiVersion": "v1", "kind": "X", "metadata": {"name": "e"}},
    }


def test_defaults_reach_into_lists_and_maps_and_are_copies() -> None:
    item = {"type": "object", "properties": {"tags": {"type": "array", "default": ["a"]}}}
    structural = Structural(
        schema_of(
            {
                "type": "object",
                "properties": {
                    "list": {"type": "array", "items": item},
                    "map": {
                        "type": "object",
                        "additionalProperties": {**item, "default": {"x": 1}},
                    },
                    "whole": {**item, "default": {}},
                    "null": {"type": "string", "default": "d"},
                    "kept": {"type": "string", "default": "d", "nullable": True},
                },
            }
        )
    )
    obj: dict[str, Any] = {
        "spec": {"list": [{}, {}], "map": {"k": None, "l": {}}, "null": None, "kept": None}
    }
    structural.default(obj)
    assert obj["spec"] == {
        "list": [{"tags": ["a"]}, {"tags": ["a"]}],
        "map": {"k": {"x": 1, "tags": ["a"]}, "l": {"tags": ["a"]}},
        "whole": {"tags": ["a"]},
        "null": "d",
        "kept": None,
    }
    assert obj["spec"]["list"][0]["tags"] is not obj["spec"]["list"][1]["tags"]


NUMBER = {"type": "number"}
EMBEDDED = {
    "type": "object",
    "x-kubernetes-embedded-resource": True,
    "x-kubernetes-preserve-unknown-fields": True,
}
RESOURCE = {"apiVersion": "v1", "kind": "X"}
ROWS: list[tuple[str, dict[str, Any], Any, list[str]]] = [
    ("an exclusive bound", {**NUMBER, "maximum": 3, "exclusiveMaximum": True}, 3,
     ["spec: Invalid value: 3: spec in body should be less than 3"]),
    ("the lower one", {**NUMBER, "minimum": 0.5, "exclusiveMinimum": True}, 0.5,
     ["spec: Invalid value: 0.5: spec in body should be greater than 0.5"]),
    ("a multiple", {"type": "integer", "multipleOf": 3}, 4,
     ["spec: Invalid value: 4: spec in body should be a multiple of 3"]),
    ("a multiple of a fraction", {**NUMBER, "multipleOf": 0.1}, 0.3, []),
    ("a multiple of a small one", {**NUMBER, "multipleOf": 0.01}, 1.1, []),
    ("no multiple of a fraction", {**NUMBER, "multipleOf": 0.1}, 0.35,
     ["spec: Invalid value: 0.35: spec in body should be a multiple of 0.1"]),
    ("more than a double counts", {**NUMBER, "multipleOf": 0.1}, 1e308,
     ["spec: Invalid value: 1e+308: spec in body should be a multiple of 0.1"]),
    ("an integer written as a float", {"type": "integer"}, 2.0, []),
    ("a boolean is no integer", {"type": "integer"}, True,
     ['spec: Invalid value: "boolean": spec in body must be of type integer: "boolean"']),
    ("an int32 that is too big", {"type": "integer", "format": "int32"}, 2**31,
     ['<nil>: Invalid value: "": Checked value must be of type integer with format int32 in spec']),
    ("a short string", {"type": "string", "minLength": 2}, "a",
     ['spec: Invalid value: "a": spec in body should be at least 2 chars long']),
    ("a pattern", {"type": "string", "pattern": "^a$"}, "a\n",
     ['spec: Invalid value: "a\\n": spec in body should match \'^a$\'']),
    ("too few items", {"type": "array", "minItems": 1}, [],
     ["spec: Invalid value: []: spec in body should have at least 1 items"]),
    ("too many properties", {"type": "object", "maxProperties": 1}, {"a": 1, "b": 2},
     ["spec: Too many: 2: must have at most 1 item"]),
    ("too few properties", {"type": "object", "minProperties": 1}, {},
     ["spec: Invalid value: {}: spec in body should have at least 1 properties"]),
    ("an enum of numbers", {"type": "integer", "enum": [1, 2]}, 3,
     ['spec: Unsupported value: 3: supported values: "1", "2"']),
    ("an integer or string", {"x-kubernetes-int-or-string": True}, 1.5,
     ['spec: Invalid value: "number": spec in body must be of type integer,string: "number"',
      '<nil>: Invalid value: "": Checked value must be of type integer (default format) in spec']),
    ("a nullable null", {"type": "string", "nullable": True}, None, []),
    ("a null", {"type": "string"}, None,
     ['spec: Invalid value: "null": spec in body must be of type string: "null"']),
    ("anyOf", {"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {},
     ['<nil>: Invalid value: "": "spec" must validate at least one schema (anyOf)',
      "spec.a: Required value"]),
    ("oneOf with none", {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {},
     ['<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). '
      "Found none valid", "spec.a: Required value"]),
    ("oneOf with two", {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": 1, "b": 1},
     ['<nil>: Invalid value: "": "spec" must validate one and only one schema (oneOf). '
      "Found 2 valid alternatives"]),
    ("allOf", {"allOf": [{"maximum": 3}, {"minimum": 9}]}, 5,
     ["spec: Invalid value: 5: spec in body should be less than or equal to 3",
      "spec: Invalid value: 5: spec in body should be greater than or equal to 9",
      '<nil>: Invalid value: "": "spec" must validate all the schemas (allOf). None validated']),
    ("not", {"not": {"required": ["a"]}}, {"a": 1},
     ['<nil>: Invalid value: "": "spec" must not validate the schema (not)']),
    ("a set", {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
     ["a", "b", "a"], ['spec[2]: Duplicate value: "a"']),
    ("a map list", {"type": "array", "x-kubernetes-list-type": "map",
     "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object"}},
     [{"k": "a"}, {"k": "a", "v": 1}], ['spec[1]: Duplicate value: {"k":"a"}']),
    ("an embedded resource", {"type": "object", "x-kubernetes-embedded-resource": True},
     {"kind": "X"}, ["spec.apiVersion: Required value: must not be empty"]),
    ("one whose kind is no text", EMBEDDED, {**RESOURCE, "kind": 1},
     ["spec.kind: Invalid value: 1: must be a string"]),
    ("one whose metadata is none", EMBEDDED, {**RESOURCE, "metadata": "m"},
     ['spec.metadata: Invalid value: "m": json: cannot unmarshal string into Go struct field '
      "ObjectMeta of type v1.ObjectMeta"]),
    ("one whose labels are a list", EMBEDDED, {**RESOURCE, "metadata": {"labels": ["a"]}},
     ['spec.metadata: Invalid value: {"labels":["a"]}: json: cannot unmarshal array into Go struct '
      "field ObjectMeta.labels of type map[string]string"]),
    ("one whose name is a number", EMBEDDED, {**RESOURCE, "metadata": {"name": 5}},
     ['spec.metadata: Invalid value: {"name":5}: json: cannot unmarshal number into Go struct '
      "field ObjectMeta.name of type string"]),
    ("one whose name is no path", EMBEDDED, {**RESOURCE, "metadata": {"name": "a/B"}},
     ["spec.metadata.name: Invalid value: \"a/B\": may not contain '/'"]),
    ("one with any other name", EMBEDDED, {**RESOURCE, "metadata": {"name": "a_B"}}, []),
    ("one with a bad label and no name", EMBEDDED, {**RESOURCE, "metadata": {"labels": {"a": "/"}}},
     ['spec.metadata.labels: Invalid value: "/": a valid label must be an empty string or consist '
      "of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
      "character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
      "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "value", "errors"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_validation_says(schema: dict[str, Any], value: Any, errors: list[str]) -> None:
    assert told(schema, value) == errors


@pytest.mark.parametrize(
    ("form", "good", "bad"),
    [
        ("date-time", "2026-01-01T00:00:00Z", "2026-13-01T00:00:00Z"),
        ("date-time", "2026-01-01t00:00:00.5+01:00", "2026-01-01T25:00:00Z"),
        ("date", "2026-02-28", "2026-02-30"),
        ("duration", "1h30m", "1 hour"),
        ("byte", "YWJj", "%%%"),
        ("uri", "https://example.com/a", "http://[nope"),
        ("email", "a@example.com", "example.com"),
        ("hostname", "example.com", "-example"),
        ("ipv4", "10.0.0.1", "10.0.0.256"),
        ("ipv6", "::1", "10.0.0.1"),
        ("cidr", "10.0.0.1/8", "10.0.0.1"),
        ("mac", "00:11:22:33:44:55", "00:11"),
        ("uuid", "a987fbc9-4bed-3078-8f07-9141ba07c9f3", "a987"),
        ("uuid4", "57b73598-8764-4ad0-a76a-679bb6640eb1", "57b73598-8764-3ad0-a76a-679bb6640eb1"),
        ("hexcolor", "#fff", "red"),
        ("of-nobody", "anything", None),
    ],
)
def test_a_format_is_checked(form: str, good: str, bad: str | None) -> None:
    schema = {"type": "string", "format": form}
    assert told(schema, good) == []
    if bad is not None:
        quoted = fielderrors.quoted(bad)
        says = f"spec: Invalid value: {quoted}: spec in body must be of type {form}: {quoted}"
        assert told(schema, bad) == [says]


def test_an_update_is_not_refused_for_what_did_not_change() -> None:
    schema = {
        "type": "object",
        "properties": {
            "size": {"type": "integer", "maximum": 3},
            "list": {
                "type": "array",
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["k"],
                "items": {
                    "type": "object",
                    "properties": {"k": {"type": "string"}, "v": {"type": "integer", "maximum": 3}},
                },
            },
        },
    }
    old = {"size": 9, "list": [{"k": "a", "v": 9}, {"k": "b", "v": 1}]}
    new = {"size": 9, "list": [{"k": "b", "v": 8}, {"k": "a", "v": 9}]}
    assert told(schema, new, old) == [
        "spec.list[0].v: Invalid value: 8: spec.list[0].v in body should be less than or equal to 3"
    ]
    assert told(schema, {**old, "size": 8}, old) == [
        "spec.size: Invalid value: 8: spec.size in body should be less than or equal to 3"
    ]


def test_true_and_one_are_not_the_same_value() -> None:
    assert told({"type": "integer"}, True, 1) != []
