"""Bytes of a request to JSON values and back: JSON, YAML, and the errors for what is neither.

Called by `decoding` (objects) and `patches`. Knows nothing of kinds. Numbers with an integral
value become integers, as they do in kube-apiserver, so that `2.0` is stored as `2`; what is no
int64 becomes a double.
"""

import collections
import json
import re
from typing import Any, NoReturn

import yaml

Object = dict[str, Any]

LIMIT = 3 * 1024 * 1024
"""Bytes of a request's body, as in kube-apiserver."""

DEEPEST = 128
"""Objects and lists in one another. kube-apiserver takes 10,000; what walks a value here is Python,
which has room for a thousand calls."""


_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# In this order: both halves of a character, a half alone, any other escape.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


_LONG = re.compile(r"[0-9]{19}")
"""In every text that has an integer beyond int64."""
INT64 = range(-(2**63), 2**63)


class ParseError(ValueError):
    """Not a value; the message says why in a few words."""


class Duplicates(list[str]):
    """Paths of keys that stand twice in one object; the last one counts."""


class _Twice(dict[str, Any]):
    """An object in which keys stand twice: which ones."""

    twice: tuple[str, ...] = ()


def parse_json(raw: bytes) -> tuple[Any, Duplicates]:
    """A JSON text. Raises ParseError."""
    any_twice = False

    def build(pairs: list[tuple[str, Any]]) -> Object:
        nonlocal any_twice
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        any_twice = True
        marked = _Twice(found)
        names = collections.Counter(name for name, _ in pairs)
        marked.twice = tuple(name for name, count in names.items() if count > 1)
        return marked

    try:
        text = _whole_characters(raw.decode())
        if not text.strip():
            raise ParseError("unexpected end of JSON input")
        value = json.loads(
            text,
            object_pairs_hook=build,
            parse_float=_number,
            parse_int=_integer if _LONG.search(text) else None,
            parse_constant=_refuse,
        )
    except json.JSONDecodeError as error:
        raise ParseError(_as_go_says(error)) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise ParseError(f"invalid JSON: {type(error).__name__}") from None
    if raw.count(b"{") + raw.count(b"[") > DEEPEST and is_too_deep(value):
        raise ParseError("exceeded max depth")
    duplicates = Duplicates()
    if any_twice:
        value = _collected(value, "", duplicates)
    return value, duplicates


def is_too_deep(value: Any) -> bool:
    """Whether more than DEEPEST objects and lists lie in one another."""
    level: list[Any] = [[value]]
    for _ in range(DEEPEST + 1):
        level = [
            each
            for outer in level
            for each in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(each, dict | list)
        ]
        if not level:
            return False
    return True


def _whole_characters(text: str) -> str:
    """Half a character, which no UTF-8 can hold, becomes U+FFFD, as in Go."""
    if not _SURROGATE.search(text):
        return text
    return _ESCAPE.sub(lambda found: "\\ufffd" if found[1] else found[0], text)


def _number(text: str) -> int | float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ParseError(f"number {text} is out of range")
    return int(value) if value.is_integer() and abs(value) < 1 << 53 else value


def _integer(text: str) -> int | float:
    # Python takes its time over thousands of digits, and refuses more: those are doubles anyhow.
    value = int(text) if len(text) <= len(str(INT64.start)) else None
    return value if value is not None and value in INT64 else _number(text)


def _refuse(text: str) -> NoReturn:
    raise ParseError(f"invalid character '{text[0]}' looking for beginning of value")


def _as_go_says(error: json.JSONDecodeError) -> str:
    rest = error.doc[error.pos :]
    if not rest.strip() or error.msg.startswith("Unterminated"):
        return "unexpected end of JSON input"
    wanted = "object key string" if "property name" in error.msg else "value"
    return f"invalid character '{rest[0]}' looking for beginning of {wanted}"


def _collected(value: Any, path: str, into: Duplicates) -> Any:
    """The value in plain dicts, and the paths of the keys that stood twice."""
    if isinstance(value, _Twice):
        into.extend(f"{path}{name}" for name in value.twice)
    if isinstance(value, dict):
        return {name: _collected(each, f"{path}{name}.", into) for name, each in value.items()}
    if isinstance(value, list):
        where = path[:-1]
        return [_collected(each, f"{where}[{at}].", into) for at, each in enumerate(value)]
    return value


class _Loader(yaml.CSafeLoader):
    """YAML as Kubernetes reads it: times, `1:30` and `=` stay strings, `1e3` is a number."""


_TAG = "tag:yaml.org,2002:"
_NUMBERS = {
    f"{_TAG}int": re.compile(r"[-+]?(0b[01_]+|0o[0-7]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$"),
    f"{_TAG}float": re.compile(
        r"[-+]?(([0-9][0-9_]*\.[0-9_]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|\.(inf|Inf|INF))$|\.(nan|NaN|NAN)$"
    ),
}
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, _NUMBERS.get(tag, regexp))
        for tag, regexp in resolvers
        if tag not in (f"{_TAG}timestamp", f"{_TAG}value")
    ]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


_NOT_OF_TAG = (ValueError, KeyError, AttributeError)
"""What the loader raises for a value that is not what its tag says, as `!!int x`."""


def parse_yaml(raw: bytes) -> Any:
    """A YAML text (or JSON, which is tried first). Raises ParseError."""
    try:
        return parse_json(raw)[0]
    except ParseError:
        pass
    try:
        _check_depth(raw)
        value = yaml.load(raw, _Loader)  # noqa: S506 -- _Loader is a safe loader
        # Without aliases there are fewer values than bytes.
        found = _Budget(min(10 * len(raw) + 10_000, LIMIT)).plain(value)
    except ParseError:
        raise
    except (yaml.YAMLError, RecursionError, *_NOT_OF_TAG) as error:
        raise ParseError(f"error converting YAML to JSON: yaml: {error}") from None
    if is_too_deep(found):  # by aliases
        raise ParseError("exceeded max depth")
    return found


def _check_depth(raw: bytes) -> None:
    """Before anything is made of it: the C loader calls itself, and deep texts end the process."""
    depth = 0
    for event in yaml.parse(raw, yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise ParseError("exceeded max depth")


class _Budget:
    """Copies a YAML value to a JSON value, and refuses one that aliases blow up."""

    def __init__(self, nodes: int) -> None:
        self._left = nodes

    def plain(self, value: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ParseError("yaml: document contains excessive aliasing")
        if isinstance(value, dict):
            return {_key(name): self.plain(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.plain(each) for each in value]
        if isinstance(value, float):
            return _number(repr(value))
        if value is None or isinstance(value, (str, bool)):
            return value
        if isinstance(value, int):
            return value if value in INT64 else _number(str(value))
        raise ParseError(f"yaml: a value of type {type(value).__name__} has no form in JSON")


def _key(name: Any) -> str:
    if isinstance(name, bool):
        return "true" if name else "false"
    return name if isinstance(name, str) else str(name)


def dump_yaml(value: Any) -> bytes:
    """A value as YAML."""
    found: str = yaml.dump(value, Dumper=yaml.CSafeDumper, default_flow_style=False)
    return found.encode()
