"""Rewriting a file in the present spelling, with its comments, order and quotes as they were.

Called through `controller.config` by `ptd config migrate`. Works by cutting the old words out of
the text, at the places that reading found, so nothing else can change.
"""

from dataclasses import dataclass

from controller.config import documents, spelling
from controller.config.problems import Problem


@dataclass(frozen=True, slots=True)
class Migrated:
    """The new text (equal to the old one where nothing was old), and what was changed or wrong."""

    text: str
    changes: tuple[Problem, ...] = ()
    errors: tuple[Problem, ...] = ()


def migrate(text: str) -> Migrated:
    """Replace every old spelling in a config's text. Mistakes of other kinds are left as they are.

    `errors` is set, and the text unchanged, where it cannot be read or says a thing twice.
    """
    try:
        document = documents.read(text)
    except documents.UnreadableError as error:
        return Migrated(text, errors=(error.problem,))
    if not isinstance(document.data, dict):
        return Migrated(text)
    upgraded = spelling.upgrade(document.data)
    if upgraded.conflicts:
        return Migrated(text, errors=upgraded.conflicts)
    edits: list[tuple[documents.Span, str]] = []
    for change in upgraded.changes:
        spans = document.keys if change.of_key else document.values
        edits.append((spans[change.old_loc], change.new))
    for span, new in sorted(edits, key=lambda edit: edit[0].start, reverse=True):
        text = text[: span.start] + _quoted_as(text[span.start : span.end], new) + text[span.end :]
    changes = tuple(
        change.warning().at(span.line, span.column)
        for change, (span, _) in zip(upgraded.changes, edits, strict=True)
    )
    return Migrated(text, changes)


def _quoted_as(old: str, new: str) -> str:
    quote = old[:1] if old[:1] in ("'", '"') else ""
    return f"{quote}{new}{quote}"
