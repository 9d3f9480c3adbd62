"""CEL rules: when they are evaluated, what they may say, and what a real kube-apiserver says."""

import re
import time
import timeit
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.local.structural import Structural, nodes, rules
from tests.unit.local import golden


def told(schema: dict[str, Any], value: Any, *old: Any) -> list[str]:
    """The errors of an object whose ``spec`` is of that schema and value."""
    before = {"spec": old[0]} if old else None
    structural = Structural({"type": "object", "properties": {"spec": schema}})
    return list(map(str, structural.validate({"spec": value}, before)))


def holds(schema: dict[str, Any], rule: str, value: Any) -> bool:
    return told({**schema, "x-kubernetes-validations": [{"rule": rule}]}, value) == []


SPEC: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "size": {"type": "integer"},
        "weight": {"type": "number"},
        "list": {"type": "array", "items": {"type": "integer"}},
        "words": {"type": "array", "items": {"type": "string"}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "when": {"type": "string", "format": "date-time"},
        "long": {"type": "string", "format": "duration"},
        "data": {"type": "string", "format": "byte"},
        "either": {"x-kubernetes-int-or-string": True},
        "maybe": {"type": "string", "nullable": True},
        "namespace": {"type": "string"},
        "with-dash": {"type": "string"},
    },
}
VALUE: dict[str, Any] = {
    "name": "abc",
    "size": 3,
    "weight": 2,
    "list": [1, 2, 3],
    "words": ["a", "b"],
    "map": {"a": "x"},
    "when": "2026-01-01T00:00:00Z",
    "long": "1h30m",
    "data": "YWJj",
    "either": "10%",
    "maybe": None,
    "namespace": "n",
    "with-dash": "d",
}
TRUE_RULES = [
    "self.size == 3 && self.name != 'x'",
    "has(self.name) && !has(self.nothing)",
    "self.name.startsWith('a') && self.name.endsWith('c') && self.name.contains('b')",
    "self.name.matches('^[a-z]+$')",
    "size(self.list) == 3 && self.list.size() == 3",
    "self.list.all(x, x > 0) && self.list.exists(x, x == 2)",
    "self.list.exists_one(x, x == 2)",
    "self.list.filter(x, x > 1).map(x, x * 2) == [4, 6]",
    "2 in self.list && 'a' in self.map",
    "self.map.all(key, self.map[key] == 'x')",
    "(self.size > 2 ? 'big' : 'small') == 'big'",
    "self.weight + 0.5 == 2.5",
    "self.when < timestamp('2026-01-02T00:00:00Z')",
    "self.when.getFullYear() == 2026",
    "self.long == duration('90m')",
    "self.data == b'abc'",
    "type(self.either) == string ? self.either == '10%' : self.either == 5",
    "self.maybe == null",
    "self.__namespace__ == 'n' && self.with__dash__dash == 'd'",
    "self.?nothing.orValue('d') == 'd' && optional.of(1).hasValue()",
    "self.name.lowerAscii() == 'abc' && self.name.split('b') == ['a', 'c']",
    "self.list.isSorted() && self.list.sum() == 6",
    "self.list.min() == 1 && self.list.max() == 3",
    "self.list.indexOf(2) == 1 && [1, 2, 2].lastIndexOf(2) == 2 && self.list.indexOf(9) == -1",
    "self.name.find('[bc]') == 'b' && self.name.findAll('[bc]') == ['b', 'c']",
    "sets.contains(self.list, [1, 2]) && sets.intersects(self.list, [3, 9])",
    "sets.equivalent(self.words, ['b', 'a', 'a'])",
    "quantity('1Gi') == quantity('1024Mi') && isQuantity('1.5k') && !isQuantity('x')",
    "quantity('500m').add(quantity('1')).isGreaterThan(quantity('1.4'))",
    "quantity('1k').asInteger() == 1000 && quantity('50M').sub(1).isLessThan(quantity('50M'))",
    "quantity('1').compareTo(quantity('2')) == -1 && quantity('-3').sign() == -1",
    "!isQuantity('1e999999999') && !isQuantity('1e-999999999')",
    "quantity('1e40').add(1).isGreaterThan(quantity('1e40'))",
    "isURL('https://a.example:8443/x?y=z') && !isURL('a b')",
    "url('https://a.example:8443/x?y=z').getHostname() == 'a.example'",
    "url('https://a.example:8443/x?y=z').getPort() == '8443'",
    "url('https://a.example/x?y=z').getQuery() == {'y': ['z']}",
    "isIP('::1') && ip('127.0.0.1').isLoopback() && ip('127.0.0.1').family() == 4",
    "cidr('10.0.0.0/8').containsIP('10.1.2.3') && !isCIDR('10.0.0.1')",
    "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')",
    "!isIP('fe80::1%eth0') && !isIP('::ffff:10.0.0.1') && !isCIDR('10.0.0.1/255.0.0.0')",
    "'%s has %d'.format([self.name, self.size]) == 'abc has 3'",
    "math.greatest(self.list) == 3",
    "dyn(self.size) == 3.0",
]


