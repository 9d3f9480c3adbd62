"""How a config's problems are shown: a line each, as compilers do, and what to do about it.

Used by the commands of `cli.config`. A line is never broken, so that editors and CI can find
`FILE:LINE:COL: error: …` in it; colours only on a terminal.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from controller import config

_COLOURS = {"error": "bold red", "warning": "yellow"}


def console(*, stderr: bool = False) -> Console:
    """A console that leaves lines as they are."""
    return Console(stderr=stderr, soft_wrap=True, highlight=False, emoji=False, markup=False)


def show(file: str, kind: str, problems: Iterable[config.Problem], out: Console) -> None:
    """Print problems of one kind (`error` or `warning`)."""
    for problem in problems:
        place = ":".join(str(it) for it in (file, problem.line, problem.column) if it is not None)
        subject = f"{problem.path}: " if problem.path else ""
        out.print(
            Text.assemble(
                (f"{place}: ", "bold"),
                (f"{kind}: ", _COLOURS[kind]),
                f"{subject}{problem.message}",
            )
        )
        if problem.hint:
            out.print(Text(f"    {problem.hint}", "dim"))


def as_json(file: str, loaded: config.Loaded, *, valid: bool) -> str:
    """The same for machines."""
    return json.dumps(
        {
            "file": file,
            "valid": valid,
            "errors": [problem.as_dict() for problem in loaded.errors],
            "warnings": [problem.as_dict() for problem in loaded.warnings],
        },
        indent=2,
    )


def counted(number: int, word: str) -> str:
    """`1 warning`, `2 warnings`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def components(names: Sequence[str]) -> str:
    """`2 components (web, job)`, not all of them where there are many."""
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return f"{counted(len(names), 'component')} ({shown})"


def name_of(file: Path) -> str:
    """How a file is called in messages."""
    return "<standard input>" if str(file) == "-" else str(file)
