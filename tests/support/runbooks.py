"""The pages in runbooks/, and the commands in them: for the tests that read and that run them."""

import re
from pathlib import Path

from tests.gate import environment

FOLDER = environment.ROOT / "runbooks"
HEADINGS = ("Meaning", "Impact", "Diagnosis", "Mitigation", "How to tell that it is over")
_FENCE = re.compile(r"(?ms)^```([^\n]*)\n(.*?)^```$")
_SECTION = re.compile(r"(?ms)^## ([^\n]+)\n(.*?)(?=^## |\Z)")


def pages() -> dict[str, str]:
    """The pages of alerts: name → text."""
    return {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.md")) if _is_page(path)}


def _is_page(path: Path) -> bool:
    return path.stem != "README"


def index() -> str:
    """The page that leads to all others."""
    return (FOLDER / "README.md").read_text()


def sections(text: str) -> dict[str, str]:
    """A page's sections: heading → text."""
    return {heading: body.strip() for heading, body in _SECTION.findall(text)}


def blocks(text: str) -> list[tuple[str, str]]:
    """A page's blocks of commands: what follows the backticks, and the commands."""
    return [(info.strip(), commands) for info, commands in _FENCE.findall(text)]
