"""Hosts that hold on to a check, or mean harm, delay the checks of no other host."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from tests.support.githttp import Fault, GitServer
from watchers.git.addresses import Guard, Policy
from watchers.git.ls_remote import LsRemote
from watchers.git.process import MAX_MEMORY_BYTES, GitProcesses
from watchers.git.protocol2 import Cheapest, Protocol2
from watchers.git.repositories import Repositories

pytestmark = pytest.mark.timeout(60)

HOLDING = 30  # hosts, each with as many checks at once as are allowed
PATIENCE = timedelta(seconds=8)


@pytest.fixture
async def repositories() -> AsyncIterator[Repositories]:
    """As the controller has them; every name is this machine."""

    async def loopback(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    processes, cheap = GitProcesses(16), Protocol2(PATIENCE)
    both = Cheapest(cheap, LsRemote(processes, PATIENCE))
    yield Repositories(Guard(Policy(allow_private=True), loopback), both)
    await cheap.close()
    processes.close()


async def served(repositories: Repositories, server: GitServer, wanted: str) -> float:
    """How long a check of a good repository on another host takes at most, of ten."""
    slowest = 0.0
    for number in range(10):
        began = time.monotonic()
        url = f"http://good{number % 3}.example:{server.port}/good.git"
        assert (await repositories.resolve_one(url, "main")).commit == wanted
        slowest = max(slowest, time.monotonic() - began)
    return slowest


async def test_hosts_that_say_nothing_delay_no_other(
    server: GitServer, repositories: Repositories
) -> None:
    tip = server.repository("good.git").commit({"a": "1"})
    server.faults["slow.git"] = Fault(hang=True)
    urls = [f"http://slow{n}.example:{server.port}/slow.git" for n in range(HOLDING)]
    holding = [
        asyncio.create_task(repositories.resolve(url, [f"b{n}"])) for url in urls for n in range(4)
    ]
    async with asyncio.timeout(5):
        while len(server.seen) < len(holding):  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    assert await served(repositories, server, tip) < 3

    for task in holding:
        task.cancel()
    await asyncio.gather(*holding, return_exceptions=True)


async def test_endless_refs_and_a_million_of_them_stay_small_and_delay_no_other(
    server: GitServer, repositories: Repositories
) -> None:
    tip = server.repository("good.git").commit({"a": "1"})
    many = server.repository("many.git")
    commit = many.commit({"a": "1"})
    names = (f"refs/tags/v{number}" for number in range(1_000_000))
    header = "# pack-refs with: peeled fully-peeled sorted \n"
    (many.path / "packed-refs").write_text(
        header + "".join(sorted(f"{commit} {name}\n" for name in names))
    )
    server.faults["endless.git"] = Fault(endless=True)
    bad = [
        asyncio.create_task(repositories.resolve(f"http://{host}:{server.port}/{name}.git", [ref]))
        for host, name, ref in (
            ("one.example", "endless", "main"),
            ("two.example", "many", "tag:v*"),
        )
    ]
    began, largest = time.monotonic(), 0
    own = psutil.Process().memory_info().rss
    while not all(task.done() for task in bad):
        await served(repositories, server, tip)
        largest = max([largest, *_gits()])
    ended = await asyncio.gather(*bad, return_exceptions=True)

    assert all(isinstance(each, Exception) for each in ended), ended
    assert time.monotonic() - began < 60
    assert largest <= MAX_MEMORY_BYTES
    assert psutil.Process().memory_info().rss - own < 192 * 1024 * 1024


def _gits() -> list[int]:
    """The memory of each git that asks; what serves here is no part of the product."""
    found = []
    for each in psutil.Process().children(recursive=True):
        try:
            words = " ".join(each.cmdline())
            if "ls-remote" in words or Path(words.split()[0]).name.startswith("git-remote"):
                found.append(int(each.memory_info().rss))
        except (psutil.Error, IndexError):
            continue
    return found
