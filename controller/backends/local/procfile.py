"""The Procfile: names of process types and what each of them starts.

Read by the builder, stored with the image. The format is Heroku's: `name: command`, one a line.
"""

import re

_LINE = re.compile(r"^([A-Za-z0-9_-]+):\s*(.+)$")


class ProcfileError(Exception):
    """A line that is not understood, with its number."""


def parse(text: str) -> dict[str, str]:
    """Process type → command. Raises ProcfileError; empty lines and comments are skipped."""
    processes: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise ProcfileError(f"Procfile, line {number}: {line!r} is no `name: command`")
        if match[1] in processes:
            raise ProcfileError(f"Procfile, line {number}: {match[1]!r} is there twice")
        processes[match[1]] = match[2]
    return processes
