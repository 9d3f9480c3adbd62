"""What a checkout needs to become an image, decided by the files that are in it.

Used by the builder: it asks for the steps and carries them out. Looks at files, runs nothing.
"""

import importlib.util
import json
import shutil
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.backends.local import procfile

_PIP = ("--disable-pip-version-check", "--no-input")


class StepError(Exception):
    """The checkout cannot be built here; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Step:
    """A program to run in the checkout."""

    title: str
    argv: tuple[str, ...]


def steps_for(app: Path, venv: Path, path: str) -> list[Step]:
    """All steps, in order; none where there is nothing to build. Raises StepError."""
    return [*_npm(app, path), *_python(app, venv)]


def processes_of(app: Path) -> dict[str, str]:
    """Process types: the Procfile's, and `web` by package.json's start script."""
    processes: dict[str, str] = {}
    file = app / "Procfile"
    if file.is_file():
        try:
            processes = procfile.parse(file.read_text(encoding="utf-8", errors="replace"))
        except procfile.ProcfileError as error:
            raise StepError(str(error)) from None
    if "start" in _scripts(app):
        processes.setdefault("web", "npm start")
    return processes


def _python(app: Path, venv: Path) -> list[Step]:
    requirements = app / "requirements.txt"
    if requirements.is_file():
        wanted = ["-r", "requirements.txt"] if _says_something(requirements) else []
    elif (app / "pyproject.toml").is_file():
        wanted = ["."] if _is_package(app / "pyproject.toml") else []
    else:
        return []
    own_pip = importlib.util.find_spec("pip") is None  # of the venv, where ptd's python has none
    make = (sys.executable, "-m", "venv", *(() if own_pip else ("--without-pip",)), str(venv))
    python = str(venv / "bin" / "python")
    pip = (python, "-m", "pip") if own_pip else (sys.executable, "-m", "pip", "--python", python)
    steps = [Step("Making a virtual environment", make)]
    if wanted:
        what = "requirements.txt" if wanted[0] == "-r" else "pyproject.toml"
        steps.append(Step(f"Installing {what}", (*pip, "install", *_PIP, *wanted)))
    return steps


def _npm(app: Path, path: str) -> list[Step]:
    if not (app / "package.json").is_file():
        return []
    npm = shutil.which("npm", path=path)
    if npm is None:
        raise StepError(
            "there is a package.json, but no npm on this machine: "
            "install Node.js where ptd runs, and deploy again"
        )
    locked = any((app / name).is_file() for name in ("package-lock.json", "npm-shrinkwrap.json"))
    command = "ci" if locked else "install"
    steps = [Step(f"Running npm {command}", (npm, command, "--no-audit", "--no-fund"))]
    if "build" in _scripts(app):
        steps.append(Step("Running npm run build", (npm, "run", "build")))
    return steps


def _scripts(app: Path) -> Mapping[str, Any]:
    try:
        package = json.loads((app / "package.json").read_bytes())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise StepError(f"package.json is not valid JSON: {error}") from None
    scripts = package.get("scripts") if isinstance(package, dict) else None
    return scripts if isinstance(scripts, dict) else {}


def _says_something(requirements: Path) -> bool:
    lines = requirements.read_text(encoding="utf-8", errors="replace").splitlines()
    return any(line.strip() and not line.strip().startswith("#") for line in lines)


def _is_package(pyproject: Path) -> bool:
    """Whether it describes a package, rather than the settings of some tools."""
    try:
        described = tomllib.loads(pyproject.read_text(encoding="utf-8", errors="replace"))
    except tomllib.TOMLDecodeError as error:
        raise StepError(f"pyproject.toml: {error}") from None
    return "project" in described or "build-system" in described
