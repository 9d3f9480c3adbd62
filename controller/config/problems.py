"""One mistake or oddity in a config: where it is, what it is, and what to write instead.

Produced by this package, rendered by the command line (`FILE:LINE:COL: error: …`) and by the HTTP
API (upstream's own sentences). No decision about what is a mistake is made here.
"""

from dataclasses import dataclass, replace
from typing import Self

Loc = tuple[str | int, ...]
UNKNOWN_FIELD = "unknown_field"
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake (error) or an oddity (warning).

    `loc` is the path in the config after old spellings were replaced. `line` and `column` count
    from 1; None where the config did not come as text. `kind` is pydantic's error type, or one of
    `rule`, `old_spelling`, `unknown_field`, `more`, `syntax`, `duplicate`. `received` is the scalar
    that was refused, None where there is none or where it may hold a secret. `formal`: the message
    as the public API words it, where it has words of its own for it.
    """

    loc: Loc
    message: str
    hint: str = ""
    kind: str = "rule"
    received: str | None = None
    line: int | None = None
    column: int | None = None
    formal: str = ""

    @property
    def path(self) -> str:
        """The place as users write it: `components.web.run.port`, list items as `[i]`."""
        text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.loc)
        return printable(text.removeprefix("."))

    @property
    def api_text(self) -> str:
        """The sentence that the public API has for it, as an error or as a warning."""
        if self.kind == UNKNOWN_FIELD:
            return f"Unknown field {self.path}, skipped"
        if self.kind in ("old_spelling", "more"):
            return f"{self.message}. {self.hint}"
        place = printable(" -> ".join(str(step) for step in self.loc))
        prefix = "Value error, " if self.kind == "rule" else ""
        value = "" if self.received is None else f" Received value: '{self.received}'"
        return f"Validation error at {place}: {prefix}{self.formal or self.message}.{value}"

    def at(self, line: int | None, column: int | None) -> Self:
        """The same with its place in the text."""
        return replace(self, line=line, column=column)

    def as_dict(self) -> dict[str, object]:
        """For machines (`--json`)."""
        return {
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "message": self.message,
            "hint": self.hint,
            "kind": self.kind,
        }


def printable(text: str) -> str:
    """Text from strangers, cut and without anything that a terminal or a log could act on."""
    cut = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    if cut.isprintable():
        return cut
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode()
        for c in cut
    )
