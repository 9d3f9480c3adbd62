"""The digest of a tree: what counts, and what does not."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.backends.local import digest


def make(tree: Path, location: str = "/somewhere") -> Path:
    """A checkout with one program, and a virtual environment with one package."""
    app = tree / "app"
    app.mkdir(parents=True)
    (app / "serve").write_text("print()")
    (app / "serve").chmod(0o755)
    (app / "link").symlink_to("serve")
    info = tree / "venv" / "lib" / "python3.11" / "site-packages" / "greeting-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
    (info / "RECORD").write_text(
        "greeting.py,sha256=abc,9\n"
        f"../../../bin/greet,sha256={location},9\n"
        f"greeting-1.0.dist-info/direct_url.json,sha256={location},9\n"
        "greeting-1.0.dist-info/RECORD,,\n"
    )
    return tree


def record(tree: Path) -> Path:
    return next(tree.rglob("RECORD"))


def rewrite(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def test_where_and_when_a_tree_was_built_does_not_count(tmp_path: Path) -> None:
    first, second = make(tmp_path / "1", "/here"), make(tmp_path / "2", "/there")
    os.utime(second / "app" / "serve", (0, 0))
    for name in (".git/HEAD", "__pycache__/x.pyc", "node_modules/.cache/x", "more.pyc"):
        path = second / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("whatever")
    (first / "app" / "node_modules").mkdir()
    assert digest.of_tree(first) == digest.of_tree(second)


@pytest.mark.parametrize(
    "change",
    [
        lambda tree: (tree / "app" / "serve").write_text("print(1)"),
        lambda tree: (tree / "app" / "serve").chmod(0o644),
        lambda tree: (tree / "app" / "serve").rename(tree / "app" / "other"),
        lambda tree: (tree / "app" / "new").mkdir(),
        lambda tree: (tree / "app" / "new").write_text(""),
        lambda tree: ((tree / "app" / "link").unlink(), (tree / "app" / "link").symlink_to("x")),
        lambda tree: rewrite(record(tree), "sha256=abc", "sha256=abd"),
        lambda tree: rewrite(record(tree).with_name("METADATA"), "1.0", "1.1"),
        lambda tree: (tree / "venv").rename(tree / "gone"),
    ],
)
def test_what_a_component_could_notice_counts(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    tree = make(tmp_path / "tree")
    before = digest.of_tree(tree)
    change(tree)
    assert digest.of_tree(tree) != before
