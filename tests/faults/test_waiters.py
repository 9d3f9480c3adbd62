"""Thousands of long polls: a third goes away without a word, and the API is restarted."""

import asyncio
import json
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
import pytest

from controller.models.tooldeployment import Phase, State
from tests.bench.waiters import Server
from tests.faults import trials
from tests.faults.conftest import Tried

POLLS = 4_000 if trials.WHOLE else 120
ROUNDS = 3 if trials.WHOLE else 1
AFTER = 10.0  # seconds for 99 of 100 answers; the machine does other things besides


@pytest.mark.timeout(600)
async def test_waiters_that_vanish_and_a_restart_cost_no_answer_and_leave_nothing(
    tmp_path: Path, tried: Tried
) -> None:
    for number in range(ROUNDS):
        await once(tmp_path / str(number))
    tried("long polls", ROUNDS * POLLS)


async def once(folder: Path) -> None:
    folder.mkdir()
    process = psutil.Process()
    async with AsyncExitStack() as stack:
        server = Server(folder, stack, 1)
        await server.start()
        files = process.num_fds()
        words = ("-m", "tests.faults.pollers", str(server.port), str(POLLS))
        pipe = asyncio.subprocess.PIPE
        jobs = await asyncio.create_subprocess_exec(sys.executable, *words, stdin=pipe, stdout=pipe)
        stack.callback(_end, jobs)
        assert jobs.stdin is not None
        assert jobs.stdout is not None
        assert await jobs.stdout.readline() == b"asked\n"
        await waiting(server, POLLS)
        leaving = POLLS * 3 // 10
        jobs.stdin.write(f"{leaving}\n".encode())
        assert await jobs.stdout.readline() == b"left\n"
        await waiting(server, POLLS - leaving)
        await server.stop()
        await server.end(status=State.RUNNING, phase=Phase.BUILDING)
        await server.serve()
        await waiting(server, POLLS - leaving)
        ended = await server.end()
        told = json.loads(await jobs.stdout.readline())
        assert (told["told"], told["backwards"], len(told["newest"])) == (POLLS - leaving, 0, 1)
        assert told["p99"] - ended < AFTER
        await jobs.wait()
        await waiting(server, 0)
        async with asyncio.timeout(60):
            while process.num_fds() > files + 5:  # noqa: ASYNC110
                await asyncio.sleep(0.1)


def _end(jobs: asyncio.subprocess.Process) -> None:
    if jobs.returncode is None:
        jobs.kill()


async def waiting(server: Server, number: int) -> None:
    """Until so many wait; nobody waits twice."""
    until = time.monotonic() + 120
    while server.changes.waiting != number:
        assert time.monotonic() < until, server.changes.waiting
        await asyncio.sleep(0.05)
