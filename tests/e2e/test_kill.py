"""kill -9 of `ptd local` at random moments of a deployment ends in the same final state.

The whole program, real git, real processes. The moments come from a seed that the failure prints;
PTD_SEED replays it, as far as processes can be replayed.
"""

import asyncio
import os
import random
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.models.tooldeployment import JobChange, State
from tests.faults import trials
from tests.support.gitrepo import BareRepository
from tests.support.ptdlocal import PtdLocal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900 if trials.WHOLE else 180)]

KILLS = 40 if trials.WHOLE else 10
LONGEST = 2.5  # seconds; a whole deployment takes about as long
SLOW = "web: python3 -c 'import time; print({}, flush=True); time.sleep(600)'\n"


@pytest.fixture
def bare(tmp_path: Path) -> BareRepository:
    """A repository on disk."""
    made = BareRepository.create(tmp_path / "web.git", "main")
    made.commit({"Procfile": SLOW.format(0)})
    return made


@pytest.fixture
async def ptd(tmp_path: Path, bare: BareRepository) -> AsyncIterator[PtdLocal]:
    """A `ptd local` with a config of one component, built from it."""
    local = PtdLocal(tmp_path / "data")
    await local.start()
    await local.configure(
        {
            "components": {
                "web": {
                    "build": {"repository": f"file://{bare.path}", "ref": "main"},
                    "run": {"command": "web"},
                }
            }
        }
    )
    yield local
    await local.stop()


def builds_of(local: PtdLocal) -> list[str]:
    """Every build that was ever started."""
    return sorted(path.name for path in (local.folder / "work/tools/demo/builds").iterdir())


def processes_of(folder: Path) -> list[str]:
    """What the component's processes print that run from this folder, whoever started them."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            ours = entry.name.isdecimal() and (entry / "cwd").readlink().is_relative_to(folder)
            line = (entry / "cmdline").read_bytes() if ours else b""
        except OSError:
            continue
        if b"time.sleep(600)" in line and b"python" in line.partition(b"\0")[0]:
            found.append(line.partition(b"print(")[2].partition(b",")[0].decode())
    return found


async def only(folder: Path, content: str) -> None:
    """Wait until one process runs, with this content; what it replaces may need a moment."""
    end = asyncio.get_running_loop().time() + 15
    while (found := processes_of(folder)) != [content]:
        assert asyncio.get_running_loop().time() < end, f"{found} and not {content}"
        await asyncio.sleep(0.1)


async def test_kills_at_random_moments_end_in_the_same_state(
    ptd: PtdLocal, bare: BareRepository
) -> None:
    seed = int(os.environ.get("PTD_SEED") or random.SystemRandom().randrange(10**6))
    moments = random.Random(seed)
    for number in range(KILLS):
        name = f"d{number:02}"
        content = number - number % 2
        if content == number:  # every other deployment replaces the process
            bare.commit({"Procfile": SLOW.format(content)})
        await ptd.deploy(name, force_build=True)
        await asyncio.sleep(moments.uniform(0, LONGEST))
        await ptd.kill()
        await ptd.start()
        ended = await ptd.ended(name)
        web = ended.status.builds["web"]
        assert (ended.status.status, ended.status.failure) == (State.SUCCESSFUL, None), f"{seed=}"
        assert len(builds_of(ptd)) == number + 1, f"{seed=}: built more than once"
        assert web.build_id in builds_of(ptd)
        if content != number:
            assert ended.status.runs["web"].change == JobChange.UNCHANGED, f"{seed=}"
        await only(ptd.folder, str(content))


async def test_ctrl_c_ends_everything_and_the_next_start_brings_it_back(ptd: PtdLocal) -> None:
    await ptd.deploy("d1")
    assert (await ptd.ended("d1")).status.status == State.SUCCESSFUL
    assert await ptd.stop() == 0
    assert processes_of(ptd.folder) == []
    await ptd.start()
    async with asyncio.timeout(20):
        while not processes_of(ptd.folder):  # noqa: ASYNC110 - of other processes
            await asyncio.sleep(0.1)
    assert [d.name for d in await ptd.deployments()] == ["d1"]


async def test_a_second_one_in_the_same_folder_is_refused_with_a_sentence(ptd: PtdLocal) -> None:
    second = PtdLocal(ptd.folder)
    shutil.copy(ptd.kubeconfig, ptd.folder.parent / "kept")
    with pytest.raises(AssertionError, match=r"another ptd|already"):
        await second.start()
    shutil.copy(ptd.folder.parent / "kept", ptd.kubeconfig)
