"""Makes this clone's own Python environments from the pinned requirement files.

Called by the Makefile before anything else, with the system's Python: only the standard library
may be imported here. `python -m tests.gate.environment run` makes `.venv` with what the program
needs, `dev` adds what the checks need, `cli-client` makes the client's separate environment.

An environment remembers the hash of the files that it was made from, so that asking again costs
nothing and a changed pin is installed the next time anybody runs anything.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLDEST_PYTHON = (3, 11)


class SetupError(Exception):
    """The environment cannot be made; the text says what to do."""


@dataclass(frozen=True)
class Environment:
    """One virtual environment, and the pinned files that fill it."""

    name: str
    folder: Path
    pins: tuple[str, ...]
    with_project: bool

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        return self.folder / "bin" / "python"

    @property
    def stamp(self) -> Path:
        """Holds the fingerprint of what the environment was made from."""
        return self.folder / f".installed-{self.name}"

    def fingerprint(self, root: Path) -> str:
        """Changes when a pin, the interpreter or the project's metadata changes."""
        digest = hashlib.sha256(sys.version.encode())
        sources = [root / "requirements" / f"{pin}.txt" for pin in self.pins]
        for source in [*sources, *([root / "pyproject.toml"] if self.with_project else [])]:
            digest.update(source.read_bytes())
        return digest.hexdigest()


def environments(root: Path = ROOT) -> dict[str, Environment]:
    """The environments of the clone at `root`, by name; `dev` holds all of `run`."""
    own = root / ".venv"
    client = root / ".tools" / "cli-client"
    return {
        "run": Environment("run", own, ("build", "run"), with_project=True),
        "dev": Environment("dev", own, ("build", "dev"), with_project=True),
        "cli-client": Environment("cli-client", client, ("cli-client",), with_project=False),
    }


def ensure(environment: Environment, root: Path = ROOT) -> bool:
    """Make the environment match its pins; False when it already did.

    Raises `SetupError` with what to do when this machine lacks something.
    """
    wanted = environment.fingerprint(root)
    with _one_at_a_time(root):
        if environment.stamp.is_file() and environment.stamp.read_text() == wanted:
            return False
        _check_machine()
        _check_own(environment, root)
        _fill(environment, root)
        environment.stamp.write_text(wanted)
        if environment.name == "dev":
            run = environments(root)["run"]
            run.stamp.write_text(run.fingerprint(root))
    return True


def _fill(environment: Environment, root: Path) -> None:
    # From nothing each time: what a pin left behind must not be there to be imported.
    _run([sys.executable, "-m", "venv", "--clear", str(environment.folder)])
    for pin in environment.pins:
        pinned = str(root / "requirements" / f"{pin}.txt")
        _install(environment, ["--require-hashes", "--requirement", pinned])
    if environment.with_project:
        _install(environment, ["--no-deps", "--no-build-isolation", "--editable", str(root)])


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    # Two runs of make in one clone would fill the same folder.
    (root / ".cache").mkdir(exist_ok=True)
    with (root / ".cache" / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _check_machine() -> None:
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        raise SetupError(
            f"Python 3.11 or newer is needed, this is {found} ({sys.executable}): "
            "install it, or name one: make PYTHON=/path/to/python3.11"
        )
    try:
        import ensurepip  # noqa: F401, PLC0415 - Debian splits it off
    except ImportError:
        raise SetupError(
            "this Python cannot make virtual environments: apt-get install python3-venv"
        ) from None
    if shutil.which("git") is None:
        raise SetupError("git is needed: apt-get install git")


def _check_own(environment: Environment, root: Path) -> None:
    # Filling begins with emptying, and what a link leads to is somebody else's.
    place = environment.folder
    if place.resolve() != root.resolve() / place.relative_to(root):
        raise SetupError(
            f"{place} is a link to {place.resolve()}, which was made from other pins or by another "
            "clone and is left as it is: remove the link, and run this again"
        )


def _install(environment: Environment, what: Sequence[str]) -> None:
    pip = [str(environment.python), "-m", "pip", "--disable-pip-version-check", "-qq"]
    _run([*pip, "install", "--no-input", *what])


def _run(command: Sequence[str]) -> None:
    # A PYTHONPATH or an active environment of the caller must not leak into what is made here.
    kept = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "PYTHONHOME"}}
    try:
        subprocess.run(command, check=True, env=kept)
    except subprocess.CalledProcessError as error:
        raise SetupError(f"this step failed, see above: {' '.join(command)}") from error


def main(names: Sequence[str]) -> int:
    """Make the named environments; 0 when they are ready."""
    known = environments()
    for name in names:
        if name not in known:
            print(f"no environment {name!r}; there are: {', '.join(known)}", file=sys.stderr)
            return 2
        try:
            if ensure(known[name]):
                print(f"environment {name}: ready in {known[name].folder.relative_to(ROOT)}")
        except SetupError as error:
            print(f"set-up: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
