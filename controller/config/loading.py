"""From a text or an object to a valid spec, or to everything that is wrong with it.

Called through `controller.config`. The order: read the text, replace old spellings, leave unknown
names out, validate with the models, say where each mistake is. No rule about the content is made
here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from controller.config import documents, spelling, vocabulary
from controller.config.problems import Loc, Problem
from controller.models import toolconfig, wording
from controller.models.findings import RULE, Policy
from controller.models.sources import UNSET_SOURCE_URL

_SHAPE_TAGS = frozenset({"continuous", "scheduled", "source", "reuse", "ref_name", "ref_policy"})
_LONGEST_RECEIVED = 200
_HINTS = {
    "dict_type": "Indent what belongs to it, one `name: value` on a line.",
    "model_type": "Indent what belongs to it, one `name: value` on a line.",
    "bool_parsing": "Write `true` or `false`.",
    "bool_type": "Write `true` or `false`.",
    "int_parsing": "Write a whole number, in digits.",
    "int_type": "Write a whole number, in digits.",
    "int_from_float": "Write a whole number, in digits.",
    "too_short": "Write what belongs here below it, or remove the line.",
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """The outcome of reading a config.

    Exactly when `errors` is empty there is a `spec`, and `stored`: what to keep of it, which is
    what the user sent in the present spelling, without unknown fields and without defaults.
    """

    spec: toolconfig.ToolConfigSpec | None
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    stored: dict[str, Any] = field(default_factory=dict)


def load(text: str, *, policy: Policy | None = None) -> Loaded:
    """Read a file's text: YAML or JSON, at most 64 KiB. Problems know their line and column."""
    try:
        document = documents.read(text)
    except documents.UnreadableError as error:
        return Loaded(None, (error.problem,))
    return _load(document, policy or Policy())


def load_object(data: object, *, policy: Policy | None = None) -> Loaded:
    """Read what JSON, HTTP or a custom resource's spec holds. Problems have no lines."""
    return _load(documents.Document(data), policy or Policy())


def _load(document: documents.Document, policy: Policy) -> Loaded:
    if not isinstance(document.data, dict):
        return Loaded(None, (_not_a_mapping(document.data),))
    upgraded = spelling.upgrade(_with_text_keys(document.data))
    unknown = vocabulary.unknown(upgraded.data)
    place = _Places(document, upgraded.changes)
    errors = [*_duplicates(document, unknown), *map(place.of, upgraded.conflicts)]
    spec, mistakes = _validate(_without_placeholders(upgraded.data), policy)
    errors += map(place.of, mistakes)
    old = [
        (place.of_key if change.of_key else place.of)(change.warning())
        for change in upgraded.changes
    ]
    warnings = _in_order([*old, *map(place.of_key, unknown)])
    if spec is None or errors:
        return Loaded(None, _in_order(errors), warnings)
    return Loaded(spec, (), warnings, spec.model_dump(mode="json", exclude_unset=True))


def _not_a_mapping(data: object) -> Problem:
    message = "The config is empty" if data in (None, "") else "The config is not a mapping"
    return Problem((), message, "It starts with `components:`; see docs/config.md.", "syntax")


def _with_text_keys(data: dict[Any, Any]) -> dict[str, Any]:
    """An object may come from anywhere; names are text."""
    return {str(key): value for key, value in data.items()}


def _without_placeholders(data: dict[str, Any]) -> dict[str, Any]:
    """Leave out what means "not set" to the public API."""
    unset = [("config_version", None), ("source_url", UNSET_SOURCE_URL)]
    return {key: value for key, value in data.items() if (key, value) not in unset}


def _validate(
    data: dict[str, Any], policy: Policy
) -> tuple[toolconfig.ToolConfigSpec | None, list[Problem]]:
    try:
        return toolconfig.ToolConfigSpec.model_validate(data, context=policy), []
    except ValidationError as error:
        first: dict[Loc, Problem] = {}
        for line in error.errors(include_url=False):
            problem = _problem(line)
            first.setdefault(problem.loc, problem)
        return None, list(first.values())


