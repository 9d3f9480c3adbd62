"""Label and field selectors: parsing with a Kubernetes API server's error texts, and matching.

The HTTP server parses ``?labelSelector=`` and ``?fieldSelector=`` once per request and asks
``matches`` per object; which fields a kind can be selected by is passed in. The label grammar is
that of k8s.io/apimachinery/pkg/labels, the field grammar that of pkg/fields.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from controller.local import fielderrors, metadata

Object = Mapping[str, Any]
Getter = Callable[[Object], str]


class SelectorError(ValueError):
    """The selector cannot be understood; the text is the message of a 400."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term: ``operator`` is one of in, notin, exists, !, gt, lt; = and != become sets."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "in":
                return value in self.values
            case "notin":
                return value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
            case _:
                return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        if value is None or not _is_integer(value):
            return False
        (bound,) = self.values
        return int(value) > int(bound) if self.operator == "gt" else int(value) < int(bound)


@dataclass(frozen=True, slots=True)
class LabelSelector:
    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str] | None) -> bool:
        return all(term.matches(labels or {}) for term in self.requirements)


class _Token(NamedTuple):
    kind: str  # "id", "end", or the symbol itself
    text: str


_TOKEN = re.compile(r"\s*(==|!=|[=!(),<>]|[^\s=!(),<>]+)")
_is_integer = re.compile(r"[+-]?[0-9]+").fullmatch
_OPERATORS = "in, notin, =, ==, !=, gt, lt"


def labels(text: str) -> LabelSelector:
    """The selector that ``text`` says; the empty text selects everything.

    Raises SelectorError.
    """
    return LabelSelector(tuple(_LabelParser(text).requirements()))


class _LabelParser:
    def __init__(self, text: str) -> None:
        words = _TOKEN.findall(text)
        self._tokens = [_Token(w if w[0] in "=!(),<>" else "id", w) for w in words]
        self._next = 0

    def _peek(self) -> _Token:
        return self._tokens[self._next] if self._next < len(self._tokens) else _Token("end", "")

    def _take(self) -> _Token:
        token = self._peek()
        self._next += 1
        return token

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        while (token := self._peek()).kind != "end":
            if token.kind not in ("id", "!"):
                raise SelectorError(
                    f"found '{token.text}', expected: !, identifier, or 'end of string'"
                )
            found.append(self._requirement())
            after = self._take()
            if after.kind == "end":
                break
            if after.kind != ",":
                raise SelectorError(f"found '{after.text}', expected: ',' or 'end of string'")
            if (token := self._peek()).kind not in ("id", "!"):
                raise SelectorError(f"found '{token.text}', expected: identifier after ','")
        return found

    def _requirement(self) -> Requirement:
        try:
            key, absent = self._key()
            if self._peek().kind in ("end", ","):
                return Requirement(key, "!" if absent else "exists")
            return self._comparison(key)
        except SelectorError as error:
            raise SelectorError(f"unable to parse requirement: {error}") from None

    def _key(self) -> tuple[str, bool]:
        token = self._take()
        absent = token.kind == "!"
        if absent:
            token = self._take()
        if token.kind != "id":
            raise SelectorError(f"found '{token.text}', expected: identifier")
        if wrong := metadata.qualified_name(token.text):
            raise SelectorError(str(fielderrors.invalid("<nil>", token.text, "; ".join(wrong))))
        return token.text, absent

    def _comparison(self, key: str) -> Requirement:
        token = self._take()
        operator = {"=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt"}.get(token.kind)
        if operator:
            values = [self._exact_value()]
        elif token.text in ("in", "notin"):
            operator, values = token.text, self._values()
        else:
            raise SelectorError(f"found '{token.text}', expected: {_OPERATORS}")
        _check_values(key, operator, values)
        return Requirement(key, operator, frozenset(values))

    def _exact_value(self) -> str:
        if self._peek().kind in ("end", ","):
            return ""
        token = self._take()
        if token.kind != "id":
            raise SelectorError(f"found '{token.text}', expected: identifier")
        return token.text

    def _values(self) -> list[str]:
        token = self._take()
        if token.kind != "(":
            raise SelectorError(f"found '{token.text}' expected: '('")
        if self._peek().kind == ")":
            self._take()
            return []
        values = [self._listed_value()]
        while (token := self._take()).kind == ",":
            values.append(self._listed_value())
        if token.kind != ")":
            raise SelectorError(f"found '{token.text}', expected: ',' or ')'")
        return sorted(set(values))

    def _listed_value(self) -> str:
        token = self._peek()
        if token.kind in (",", ")"):
            return ""  # "(a,)" names the empty value too
        if token.kind != "id":
            raise SelectorError(f"found '{token.text}', expected: ',', ')' or identifier")
        return self._take().text


