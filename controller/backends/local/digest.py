"""The digest of a built tree: equal content, equal digest, wherever and whenever it was built.

Used by the builder. Counted are paths, the executable bit, bytes and link targets of the checkout
with its node_modules; of a virtual environment, whose files hold its absolute path, what is
installed in it: names, versions, and the hashes that pip recorded for their files. Time stamps,
caches, `.git` and byte code do not count.
"""

import hashlib
import importlib.metadata
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

_IGNORED_DIRECTORIES = {".git", "__pycache__", ".cache"}


def of_tree(tree: Path) -> str:
    """The SHA-256 of the content of `tree` (app/, venv/), as 64 hex digits."""
    digest = hashlib.sha256()
    for line in _lines(tree):
        digest.update(line.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def _lines(tree: Path) -> Iterator[str]:
    yield from _files(tree / "app")
    if (tree / "venv").is_dir():
        yield f"python {sys.version_info.major}.{sys.version_info.minor}"
        yield from sorted(_installed(tree / "venv"))


def _files(directory: Path, prefix: str = "") -> Iterator[str]:
    with os.scandir(directory) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        name = f"{prefix}{entry.name}"
        if entry.is_symlink():
            yield f"link {name} {os.readlink(entry.path)}"  # noqa: PTH115  (bytes as they are)
        elif entry.is_dir():
            if entry.name not in _IGNORED_DIRECTORIES:
                yield f"directory {name}"
                yield from _files(Path(entry.path), f"{name}/")
        elif entry.is_file() and not entry.name.endswith(".pyc"):
            kind = "program" if entry.stat().st_mode & stat.S_IXUSR else "file"
            yield f"{kind} {name} {_content(Path(entry.path))}"


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _installed(venv: Path) -> Iterator[str]:
    for packages in venv.glob("lib/python*/site-packages"):
        for package in importlib.metadata.distributions(path=[str(packages)]):
            yield f"package {package.name} {package.version} {_recorded(package)}"


def _recorded(package: importlib.metadata.Distribution) -> str:
    """One hash over the files that pip recorded, but for those that hold where they are."""
    record = package.read_text("RECORD") or ""
    lines = [
        line
        for line in record.splitlines()
        if ",sha256=" in line and not line.startswith("../") and "direct_url.json" not in line
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
