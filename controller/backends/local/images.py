"""Images: immutable trees on disk, named by the digest of their content.

Found by jobs, published by the builder, collected by the backend. A tree is built in the place
where it stays (a virtual environment cannot be moved); `images/<digest>` is a link to it, made
last and in one step, so an image is there whole or not at all.
"""

import contextlib
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from controller.backends.local import files
from controller.backends.local.layout import Layout

_REFERENCE = re.compile(r"local/[^@]+@sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Image:
    """A tree that components are started from."""

    tree: Path
    processes: Mapping[str, str] = field(default_factory=dict)

    @property
    def app(self) -> Path:
        """The checkout: what a component is started in."""
        return self.tree / "app"

    @property
    def venv(self) -> Path | None:
        """The virtual environment, if it has one."""
        path = self.tree / "venv"
        return path if path.is_dir() else None

    @property
    def paths(self) -> tuple[Path, ...]:
        """Where its programs are, most special first."""
        candidates = (self.tree / "venv" / "bin", self.app / "node_modules" / ".bin")
        return tuple(path for path in candidates if path.is_dir())


def reference(tool: str, component: str, digest: str) -> str:
    """The name of an image, as builds show it and jobs ask for it."""
    return f"local/{tool}/{component}@sha256:{digest}"


def digest_of(image: str) -> str | None:
    """The digest that an image's name ends in; None when it is not one of ours."""
    match = _REFERENCE.fullmatch(image)
    return match[1] if match else None


def find(layout: Layout, image: str) -> Image | None:
    """The image of that name, or None when it is not there (any more)."""
    digest = digest_of(image)
    if digest is None:
        return None
    link = layout.images / digest
    try:
        tree = link.resolve(strict=True)
    except OSError:
        return None
    described = files.read_json(tree / "image.json")
    return Image(tree, described.get("processes", {})) if described else None


def publish(layout: Layout, digest: str, tree: Path) -> Path:
    """Make `tree` the image of `digest`; answers the tree that is (an earlier one may be)."""
    link = layout.images / digest
    target = os.path.relpath(tree, layout.images)
    while True:
        try:
            link.symlink_to(target)
        except FileExistsError:
            if link.exists():
                return link.resolve()
            link.unlink(missing_ok=True)  # its tree is gone
        else:
            return tree


def collect(layout: Layout, keep: Collection[str]) -> None:
    """Remove images whose digest is not in `keep`, and trees of no image. No build may be live."""
    used = set()
    for link in list(layout.images.iterdir()):
        if link.name in keep and link.exists():
            used.add(link.resolve().name)
        else:
            with contextlib.suppress(FileNotFoundError):
                link.unlink()
    for tree in list(layout.trees.iterdir()):
        if tree.name not in used:
            files.remove_tree(tree)