def _check_values(key: str, operator: str, values: Sequence[str]) -> None:
    if not values:
        detail = "for 'in', 'notin' operators, values set can't be empty"
        raise SelectorError(str(fielderrors.invalid("values", [], detail)))
    for index, value in enumerate(values):
        if operator in ("gt", "lt") and not _is_integer(value):
            detail = "for 'Gt', 'Lt' operators, the value must be an integer"
            raise SelectorError(str(fielderrors.invalid(f"values[{index}]", value, detail)))
        if wrong := metadata.label_value(value):
            field = f"values[{index}][{key}]"
            raise SelectorError(str(fielderrors.invalid(field, value, "; ".join(wrong))))


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """Terms as (field, getter, value, whether equal is wanted), in the order of the text."""

    terms: tuple[tuple[str, Getter, str, bool], ...] = ()

    def matches(self, obj: Object) -> bool:
        return all((get(obj) == value) is wanted for _, get, value, wanted in self.terms)

    def exactly(self, field: str) -> str | None:
        """The one value that the field must have, if the selector says so (for index look-ups)."""
        return next((v for f, _, v, wanted in self.terms if f == field and wanted), None)


def dotted(path: str) -> Getter:
    """Reads ``spec.color`` out of an object as text; what is not there is the empty text."""
    parts = path.split(".")

    def get(obj: Object) -> str:
        value: Any = obj
        for part in parts:
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is None:
            return ""
        return value if isinstance(value, str) else fielderrors.printed(value)

    return get


NAME: Mapping[str, Getter] = {"metadata.name": dotted("metadata.name")}
NAME_AND_NAMESPACE: Mapping[str, Getter] = {
    **NAME,
    "metadata.namespace": dotted("metadata.namespace"),
}


def of_crd(version: Object, namespaced: bool) -> Mapping[str, Getter]:
    """What objects of one version of a CRD can be selected by, for ``fields``."""
    paths = [str(entry["jsonPath"]).lstrip(".") for entry in version.get("selectableFields") or []]
    always = NAME_AND_NAMESPACE if namespaced else NAME
    return {**always, **{path: dotted(path) for path in paths}}


_TERM = re.compile(r"(?P<field>.*?)(?P<operator>!=|==|=)(?P<value>.*)", re.DOTALL)
_SPLIT = re.compile(r"(?:\\.|[^,\\])+", re.DOTALL)
_UNESCAPED = re.compile(r"\\(.)", re.DOTALL)
UNSUPPORTED = "field label not supported: {field}"


def fields(
    text: str, selectable: Mapping[str, Getter], unsupported: str = UNSUPPORTED
) -> FieldSelector:
    """The selector that ``text`` says over the fields that the kind can be selected by.

    Raises SelectorError; ``unsupported`` is the kind's text for another field.
    """
    terms = []
    for part in _SPLIT.findall(text):
        found = _TERM.fullmatch(part)
        if not found:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{part}'")
        field, value = found["field"], _unescaped(found["value"])
        if field not in selectable:
            raise SelectorError(unsupported.format(field=field))
        terms.append((field, selectable[field], value, found["operator"] != "!="))
    return FieldSelector(tuple(terms))


def _unescaped(value: str) -> str:
    for escaped in _UNESCAPED.findall(value):
        if escaped not in "\\,=":
            raise SelectorError(f"invalid field selector: invalid escape sequence: \\{escaped}")
    plain = _UNESCAPED.sub("", value)
    if "\\" in plain:
        raise SelectorError("invalid field selector: invalid escape sequence: \\")
    if "=" in plain:
        raise SelectorError("invalid field selector: unescaped character in value: =")
    return _UNESCAPED.sub(r"\1", value)