@pytest.mark.parametrize("rule", TRUE_RULES)
def test_a_rule_holds(rule: str) -> None:
    assert holds(SPEC, rule, VALUE)
    assert not holds(SPEC, f"!({rule})", VALUE)


_LIST = str(list(range(200)))
LOOPS = f"string({_LIST}.all(x, {_LIST}.all(y, x + y >= 0)))"
RULE_ROWS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("without a message the rule is told", {"rule": " self.size > 3 "},
     ["spec: Invalid value: failed rule: self.size > 3"]),
    ("a message", {"rule": "self.size > 3", "message": " too small "},
     ["spec: Invalid value: too small"]),
    ("a message expression", {"rule": "false", "messageExpression": "'size ' + string(self.size)"},
     ["spec: Invalid value: size 3"]),
    ("a message expression that fails",
     {"rule": "false", "message": "m", "messageExpression": "self.nothing"},
     ["spec: Invalid value: m"]),
    ("a message expression that takes too long",
     {"rule": "false", "message": "m", "messageExpression": LOOPS}, ["spec: Invalid value: m"]),
    ("a field path", {"rule": "false", "message": "m", "fieldPath": ".name"},
     ["spec.name: Invalid value: m"]),
    ("a reason", {"rule": "false", "message": "m", "reason": "FieldValueForbidden"},
     ["spec: Forbidden: m"]),
    ("a missing field", {"rule": "self.nothing == 1"},
     ["spec: Invalid value: no such key: nothing evaluating rule: "
      "failed rule: self.nothing == 1"]),
    ("an index too far", {"rule": "self.list[7] == 1"},
     ["spec: Invalid value: index out of bounds: 7 evaluating rule: "
      "failed rule: self.list[7] == 1"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "errors"), [row[1:] for row in RULE_ROWS], ids=[row[0] for row in RULE_ROWS]
)
def test_a_rule_that_fails_says(rule: dict[str, Any], errors: list[str]) -> None:
    assert told({**SPEC, "x-kubernetes-validations": [rule]}, VALUE) == errors


def test_a_scalar_is_repeated_and_its_place_in_lists_and_maps_told() -> None:
    word = {"type": "string", "x-kubernetes-validations": [{"rule": "self != 'bad'"}]}
    schema = {
        "type": "object",
        "properties": {
            "list": {"type": "array", "items": word},
            "map": {"type": "object", "additionalProperties": word},
        },
    }
    assert told(schema, {"list": ["ok", "bad"], "map": {"k": "bad"}}) == [
        "spec.list[1]: Invalid value: \"bad\": failed rule: self != 'bad'",
        "spec.map[k]: Invalid value: \"bad\": failed rule: self != 'bad'",
    ]


def transition(**rule: Any) -> dict[str, Any]:
    return {**SPEC, "x-kubernetes-validations": [rule]}


