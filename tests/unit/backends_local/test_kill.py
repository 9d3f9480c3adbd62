"""kill -9 of ptd: the next one finds the same processes; nothing is doubled, lost or left."""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from controller import errors
from controller.backends import base
from controller.backends.local.backend import LocalBackend
from tests.faults import trials
from tests.support import localbackend
from tests.support.gitrepo import BareRepository
from tests.unit.backends_local.host import BUILD, JOB
from tests.unit.backends_local.site import (
    TOOL,
    Site,
    alive,
    gone,
    is_up,
    job_that,
    pid_in,
    running_in,
    shims_left,
    until,
)

REPOSITORY_ROOT = Path(__file__).parents[3]
Carry = Callable[[dict[str, object]], Awaitable[None]]


@asynccontextmanager
async def killed_afterwards(
    site: Site, linger: float = 30, *, wait: bool = True
) -> AsyncIterator[Carry]:
    """Another ptd on the site's root, which is killed at the end of the block.

    What it is given is done when the call is, unless `wait` says not to.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.unit.backends_local.host", str(site.root), str(linger)),
        cwd=REPOSITORY_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"here\n"

    async def carry_out(request: dict[str, object]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(request).encode() + b"\n")
        assert not wait or await process.stdout.readline() == b"done\n"

    try:
        yield carry_out
    finally:
        process.kill()
        await process.communicate()


def job(spec: base.JobSpec) -> dict[str, object]:
    return {"job": JOB.dump_python(spec, mode="json")}


async def test_the_next_ptd_finds_the_same_process(site: Site) -> None:
    spec = site.serving("one", replicas=2)
    async with killed_afterwards(site) as carry_out:
        await carry_out(job(spec))
        before = {await site.ask() for _ in range(4)}
    assert all(alive(pid_in(answer)) for answer in before)
    async with site.backend() as local:
        found = await job_that(local, is_up)
        assert (found.spec, found.status.restarts) == (spec, 0)
        assert {await site.ask() for _ in range(4)} == before
        assert running_in(site.root) == 2


async def test_a_process_that_ended_meanwhile_is_started_once(site: Site) -> None:
    async with killed_afterwards(site) as carry_out:
        await carry_out(job(site.serving("one")))
        pid = pid_in(await site.ask())
    os.kill(pid, signal.SIGKILL)
    await shims_left(site.root, 0)
    async with site.backend() as local:
        found = await job_that(local, lambda job: is_up(job) and job.status.restarts == 1)
        assert found.status.trouble is None
        assert running_in(site.root) == 1


async def test_when_everything_is_killed_it_runs_once_again(site: Site) -> None:
    stray = "sh -c 'sleep 1000 & exec " + localbackend.PYTHON + " server.py one'"
    spec = site.serving("one")
    spec = base.JobSpec("web", site.image, spec.run.model_copy(update={"command": stray}))
    async with killed_afterwards(site) as carry_out:
        await carry_out(job(spec))
        pid = pid_in(await site.ask())
    place = site.root / "tools" / TOOL / "jobs" / "web" / "instances" / "1-0"
    os.kill(int((place / "pid").read_text()), signal.SIGKILL)
    await gone(pid)
    mark = json.loads((place / "spec.json").read_text())["run"].encode()
    assert len(carrying(mark)) == 1  # the stray, whom nobody's death reached
    async with site.backend() as local:
        await job_that(local, is_up)
        assert carrying(mark) == []
        assert running_in(site.root) == 1


def carrying(mark: bytes) -> list[str]:
    """The processes with this mark in their environment."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes():
                found.append(process.name)
        except OSError:
            continue
    return found


async def test_a_half_done_update_goes_on(site: Site) -> None:
    old, new = site.serving("one"), site.serving("two bad")
    async with killed_afterwards(site) as carry_out:
        await carry_out(job(old))
        before = await site.ask()
    async with site.backend() as local:
        await local.jobs.apply(TOOL, new)
        await local.close(stop_jobs=False)
    async with site.backend(patience=0.5) as local:
        found = await job_that(local, lambda job: job.status.trouble is not None)
        assert (found.spec, found.serving) == (new, old)
        assert await site.ask() == before


