"""GitHub's annotations: what went wrong, beside the commit and at the line of the config.

Used by `outcome` where GITHUB_ACTIONS is set. The format is that of GitHub's workflow commands.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

TITLE = "Deployment"


def annotations(
    sentences: Iterable[str], mistakes: Iterable[Mapping[str, Any]], workspace: Path
) -> Iterator[str]:
    """One line for the end of a deployment, and one for each mistake in a config.

    A mistake is shown at its line where the file is in the checkout of the job (`workspace`).
    """
    yield _command({"title": TITLE}, "\n".join(sentences))
    for mistake in mistakes:
        file = in_checkout(str(mistake.get("file", "")), workspace)
        place = {"file": file, "line": mistake.get("line"), "col": mistake.get("column")}
        known = {name: value for name, value in place.items() if value} if file else {}
        yield _command(known | {"title": TITLE}, said(mistake))


def said(mistake: Mapping[str, Any]) -> str:
    """A mistake in words: `components.web.run: This has to be text`, and what to do."""
    path = f"{mistake['path']}: " if mistake.get("path") else ""
    message = str(mistake.get("message", ""))
    return f"{path}{message}. {mistake['hint']}" if mistake.get("hint") else f"{path}{message}"


def in_checkout(url: str, workspace: Path) -> str:
    """The file of a checkout that an address of a git host is about, "" if there is none.

    Hosts differ in what stands before the path (`…/raw/main/`, `…/-/raw/main/`): the longest end
    of the address that is a file counts.
    """
    parts = [part for part in PurePosixPath(urlsplit(url).path).parts if part not in ("/", "..")]
    for start in range(len(parts)):
        path = "/".join(parts[start:])
        if (workspace / path).is_file():
            return path
    return ""


def _command(properties: Mapping[str, Any], text: str) -> str:
    given = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
    return f"::error {given}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