def test_a_transition_rule_is_for_updates_alone() -> None:
    schema = transition(rule="self.size >= oldSelf.size", message="must not shrink")
    assert told(schema, {"size": 1}) == []
    assert told(schema, {"size": 1}, {"size": 2}) == ["spec: Invalid value: must not shrink"]
    assert told(schema, {"size": 2}, {"size": 2}) == []


def test_an_optional_old_self_is_evaluated_on_create_too() -> None:
    rule = "oldSelf.hasValue() ? self.size >= oldSelf.value().size : self.size == 0"
    schema = transition(rule=rule, optionalOldSelf=True, message="m")
    assert told(schema, {"size": 1}) == ["spec: Invalid value: m"]
    assert told(schema, {"size": 0}) == []
    assert told(schema, {"size": 1}, {"size": 2}) == ["spec: Invalid value: m"]
    assert told(schema, {"size": 3}, {"size": 2}) == []


def test_old_self_in_a_string_makes_no_transition_rule() -> None:
    schema = transition(rule="self.name != 'oldSelf'", message="m")
    assert told(schema, {"name": "oldSelf"}) == ["spec: Invalid value: m"]


def test_items_of_a_map_list_are_compared_by_their_key() -> None:
    item = {
        "type": "object",
        "properties": {"k": {"type": "string"}, "v": {"type": "integer"}},
        "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v", "message": "m"}],
    }
    schema = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["k"],
        "items": item,
    }
    old = [{"k": "a", "v": 5}, {"k": "b", "v": 1}]
    new = [{"k": "b", "v": 1}, {"k": "a", "v": 4}, {"k": "c", "v": 0}]
    assert told(schema, new, old) == ["spec[1]: Invalid value: m"]


def test_an_update_is_not_refused_for_an_unchanged_value_that_breaks_a_rule() -> None:
    schema = {"type": "object", "properties": {"inner": transition(rule="false", message="m")}}
    assert told(schema, {"inner": {"size": 1}}, {"inner": {"size": 1}, "x": 1}) == []
    assert told(schema, {"inner": {"size": 2}}, {"inner": {"size": 1}}) == [
        "spec.inner: Invalid value: m"
    ]


@pytest.mark.parametrize("properties", [{}, {"metadata": {"type": "object"}}])
def test_the_rules_of_a_whole_object_see_its_name_only(properties: dict[str, Any]) -> None:
    schema = {
        "type": "object",
        "properties": properties,
        "x-kubernetes-validations": [
            {"rule": "self.metadata.name == 'a' && !has(self.metadata.labels)", "message": "m"}
        ],
    }
    obj = {"apiVersion": "v1", "kind": "X", "metadata": {"name": "a", "labels": {"x": "y"}}}
    assert Structural(schema).validate(obj) == []


def test_rules_do_not_see_what_the_schema_does_not_have() -> None:
    schema = {
        **SPEC,
        "x-kubernetes-preserve-unknown-fields": True,
        "x-kubernetes-validations": [{"rule": "size(self) == 1", "message": "m"}],
    }
    assert told(schema, {"size": 1, "unknown": 2**70}) == []


@pytest.mark.parametrize("when", ["yesterday", "0000-01-01T00:00:00Z"])
def test_a_bad_date_from_before_is_a_text_to_rules(when: str) -> None:
    rule = {"rule": "self.when < timestamp('2026-01-02T00:00:00Z')"}
    schema = {**SPEC, "x-kubernetes-validations": [rule]}
    assert told(schema, {"when": when, "size": 1}, {"when": when}) == [
        "spec: Invalid value: no such overload: _<_(string, timestamp) evaluating rule: "
        f"failed rule: {rule['rule']}"
    ]


@pytest.mark.parametrize(
    ("rule", "part", "text"),
    [
        ({"rule": "self.size >"}, "rule", "Syntax error"),
        ({"rule": "nope(self)"}, "rule", "undeclared reference to 'nope'"),
        ({"rule": "self + 1"}, "rule", "found no matching overload for '_+_'"),
        ({"rule": "1"}, "rule", "cel expression must evaluate to a bool"),
        (
            {"rule": "true", "messageExpression": "1"},
            "messageExpression",
            "messageExpression must evaluate to a string",
        ),
    ],
)
def test_a_rule_does_not_compile(rule: dict[str, Any], part: str, text: str) -> None:
    with pytest.raises(rules.RuleError, match=re.escape(text)) as caught:
        rules.check(rule, nodes.compiled(SPEC))
    assert caught.value.part == part


