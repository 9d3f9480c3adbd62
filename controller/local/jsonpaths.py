"""The JSONPath that CRDs use for printer columns.

Fields by dot (``\\.`` for a dot in a name) or bracket, at any depth (``..name``), places and parts
of lists (``[-1:]``), several of them (``[0,2]``), ``[*]``, and filters as
``[?(@.type=="Ready")]`` or ``[?(@.type)]``: what Kubernetes' own parser takes in one pair of
braces. Used by tables and the checks of CRDs. (RFC 9535 libraries know neither the escape nor
names with a slash or dash after a dot.)
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

Step = Callable[[Any], Iterator[Any]]


class PathError(ValueError):
    """The text is no JSONPath of this kind."""


_TOKEN: Final = re.compile(
    r"""
    \.(?P<deep>\.)?(?P<field>(?:\\.|[^.\[\\])+)
    |\[\s*'(?P<single>(?:\\.|[^'\\])*)'\s*\]
    |\[\s*"(?P<double>(?:\\.|[^"\\])*)"\s*\]
    |\[\s*(?P<place>-?\d{1,9})\s*\]
    |\[\s*(?P<first>-?\d{1,9})?:(?P<end>-?\d{1,9})?\s*\]
    |\[(?P<several>[^]\[?,]+(?:,[^]\[?,]+)+)\]
    |(?P<all>\[\s*\*\s*\]|\.\*)
    |\[\s*\?\s*\(\s*@(?P<path>[^=!<>\s()]+)\s*
        (?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<value>'[^']*'|"[^"]*"|[^)'"]*?)\s*)?\)\s*\]
    """,
    re.VERBOSE,
)


def compiled(path: str) -> Callable[[Any], list[Any]]:
    """A function from an object to all that the path finds in it, in order. Raises PathError."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    if not text.startswith((".", "[")):
        raise PathError(f"{path}: must begin with a dot")
    steps, at = [], 0
    while at < len(text):
        # ".*" stands for all, so it is looked for before a field of that name.
        found = _TOKEN.match(text, at)
        if not found:
            raise PathError(f"{path}: cannot be understood from {text[at:]!r} on")
        steps.append(_step(found))
        at = found.end()
    return lambda obj: _run(steps, obj)


def _run(steps: Sequence[Step], obj: Any) -> list[Any]:
    values = [obj]
    for step in steps:
        values = [found for value in values for found in step(value)]
    return values


def _step(found: re.Match[str]) -> Step:
    if found["all"] is not None or found["field"] == "*":
        return _all
    if found["place"] is not None:
        return _at(int(found["place"]))
    if found["several"] is not None:
        return _each([compiled(f"[{part}]") for part in found["several"].split(",")])
    if found["path"] is not None:
        if found["operator"] is None:
            return _having(found["path"])
        return _filter(found["path"], found["operator"], found["value"])
    names = [n for n in (found["field"], found["single"], found["double"]) if n is not None]
    if not names:
        return _part(*(int(found[n]) if found[n] else None for n in ("first", "end")))
    field = _field(re.sub(r"\\(.)", r"\1", names[0]))
    return _anywhere(field) if found["deep"] else field


def _field(name: str) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]

    return step


def _at(place: int) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list) and -len(value) <= place < len(value):
            yield value[place]

    return step


def _part(first: int | None, end: int | None) -> Step:
    def step(value: Any) -> Iterator[Any]:
        if not isinstance(value, list):
            return
        size = len(value)
        start, stop = first or 0, size if end is None else end
        start, stop = (place + size if place < 0 else place for place in (start, stop))
        # Beyond the list Kubernetes finds nothing, where Python finds what there is.
        if 0 <= start <= stop <= size:
            yield from value[start:stop]

    return step


def _each(paths: Sequence[Callable[[Any], list[Any]]]) -> Step:
    def step(value: Any) -> Iterator[Any]:
        for path in paths:
            yield from path(value)

    return step


def _anywhere(field: Step) -> Step:
    def step(value: Any) -> Iterator[Any]:
        yield from field(value)
        for inner in _all(value):
            yield from step(inner)

    return step


def _having(path: str) -> Step:
    there = compiled(path)

    def step(value: Any) -> Iterator[Any]:
        yield from (item for item in _all(value) if there(item))

    return step


def _all(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


_LITERALS: Final = {"true": True, "false": False, "null": None}
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": lambda a, b: bool(a == b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    ">": lambda a, b: bool(a > b),
    "<=": lambda a, b: bool(a <= b),
    ">=": lambda a, b: bool(a >= b),
}


def _filter(path: str, operator: str, literal: str) -> Step:
    left, right, holds = compiled(path), _literal(literal), _COMPARE[operator]

    def step(value: Any) -> Iterator[Any]:
        for item in _all(value):
            for found in left(item)[:1]:
                if type(found) is type(right) and holds(found, right):
                    yield item

    return step


def _literal(text: str) -> Any:
    if text[:1] in ("'", '"') and text[-1:] == text[:1] and len(text) > 1:
        return text[1:-1]
    if text in _LITERALS:
        return _LITERALS[text]
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise PathError(f"{text}: neither a quoted text nor a number") from None
