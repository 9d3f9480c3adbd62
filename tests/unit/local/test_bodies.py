"""Bodies of requests: JSON, YAML and Kubernetes' protobuf, and what is none of them."""

import time
from typing import Any

import pytest

from controller.local import bodies, protobuf


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param(b'{"a": 2.0}', {"a": 2}, id="a whole number is an integer"),
        pytest.param(b'{"a": 2.5}', {"a": 2.5}, id="another is not"),
        pytest.param(b'{"a": 1, "a": 2}', {"a": 2}, id="the last of two keys counts"),
        pytest.param(b"[null, true]", [None, True], id="any value is a body"),
        pytest.param(rb'["\ud83d\ude00"]', ["\U0001f600"], id="two halves are a character"),
        pytest.param(rb'{"\uD800": "a\udfffb"}', {"\ufffd": "a\ufffdb"}, id="one half is none"),
        pytest.param(rb'["\\ud800"]', [r"\ud800"], id="a backslash is no escape"),
        pytest.param(b"[-9223372036854775808]", [-(2**63)], id="an int64 is exact"),
        pytest.param(b"[9223372036854775808]", [2.0**63], id="what is none is a double"),
        pytest.param(b"[1" + b"0" * 300 + b"]", [1e300], id="however long it is"),
    ],
)
def test_json(raw: bytes, value: Any) -> None:
    found, _ = bodies.parse_json(raw)
    assert found == value
    assert repr(found) == repr(value)


def test_keys_that_stand_twice_are_named_with_their_path() -> None:
    raw = b'{"spec": {"a": 1}, "spec": {"c": 1, "c": 2}}'
    _, duplicates = bodies.parse_json(raw)
    assert list(duplicates) == ["spec", "spec.c"]
    _, duplicates = bodies.parse_json(b'{"list": [{"b": 1}, {"b": 1, "b": 2}]}')
    assert list(duplicates) == ["list[1].b"]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "unexpected end of JSON input"),
        (b"{", "unexpected end of JSON input"),
        (b"{nope", "invalid character 'n' looking for beginning of object key string"),
        (b"nope", "invalid character 'n' looking for beginning of value"),
        (b"[1e999]", "number 1e999 is out of range"),
        (b"[" + b"9" * 400 + b"]", f"number {'9' * 400} is out of range"),
        (b"[" + b"9" * 5000 + b"]", f"number {'9' * 5000} is out of range"),
        (b"[Infinity]", "invalid character 'I' looking for beginning of value"),
    ],
)
def test_what_is_no_json_is_said_as_go_says_it(raw: bytes, message: str) -> None:
    with pytest.raises(bodies.ParseError) as error:
        bodies.parse_json(raw)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        pytest.param(b"when: 2026-01-01T00:00:00Z", {"when": "2026-01-01T00:00:00Z"}, id="times"),
        pytest.param(b"a: {1: x, false: y}", {"a": {"1": "x", "false": "y"}}, id="keys are texts"),
        pytest.param(b"a: &x [1]\nb: *x", {"a": [1], "b": [1]}, id="aliases are copied"),
        pytest.param(b'{"a": [1.0]}', {"a": [1]}, id="JSON is YAML"),
        pytest.param(b"a: 1:30\nb: '1'\nc: =", {"a": "1:30", "b": "1", "c": "="}, id="texts"),
        pytest.param(b"[1e3, 1E-3, -1_0, 010, 0x1F]", [1000, 0.001, -10, 8, 31], id="numbers"),
        pytest.param(b"a: 9223372036854775808", {"a": 2.0**63}, id="no int64 is a double"),
    ],
)
def test_yaml(raw: bytes, value: Any) -> None:
    assert bodies.parse_yaml(raw) == value


@pytest.mark.parametrize(
    "raw", [b"!!int x", b"!!float x", b"!!bool x", b"!!timestamp x", b"!!binary x", b"9" * 5000]
)
def test_yaml_that_is_not_what_its_tag_says_is_refused(raw: bytes) -> None:
    with pytest.raises(bodies.ParseError):
        bodies.parse_yaml(raw)


def test_one_key_that_stands_twice_among_many_takes_no_longer_to_find() -> None:
    raw = b"{" + b",".join(b'"f%d":1' % n for n in range(30_000)) + b',"f7":1}'
    start = time.process_time()
    _, duplicates = bodies.parse_json(raw)
    assert list(duplicates) == ["f7"]
    assert time.process_time() - start < 1


def field(number: int, value: bytes | int) -> bytes:
    """One field of a protobuf message."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    return bytes([number << 3 | 2, len(value)]) + value


def message(version: str, kind: str, raw: bytes) -> bytes:
    """A message in Kubernetes' envelope."""
    type_meta = field(1, version.encode()) + field(2, kind.encode())
    return protobuf.MAGIC + field(1, type_meta) + field(2, raw)


METADATA = field(
    1,
    field(1, b"s")
    + field(3, b"default")
    + field(8, b"")
    + field(11, field(1, b"a") + field(2, b"b")),
)
SECRET = message(
    "v1",
    "Secret",
    METADATA + field(2, field(1, b"token") + field(2, b"abc")) + field(3, b"Opaque") + field(5, 1),
)


def test_a_secret_in_protobuf() -> None:
    assert protobuf.parse(SECRET) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "s",
            "namespace": "default",
            "creationTimestamp": None,
            "labels": {"a": "b"},
        },
        "data": {"token": "YWJj"},
        "type": "Opaque",
        "immutable": True,
    }


def test_a_kind_whose_encoding_is_not_known() -> None:
    assert protobuf.parse(message("v1", "Pod", b"")) is None


def test_a_message_that_is_cut_off_is_refused_or_shorter() -> None:
    for length in range(len(SECRET)):
        try:
            found = protobuf.parse(SECRET[:length])
        except protobuf.FormatError:
            continue
        assert found is None or found["kind"] == "Secret"


def test_a_message_with_a_wrong_byte_is_no_other_error() -> None:
    for place in range(len(protobuf.MAGIC), len(SECRET)):
        for value in (0, 0x7F, 0xFF):
            broken = bytearray(SECRET)
            broken[place] = value
            try:
                protobuf.parse(bytes(broken))
            except protobuf.FormatError:
                continue


HUGE = b"\xff" * 8 + b"\x7f"
"""The greatest number of 63 bits, as a varint."""


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(field(1, bytes([1 << 3]) + HUGE[-6:]), id="a name of as many bytes"),
        pytest.param(bytes([2 << 3]) + HUGE, id="a map that is a number"),
        pytest.param(field(1, field(8, bytes([1 << 3]) + HUGE)), id="a time in a far year"),
        pytest.param(field(1, field(7, b"12")), id="a generation that is a text"),
    ],
)
def test_a_message_whose_fields_are_of_other_types_is_refused(raw: bytes) -> None:
    with pytest.raises(protobuf.FormatError):
        protobuf.parse(message("v1", "Secret", raw))