def _problem(line: ErrorDetails) -> Problem:
    loc, value = plain_loc(line["loc"]), line["input"]
    if line["type"] == RULE:
        context = line["ctx"]
        return Problem(loc, context["text"], context["hint"], RULE, _received(loc, value))
    hint, kind, message = _hint(line, loc), line["type"], wording.plain(line)
    if kind == "missing":
        return Problem(loc, message, hint, kind, formal=line["msg"])
    formal = "Input should be a valid dictionary" if kind == "model_type" else line["msg"]
    return Problem(loc, message, hint, kind, _received(loc, value), formal=formal)


def plain_loc(loc: tuple[int | str, ...]) -> Loc:
    """The path in the file: without pydantic's names of shapes and its mark of a bad key.

    Also of a path in an object that holds a config somewhere (`spec`, `status.tool_config`).
    """
    if "components" not in loc:
        return loc
    start = loc.index("components")
    shapes = range(start + 2, start + 7)
    steps = [step for at, step in enumerate(loc) if at not in shapes or step not in _SHAPE_TAGS]
    return tuple(steps[:-1] if steps[-1] == "[key]" else steps)


def _received(loc: Loc, value: object) -> str | None:
    """What was refused, where it is short enough to show and no secret can be in it."""
    if value is None or isinstance(value, dict | list):
        return None
    text = str(value)
    if loc[-1:] in (("repository",), ("source_url",)) and "@" in text:
        return None
    if loc[-1:] == ("credentials",):
        return None  # what is no name of a Secret may be the secret itself
    return text[:_LONGEST_RECEIVED].encode("utf-8", "backslashreplace").decode()


def _hint(line: ErrorDetails, loc: Loc) -> str:
    kind, value = line["type"], line["input"]
    if kind == "string_type" and isinstance(value, bool):
        return "YAML reads this word as true or false; put it in quotation marks."
    if kind == "string_type" and isinstance(value, int | float):
        return f'Put it in quotation marks: "{value}".'
    if kind in ("enum", "literal_error") and isinstance(value, str):
        words = tuple(line["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", "))
        near = vocabulary.nearest(value, words)
        return f"Did you mean `{near}`?" if near else ""
    if kind == "missing":
        return f"Add `{loc[-1]}`; see docs/config.md."
    return _HINTS.get(kind, "")


def _duplicates(document: documents.Document, unknown: list[Problem]) -> list[Problem]:
    """Keys that are there twice, except within what is left out anyway."""
    skipped = {problem.loc for problem in unknown}
    return [
        Problem(
            loc,
            f"`{loc[-1]}` is there twice, first in line {first.line}",
            "Remove one of them.",
            "duplicate",
            line=second.line,
            column=second.column,
        )
        for loc, first, second in document.duplicates
        if not any(loc[:length] in skipped for length in range(1, len(loc) + 1))
    ]


class _Places:
    """Adds line and column to problems whose paths are in the present spelling."""

    def __init__(self, document: documents.Document, changes: Iterable[spelling.Change]) -> None:
        self._document = document
        self._written = {change.loc: change.old_loc for change in changes}

    def of(self, problem: Problem) -> Problem:
        """At the value that is wrong, or at the nearest thing around it."""
        span = self._document.place(self._written.get(problem.loc, problem.loc))
        return problem.at(span.line, span.column) if span else problem

    def of_key(self, problem: Problem) -> Problem:
        """At the name itself."""
        span = self._document.keys.get(self._written.get(problem.loc, problem.loc))
        return problem.at(span.line, span.column) if span else problem


def _in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """By their place in the text; where there is none, as they were found."""
    return tuple(sorted(problems, key=lambda it: (it.line or 0, it.column or 0)))