@pytest.mark.parametrize("rule", [rule for rule in TRUE_RULES if "nothing" not in rule])
def test_a_rule_that_holds_passes_the_check_of_types(rule: str) -> None:
    rules.check({"rule": rule}, nodes.compiled(SPEC))


DEEP: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": SPEC,
        "specs": {"type": "array", "items": SPEC},
        "by_name": {"type": "object", "additionalProperties": SPEC},
        "byName": {"type": "object", "additionalProperties": {"type": "string"}},
        "$odd name": {"type": "string"},
        "table": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "maybe": {**SPEC, "nullable": True},
    },
}


@pytest.mark.parametrize(
    "rule",
    [
        "self.spec.size > 1 && self.specs.all(s, s.size > 1)",
        "self.by_name.all(k, self.by_name[k].size > 1)",
        "self.table.all(row, row.all(cell, cell != ''))",
        "self.maybe == null || self.maybe.size > 1",
        "self.metadata.name == 'a' && self.kind == 'X'",
        "oldSelf.spec == self.spec",
        "has(self.open)",
    ],
)
def test_fields_of_fields_are_known(rule: str) -> None:
    rules.check({"rule": rule}, nodes.compiled_root(DEEP))


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ("self.spec.sizes > 1", "sizes"),
        ("self.specs.all(s, s.sizes > 1)", "sizes"),
        ("self.by_name.all(k, self.by_name[k].sizes > 1)", "sizes"),
        ("has(self.metadata.labels)", "labels"),
        ("has(self.open.anything)", "anything"),
        ("oldSelf.spec.sizes > 1", "sizes"),
    ],
)
def test_a_field_that_is_not_there_is_found_when_the_rule_is_checked(rule: str, field: str) -> None:
    with pytest.raises(rules.RuleError, match=f"undefined field '{field}'"):
        rules.check({"rule": rule}, nodes.compiled_root(DEEP))


def test_validating_a_recorded_object_takes_well_under_a_millisecond() -> None:
    structural = Structural(golden.crd_version()["schema"]["openAPIV3Schema"])
    obj = golden.answer(46)
    structural.validate(obj)
    runs = timeit.repeat(
        lambda: structural.validate(obj, obj | {"spec": {}}),
        timer=time.process_time,
        repeat=5,
        number=40,
    )
    assert min(runs) / 40 < 0.001


NAMES = st.sampled_from(
    ["a", "A", "a_b", "aB", "a_B", "AB", "_a", "a1", "namespace", "a-b", "a__b", "class", "$x", "é"]
)
LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "integer", "nullable": True},
        {"type": "number"},
        {"type": "boolean"},
        {"type": "string", "format": "date-time", "nullable": True},
        {"type": "string", "format": "duration"},
        {"x-kubernetes-int-or-string": True},
        {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        {"type": "object"},
    ]
)


def _nested(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    objects = st.dictionaries(NAMES, inner, max_size=4)
    return (
        objects.map(lambda fields: {"type": "object", "properties": fields})
        | inner.map(lambda items: {"type": "array", "items": items})
        | inner.map(lambda values: {"type": "object", "additionalProperties": values})
        | objects.map(lambda fields: {"type": "object", "properties": fields, "nullable": True})
    )


@settings(max_examples=60, deadline=None)
@given(st.recursive(LEAVES, _nested, max_leaves=8))
def test_every_schema_has_types_in_which_its_fields_are_found(schema: dict[str, Any]) -> None:
    whole = {"type": "object", "properties": {"spec": schema, "other": {"type": "string"}}}
    rule = {"rule": "has(self.other) && has(self.spec) || self.metadata.name == 'a'"}
    rules.check(rule, nodes.compiled_root(whole))
