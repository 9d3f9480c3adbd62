"""Text to plain data, with the place of every key and value.

Used by `config.loading` and `config.migrating`. YAML is read from the parser's events rather than
through a loader: that gives places, keeps duplicate keys, bounds the depth before anything
recurses, and leaves no door for tags, anchors and aliases. JSON is YAML for this purpose, and read
by the json module where it is JSON. Nothing about the config's format is known here.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from controller.config.problems import Loc, Problem, printable

MAX_BYTES = 64 * 1024
MAX_DEPTH = 32
_LONGEST_NUMBER = 64

_PREFIX = "tag:yaml.org,2002:"
_CONVERTED = frozenset(_PREFIX + name for name in ("int", "float", "bool", "null"))
_PLAIN_TAGS = frozenset({"!", _PREFIX + "str", _PREFIX + "map", _PREFIX + "seq"}) | _CONVERTED


class UnreadableError(Exception):
    """The text is not a document at all; carries the one problem to show."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the text: line and column from 1, offsets in characters."""

    line: int
    column: int
    start: int
    end: int


@dataclass(slots=True)
class Document:
    """What a text says, and where it says it."""

    data: Any = None
    keys: dict[Loc, Span] = field(default_factory=dict)
    values: dict[Loc, Span] = field(default_factory=dict)
    duplicates: list[tuple[Loc, Span, Span]] = field(default_factory=list)

    def place(self, loc: Loc) -> Span | None:
        """Where a path is: its scalar value, else its key, else the nearest key around it."""
        for length in range(len(loc), 0, -1):
            part = loc[:length]
            span = (self.values.get(part) if length == len(loc) else None) or self.keys.get(part)
            if span:
                return span
        return None


def read(text: str) -> Document:
    """The document in `text`, which is YAML or JSON. Raises Unreadable with the reason."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise _unreadable("The text is not valid Unicode") from None
    if size > MAX_BYTES:
        raise _unreadable(f"The text is larger than the {MAX_BYTES // 1024} KiB of a config")
    try:
        document = _Reader(text).document()
    except UnreadableError:
        data = _json(text) if text.lstrip()[:1] == "{" else None
        if data is None:
            raise
        return Document(data)
    return document


def _unreadable(message: str, mark: Any = None, hint: str = "") -> UnreadableError:
    line, column = (mark.line + 1, mark.column + 1) if mark else (None, None)
    return UnreadableError(Problem((), message, hint, "syntax", None, line, column))


def _json(text: str) -> dict[str, Any] | None:
    """JSON that YAML does not take (tabs, surrogate pairs)."""
    try:
        data = json.loads(text)
        json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) and _depth(data) <= MAX_DEPTH else None


def _depth(value: object) -> int:
    children = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    )
    return 1 + max((_depth(child) for child in children), default=0)


class _Reader:
    """Turns the events of one text into a Document."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._document = Document()
        self._resolver: Any = yaml.resolver.Resolver()
        self._constructor = yaml.constructor.SafeConstructor()

    def document(self) -> Document:
        try:
            self._read()
        except yaml.MarkedYAMLError as error:
            said = " ".join(part for part in (error.context, error.problem) if part)
            mark = error.problem_mark or error.context_mark
            advice = self._advice(mark)
            raise _unreadable(f"This is not YAML: {printable(said)}", mark, advice) from None
        except yaml.YAMLError as error:
            said = str(error).partition("\n")[0]
            raise _unreadable(f"This is not YAML: {printable(said)}") from None
        return self._document

    def _advice(self, mark: Any) -> str:
        """What to look at. A tab before the first word is the mistake that cannot be seen."""
        near = self._text.split("\n")[max(0, mark.line - 1) : mark.line + 1] if mark else []
        if any("\t" in line[: len(line) - len(line.lstrip())] for line in near):
            return "Indent with spaces: YAML takes no tabs there."
        return "Look at the indentation, quotation marks and colons here and in the line before."

    def _read(self) -> None:
        events: Iterator[Any] = yaml.parse(self._text, Loader=yaml.CSafeLoader)
        seen = False
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if seen:
                    raise _unreadable("There is more than one document", event.start_mark)
                seen = True
                self._document.data = self._value(next(events), events, ())

    def _value(self, event: Any, events: Iterator[Any], loc: Loc) -> Any:
        self._refuse_references(event)
        if isinstance(event, yaml.ScalarEvent):
            self._document.values[loc] = _span(event)
            return self._scalar(event)
        if len(loc) >= MAX_DEPTH:
            raise _unreadable(f"The nesting is deeper than {MAX_DEPTH}", event.start_mark)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(events, loc)
        return self._mapping(events, loc)

    def _sequence(self, events: Iterator[Any], loc: Loc) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._value(event, events, (*loc, len(items))))
        return items

    def _mapping(self, events: Iterator[Any], loc: Loc) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            self._refuse_references(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise _unreadable("A key has to be a word", event.start_mark)
            inner = (*loc, event.value)
            if event.value in result:
                span = self._document.keys[inner]
                self._document.duplicates.append((inner, span, _span(event)))
            self._document.keys[inner] = _span(event)
            result[event.value] = self._value(next(events), events, inner)
        return result

    def _refuse_references(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _unreadable(
                "Anchors (`&name`) and aliases (`*name`) are not allowed",
                event.start_mark,
                "Write the value out. Text that starts with & or * goes in quotation marks.",
            )
        if event.tag is not None and event.tag not in _PLAIN_TAGS:
            raise _unreadable(
                "Tags (`!name`) are not allowed",
                event.start_mark,
                "Text that starts with ! goes in quotation marks.",
            )

    def _scalar(self, event: Any) -> Any:
        """Numbers, true, false and null become that; everything else, dates included, is text."""
        if len(event.value) > _LONGEST_NUMBER:
            return event.value
        tag = event.tag
        if tag in (None, "!"):
            tag = self._resolver.resolve(yaml.ScalarNode, event.value, event.implicit)
        if tag not in _CONVERTED:
            return event.value
        try:
            return self._constructor.construct_object(yaml.ScalarNode(tag, event.value))
        except (ValueError, KeyError, OverflowError):
            return event.value


def _span(event: Any) -> Span:
    start, end = event.start_mark, event.end_mark
    return Span(start.line + 1, start.column + 1, start.index, end.index)
