"""Lines of logs as a terminal would show them at the end, without what commands a terminal.

Programs redraw: a progress bar is one line with hundreds of carriage returns. What strangers print
may also move the cursor, set titles or answer queries. Used where log lines become part of a
status, and by the commands before anything of others is printed. The sequences are those of
ECMA-48. Pure.
"""

import re
from collections.abc import Iterable

_WIDTH = 1000
"""No cursor goes further to the right by a command."""
_PIECES = re.compile(
    r"(?P<text>[^\x00-\x08\x0a-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]+)"
    r"|(?:\x1b\[|\x9b)(?P<given>[0-?]*)[ -/]*(?P<done>[@-~])"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
    r"|(?P<move>[\r\x08])"
    r"|.",
    re.DOTALL,
)


def last_shown(line: str, *, colours: bool = False) -> str:
    """What is left of a line when all of it is printed; with `colours`, those it has stay."""
    cells: list[str] = []
    at, colour = 0, ""
    for piece in _PIECES.finditer(line):
        if text := piece["text"]:
            shown = [colour + text[0], *text[1:]] if colour else list(text)
            cells.extend(" " * (at - len(cells)))
            cells[at : at + len(shown)] = shown
            at, colour = at + len(shown), ""
        elif piece["move"]:
            at = 0 if piece["move"] == "\r" else max(0, at - 1)
        elif piece["done"] == "m":
            colour += f"\x1b[{piece['given']}m" if colours else ""
        elif piece["done"]:
            at = _command(cells, at, piece["done"], piece["given"])
    whole = "".join(cells).rstrip()
    return f"{whole}\x1b[0m" if "\x1b" in whole else whole


def last_lines(lines: Iterable[str]) -> tuple[str, ...]:
    """The lines of a log's end, without those that were drawn and wiped out again."""
    both = ((line, last_shown(line)) for line in lines)
    return tuple(shown for line, shown in both if shown or not line.strip())


def safe(text: str) -> str:
    """A text of several lines, each as it is shown in the end."""
    return "\n".join(map(last_shown, text.split("\n")))


def _command(cells: list[str], at: int, command: str, given: str) -> int:
    """Move in the line, or wipe out a part of it; where the cursor is then."""
    first = given.partition(";")[0]
    number = min(int(first), _WIDTH) if first.isdecimal() else 0
    match command:
        case "K" if number == 1:
            cells[: at + 1] = " " * min(at + 1, len(cells))
        case "K":
            del cells[0 if number == 2 else at :]
        case "J" if number == 0:  # more of the screen is other lines, which a log keeps
            del cells[at:]
        case "C":
            return min(at + max(number, 1), max(at, _WIDTH))
        case "D":
            return max(0, at - max(number, 1))
        case "G":
            return max(0, number - 1)
    return at
