"""`ptd local` as a whole, with a damaged file and a full disk: a clear message, nothing lost."""

import asyncio
import resource
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller import errors
from tests.support.ptdlocal import PtdLocal, environment

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]
UNLIMITED = resource.RLIM_INFINITY


@pytest.fixture
async def ptd(tmp_path: Path) -> AsyncIterator[PtdLocal]:
    """A running `ptd local` with one finished deployment."""
    local = PtdLocal(tmp_path / "data")
    local.folder.mkdir()
    await local.start()
    await local.deploy("d1")
    await local.ended("d1")
    yield local
    await local.stop()


async def attempt(folder: Path, largest: int = UNLIMITED) -> tuple[int | None, str]:
    """Start `ptd local` where it cannot work; its exit code and what it says.

    `largest`: bytes of a file, beyond which writing fails as on a full disk.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "controller", "local", "--data", str(folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment() | {"PYTHONDONTWRITEBYTECODE": "1"},  # it would be cut short, too
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest, UNLIMITED)),
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def test_a_damaged_file_is_named_and_left_as_it_is(ptd: PtdLocal) -> None:
    await ptd.stop()
    file = ptd.folder / "control-plane.sqlite"
    good = file.read_bytes()
    bad = good[:100] + b"\xff" * (len(good) - 100)
    file.write_bytes(bad)
    code, said = await attempt(ptd.folder)
    assert code == 1
    words = " ".join(said.split())
    assert f"{file} is damaged" in words
    assert "restore a copy" in words
    assert "Traceback" not in said
    assert file.read_bytes() == bad
    file.write_bytes(good)
    await ptd.start()
    assert [d.name for d in await ptd.deployments()] == ["d1"]


async def test_a_second_start_in_the_same_folder_is_told_so(ptd: PtdLocal) -> None:
    code, said = await attempt(ptd.folder)
    assert code == 1
    assert str(ptd.folder) in " ".join(said.split()).replace("\n", "")
    assert "Traceback" not in said
    assert [d.name for d in await ptd.deployments()] == ["d1"]


async def test_a_full_disk_refuses_what_is_new_and_keeps_what_was_there(ptd: PtdLocal) -> None:
    assert ptd.process is not None
    resource.prlimit(ptd.process.pid, resource.RLIMIT_FSIZE, (4096, UNLIMITED))
    with pytest.raises(errors.EdgeError, match="full or failing"):
        await ptd.deploy("d2")
    assert [d.name for d in await ptd.deployments()] == ["d1"]
    resource.prlimit(ptd.process.pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
    await ptd.deploy("d3")
    await ptd.ended("d3")
    await ptd.kill()
    await ptd.start()
    assert [d.name for d in await ptd.deployments()] == ["d1", "d3"]
    assert "Traceback" not in ptd.log()


@pytest.mark.parametrize("largest", [1024, 8 * 1024, 100 * 1024])
async def test_a_start_that_finds_no_room_says_so_however_far_it_came(
    tmp_path: Path, largest: int
) -> None:
    code, said = await attempt(tmp_path / "data", largest)
    assert code == 1
    assert ("Traceback" in said, "Error: " in said) == (False, True), said
