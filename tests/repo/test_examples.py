"""The examples are what they say: a valid config, and programs that run as their Procfile says."""

import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from controller.models import toolconfig
from tests.repo import tree

EXAMPLES = tree.ROOT / "examples"


def _processes(folder: Path) -> dict[str, str]:
    lines = (folder / "Procfile").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines)


@contextmanager
def _started(folder: Path, process: str) -> Iterator[subprocess.Popen[str]]:
    command = _processes(folder)[process].replace("python3", sys.executable).split()
    surroundings = os.environ | {"PORT": "0"}
    with subprocess.Popen(
        command, cwd=folder, env=surroundings, stdout=subprocess.PIPE, text=True
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def _first_line(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline().strip()


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A copy of the web example that a test may change."""
    return Path(shutil.copytree(EXAMPLES / "web", tmp_path / "web"))


@contextmanager
def _serving(web: Path) -> Iterator[str]:
    with _started(web, "web") as running:
        port = _first_line(running).rsplit(" ", 1)[1]
        yield f"http://127.0.0.1:{port}"


def test_the_config_is_accepted_and_follows_its_repositories() -> None:
    config = toolconfig.ToolConfigSpec.model_validate(
        yaml.safe_load((EXAMPLES / "toolforge.yaml").read_text())
    )
    assert config.auto_deploy
    kinds = {name: component.component_type for name, component in config.components.items()}
    assert kinds == {"web": "continuous", "report": "scheduled", "worker": "continuous"}


def test_every_command_of_the_config_is_a_process_of_its_repository() -> None:
    config = yaml.safe_load((EXAMPLES / "toolforge.yaml").read_text())
    commands = {component["run"]["command"] for component in config["components"].values()}
    known = _processes(EXAMPLES / "web").keys() | _processes(EXAMPLES / "worker").keys()
    assert commands == known


def test_the_page_is_served_and_is_healthy(web: Path) -> None:
    with _serving(web) as url:
        assert _get(url) == (200, (web / "page.txt").read_text())
        assert _get(f"{url}/healthz") == (200, "ok\n")


def test_an_empty_page_is_not_healthy(web: Path) -> None:
    (web / "page.txt").write_text("\n")
    with _serving(web) as url:
        assert _get(f"{url}/healthz") == (503, "page.txt is empty\n")


def test_the_report_counts_the_words_of_the_page(web: Path) -> None:
    (web / "page.txt").write_text("three short words\n")
    with _started(web, "report") as running:
        assert _first_line(running) == "the page has 3 words"


def test_the_worker_works_and_ends_in_order() -> None:
    with _started(EXAMPLES / "worker", "worker") as running:
        assert _first_line(running) == f"process {running.pid} did piece 1"
        running.send_signal(signal.SIGTERM)
        assert _first_line(running) == "ended in order"
        assert running.wait(5) == 0
