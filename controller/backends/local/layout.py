"""Where everything lies on disk, and which names may become part of a path.

Used by the whole package. Makes paths, never touches them.

    ptd.lock                              held while a ptd works on this root
    images/<digest>  -> ../trees/<tree>   immutable results, found by the digest of their content
    trees/<tree>/{app,venv,image.json}    built in place, because a venv cannot be moved
    cache/                                downloads of pip and npm
    tools/<tool>/builds/<id>/             record, log and outcome of a build
    tools/<tool>/jobs/<name>/             job.json, instances/<generation>-<replica>/, logs/
    tools/<tool>/removed/                 what is still being stopped before it is deleted
    tools/<tool>/data/                    the tool's own files: HOME and TOOL_DATA_DIR
"""

import re
from dataclasses import dataclass
from pathlib import Path

from controller import errors
from controller.models.reasons import Reason

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST = 63


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths below one root."""

    root: Path

    @property
    def lock(self) -> Path:
        """Held by the one ptd that works on this root."""
        return self.root / "ptd.lock"

    @property
    def images(self) -> Path:
        """Links from a digest to the tree with that content."""
        return self.root / "images"

    @property
    def trees(self) -> Path:
        """The trees that builds made."""
        return self.root / "trees"

    @property
    def cache(self) -> Path:
        """Downloads that builds share."""
        return self.root / "cache"

    @property
    def tools(self) -> Path:
        """One directory per tool."""
        return self.root / "tools"

    def builds(self, tool: str) -> Path:
        """The builds of a tool."""
        return self.tools / tool / "builds"

    def jobs(self, tool: str) -> Path:
        """The jobs of a tool."""
        return self.tools / tool / "jobs"

    def removed(self, tool: str) -> Path:
        """Jobs of a tool that are on their way out."""
        return self.tools / tool / "removed"

    def data(self, tool: str) -> Path:
        """The tool's own files."""
        return self.tools / tool / "data"


def check_name(what: str, name: str, reason: Reason) -> None:
    """Refuse a name that may not become a path (Terminal with `reason`).

    The rule is that of the jobs service: lower-case letters, digits, dashes, single dots.
    """
    if len(name) > _LONGEST or not _NAME.fullmatch(name):
        message = f"{what} name {name[:80]!r} is not allowed"
        raise errors.Terminal(
            reason,
            message,
            f"Use at most {_LONGEST} lower-case letters, digits and dashes.",
        )
