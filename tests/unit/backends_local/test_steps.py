"""What a checkout needs to become an image, by the files in it."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from controller.backends.local import steps

PIP = [sys.executable, "-m", "pip", "--python", "venv/bin/python", "install"]
QUIET = ["--disable-pip-version-check", "--no-input"]
VENV = [sys.executable, "-m", "venv", "--without-pip", "venv"]
NPM_QUIET = ["--no-audit", "--no-fund"]


@pytest.fixture
def npm(tmp_path: Path) -> str:
    """A PATH with nothing but a program `npm`."""
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return str(program)


def checkout(directory: Path, files: Mapping[str, str]) -> Path:
    app = directory / "app"
    app.mkdir()
    for name, text in files.items():
        (app / name).write_text(text)
    return app


PACKAGE = json.dumps({"scripts": {}})
BUILDABLE = json.dumps({"scripts": {"build": "make", "start": "node ."}})


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, []),
        ({"Procfile": "web: ./serve"}, []),
        ({"requirements.txt": "# nothing\n\n"}, [VENV]),
        ({"requirements.txt": "flask"}, [VENV, [*PIP, *QUIET, "-r", "requirements.txt"]]),
        ({"pyproject.toml": "[project]\nname = 'x'"}, [VENV, [*PIP, *QUIET, "."]]),
        ({"pyproject.toml": "[tool.ruff]\nline-length = 100"}, [VENV]),
        (
            {"requirements.txt": "flask", "pyproject.toml": "[project]\nname = 'x'"},
            [VENV, [*PIP, *QUIET, "-r", "requirements.txt"]],
        ),
        ({"package.json": PACKAGE}, [["npm", "install", *NPM_QUIET]]),
        ({"package.json": PACKAGE, "package-lock.json": "{}"}, [["npm", "ci", *NPM_QUIET]]),
        (
            {"package.json": BUILDABLE},
            [["npm", "install", *NPM_QUIET], ["npm", "run", "build"]],
        ),
        (
            {"package.json": PACKAGE, "requirements.txt": ""},
            [["npm", "install", *NPM_QUIET], VENV],
        ),
    ],
)
def test_the_files_decide_about_the_steps(
    tmp_path: Path, npm: str, files: dict[str, str], expected: list[list[str]]
) -> None:
    app = checkout(tmp_path, files)
    found = steps.steps_for(app, Path("venv"), str(Path(npm).parent))
    assert [[word.replace(npm, "npm") for word in step.argv] for step in found] == expected


def test_without_npm_a_package_json_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    app = checkout(tmp_path, {"package.json": PACKAGE})
    with pytest.raises(steps.StepError) as refused:
        steps.steps_for(app, Path("venv"), str(tmp_path))
    assert str(refused.value) == (
        "there is a package.json, but no npm on this machine: "
        "install Node.js where ptd runs, and deploy again"
    )


@pytest.mark.parametrize(
    ("files", "processes"),
    [
        ({}, {}),
        ({"Procfile": "web: gunicorn app:app -b :$PORT\n\n# more\nworker:  ./work\n"},
         {"web": "gunicorn app:app -b :$PORT", "worker": "./work"}),
        ({"package.json": BUILDABLE}, {"web": "npm start"}),
        ({"package.json": BUILDABLE, "Procfile": "web: ./serve"}, {"web": "./serve"}),
        ({"package.json": "[]"}, {}),
    ],
)  # fmt: skip
def test_process_types_come_from_the_procfile_and_package_json(
    tmp_path: Path, files: dict[str, str], processes: dict[str, str]
) -> None:
    assert steps.processes_of(checkout(tmp_path, files)) == processes


@pytest.mark.parametrize(
    ("files", "complaint"),
    [
        ({"Procfile": "web: a\nworker\n"}, "Procfile, line 2: 'worker' is no `name: command`"),
        ({"Procfile": "web: a\nweb: b\n"}, "Procfile, line 2: 'web' is there twice"),
        ({"package.json": "{"}, "package.json is not valid JSON: "),
    ],
)
def test_a_broken_file_is_named_with_its_line(
    tmp_path: Path, files: dict[str, str], complaint: str
) -> None:
    with pytest.raises(steps.StepError) as refused:
        steps.processes_of(checkout(tmp_path, files))
    assert str(refused.value).startswith(complaint)


def test_a_broken_pyproject_is_named(tmp_path: Path) -> None:
    app = checkout(tmp_path, {"pyproject.toml": "["})
    with pytest.raises(steps.StepError, match=r"pyproject\.toml: "):
        steps.steps_for(app, Path("venv"), "")
