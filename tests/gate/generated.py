"""Files that are written from the source: `make generate` writes them, `make verify` compares.

A generator is a function without arguments that returns path → text; it is named in `GENERATORS`
and lives in `tests/gate/pages.py` (docs) or beside the source that it renders. Called by the
Makefile and by the gate.
"""

import difflib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from controller.models import crds
from tests.gate import (
    config_page,
    dashboard,
    environment,
    gitlab_component,
    monitoring,
    pages,
)

GENERATORS: dict[str, Callable[[], Mapping[str, str]]] = {
    "config": config_page.page,
    "crds": crds.manifests,
    "dashboard": dashboard.page,
    "gitlab": gitlab_component.files,
    "metrics": pages.metrics,
    "reasons": pages.reasons,
    "rules": monitoring.rules,
    "settings": pages.settings,
}


def stale(files: Mapping[str, str], root: Path = environment.ROOT) -> list[str]:
    """The paths whose file differs from what it should be, or is missing."""
    return [path for path, text in files.items() if _current(root / path) != text]


def write(files: Mapping[str, str], root: Path = environment.ROOT) -> list[str]:
    """Write what differs; answers the paths written."""
    changed = stale(files, root)
    for path in changed:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(files[path])
    return changed


def _current(path: Path) -> str | None:
    return path.read_text() if path.is_file() else None


def _differences(path: str, wanted: str) -> str:
    current = (_current(environment.ROOT / path) or "").splitlines(keepends=True)
    lines = difflib.unified_diff(current, wanted.splitlines(keepends=True), path, "generated")
    return "".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Write the generated files; with --check only compare. Names choose generators."""
    names = [argument for argument in arguments if argument != "--check"]
    unknown = set(names) - GENERATORS.keys()
    if unknown:
        known = ", ".join(GENERATORS)
        print(f"no generator {', '.join(sorted(unknown))}; there are: {known}", file=sys.stderr)
        return 2
    files: dict[str, str] = {}
    for name in names or GENERATORS:
        files |= GENERATORS[name]()
    if "--check" not in arguments:
        for path in write(files):
            print(f"wrote {path}")
        return 0
    changed = stale(files)
    for path in changed:
        print(_differences(path, files[path]))
    if changed:
        print(f"not up to date: {', '.join(changed)}; run make generate, and commit")
    return 1 if changed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
