"""The distribution as it is installed elsewhere: packages, their data, the command, no tests."""

import subprocess
import sys
import zipfile
from collections.abc import Iterator

import pytest

from tests.repo import tree

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel of this clone, built from a copy so that nothing is left in it."""
    folder = tmp_path_factory.mktemp("wheel")
    for path in tree.files():
        if path.parts[0] in {"controller", "watchers", "requirements"} or len(path.parts) == 1:
            (folder / "source" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "source" / path).write_bytes((tree.ROOT / path).read_bytes())
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-qq", "wheel")
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder))
    subprocess.run((*pip, *options, str(folder / "source")), check=True)
    (built,) = folder.glob("*.whl")
    with zipfile.ZipFile(built) as opened:
        yield opened


def test_it_holds_every_file_of_both_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    ours = {str(path) for path in tree.files() if path.parts[0] in {"controller", "watchers"}}
    ours -= {name for name in ours if name.endswith(".md")}
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == ours


def test_it_brings_the_command(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert wheel.read(name).decode().strip() == (
        "[console_scripts]\nptd = controller.cli.main:main"
    )


def test_it_asks_for_what_the_program_needs(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    lines = wheel.read(name).decode().splitlines()
    asked = {line.split(": ", 1)[1] for line in lines if line.startswith("Requires-Dist")}
    wanted = (tree.ROOT / "requirements/run.in").read_text().splitlines()
    normal = {line.replace(" ", "") for line in wanted if line and not line.startswith("#")}
    assert {"".join(sorted(entry.lower())) for entry in asked} == {
        "".join(sorted(entry.lower())) for entry in normal
    }