async def test_processes_end_when_no_ptd_comes_back(site: Site) -> None:
    async with killed_afterwards(site, linger=0.5) as carry_out:
        await carry_out(job(site.serving("one")))
        pid = pid_in(await site.ask())
    assert alive(pid)
    await gone(pid)
    await shims_left(site.root, 0)
    async with site.backend() as local:
        found = await job_that(local, is_up)
        assert found.status.restarts == 0


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """What `waiting` reads: it waits until something is written there."""
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


@pytest.fixture
def waiting(tmp_path: Path, gate: Path) -> base.BuildRequest:
    """A build that goes on when the gate opens."""
    repository = BareRepository.create(tmp_path / "repository.git")
    commit = repository.commit({"requirements.txt": f"-r {gate}\n"})
    return base.BuildRequest(
        "web", repository.path.as_uri(), "main", commit, base.BuildOptions(), "deployment"
    )


async def ended(local: LocalBackend) -> base.Build:
    """The first build that is over."""

    async def found() -> base.Build | None:
        return next((b for b in await local.builds.list(TOOL) if not b.state.live), None)

    return await until(found)


async def test_a_build_goes_on_and_is_one(
    site: Site, gate: Path, waiting: base.BuildRequest
) -> None:
    async with killed_afterwards(site) as carry_out:
        await carry_out({"build": BUILD.dump_python(waiting, mode="json")})
    async with site.backend() as local:
        joined = await local.builds.start(TOOL, waiting)
        assert running_in(site.root) == 1
        await asyncio.to_thread(gate.write_text, "")
        build = await ended(local)
        assert (build.id, build.state) == (joined.id, base.BuildState.SUCCESSFUL)
        log = [line.partition(" ")[2] async for line in local.builds.log(TOOL, build.id)]
        assert sum(line.startswith("Fetching") for line in log) == 1


async def test_a_build_whose_machine_died_begins_again_under_its_id(
    site: Site, gate: Path, waiting: base.BuildRequest
) -> None:
    async with killed_afterwards(site) as carry_out:
        await carry_out({"build": BUILD.dump_python(waiting, mode="json")})
    [pid_file] = site.root.glob("tools/*/builds/*/pid")
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    await shims_left(site.root, 0)
    gate.unlink()
    gate.write_text("")
    async with site.backend() as local:
        build = await ended(local)
        assert build.state is base.BuildState.SUCCESSFUL
        assert len(await local.builds.list(TOOL)) == 1


async def test_a_second_ptd_on_the_same_root_is_refused(site: Site) -> None:
    async with site.backend():
        with pytest.raises(errors.Terminal) as refused:
            async with site.backend():
                pass
    assert refused.value.message == f"another ptd (process {os.getpid()}) works on {site.root}"


@pytest.mark.parametrize("seed", range(40 if trials.WHOLE else 2))
async def test_kills_at_random_moments_leave_exactly_what_is_wanted(site: Site, seed: int) -> None:
    chance = random.Random(seed)
    mark = f"chance-{os.getpid()}-{seed}"
    for number in range(3):
        async with killed_afterwards(site, wait=False) as carry_out:
            await carry_out(job(site.serving(f"{mark} {number}", replicas=chance.randint(1, 2))))
            await asyncio.sleep(chance.random() * 0.4)
            victims: list[int | Path] = [*serving(mark), *site.root.glob("**/instances/*/pid")]
            if victims and chance.random() < 0.7:
                kill(chance.choice(victims))
            await asyncio.sleep(chance.random() * 0.2)
    last = site.serving(f"{mark} last", replicas=2)
    async with site.backend() as local:
        await local.jobs.apply(TOOL, last)
        found = await job_that(local, lambda job: is_up(job) and job.serving is None)
        await shims_left(site.root, 2)
        assert found.spec == last
        assert (len(serving(mark)), running_in(site.root)) == (2, 2)
        assert (await site.ask()).startswith(mark)
    assert serving(mark) == []


def serving(mark: str) -> list[int]:
    """The processes that answer with this mark."""
    processes = psutil.process_iter(["pid", "cmdline"])
    lines = {process.pid: process.info["cmdline"] or [] for process in processes}
    return [pid for pid, line in lines.items() if "server.py" in line and mark in line]


def kill(victim: int | Path) -> None:
    """kill -9, if it is still there: a process, or the shim whose pid is in the file."""
    with contextlib.suppress(OSError, ValueError):
        os.kill(victim if isinstance(victim, int) else int(victim.read_text()), signal.SIGKILL)
