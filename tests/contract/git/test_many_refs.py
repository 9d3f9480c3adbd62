"""A repository with 100,000 refs costs a check no more than one with ten; choosing a tag does."""

import asyncio
import time

import pytest

from controller import errors
from controller.models.reasons import Reason
from tests.support.githttp import GitServer
from watchers.git.addresses import Guard, Policy
from watchers.git.protocol2 import Protocol2
from watchers.git.repositories import Repositories
from watchers.git.resolution import RefKind, Resolved

pytestmark = pytest.mark.timeout(30)

MANY = 100_000


@pytest.fixture
def commit(server: GitServer) -> str:
    """The tip of `main`, beside very many branches that end in main, and tags."""
    repository = server.repository("big.git")
    tip = repository.commit({"a": "1"})
    refs = {f"refs/heads/d{n:06}/main": tip for n in range(MANY // 2)}
    refs |= {f"refs/tags/v1.{n}.0": tip for n in range(MANY // 2)}
    repository.pack_many(refs)
    return tip


async def test_a_branch_among_very_many(
    server: GitServer, repositories: Repositories, commit: str
) -> None:
    found = await repositories.resolve(server.address("big.git"), ["main", "v1.49999.0"])
    assert found == {
        "main": Resolved(commit, RefKind.BRANCH),
        "v1.49999.0": Resolved(commit, RefKind.TAG),
    }


async def test_a_branch_costs_no_more_than_among_few(server: GitServer, commit: str) -> None:
    cheap = Protocol2()
    repositories = Repositories(Guard(Policy(allow_private=True)), cheap)
    address = server.address("big.git")
    await repositories.resolve_one(address, "main")
    began = time.thread_time()
    for _ in range(20):
        await repositories.resolve_one(address, "main")
    spent = (time.thread_time() - began) / 20
    await cheap.close()

    assert spent < 0.02  # with the server's part, which is in this thread too


async def test_the_newest_of_very_many_tags_is_chosen_beside_the_event_loop(
    server: GitServer, repositories: Repositories, commit: str
) -> None:
    stalls: list[float] = []

    async def watch() -> None:
        last = time.thread_time()  # of this thread alone: the machine may be busy
        while True:
            await asyncio.sleep(0.005)
            stalls.append(time.thread_time() - last)
            last = time.thread_time()

    watching = asyncio.create_task(watch())
    found = await repositories.resolve_one(server.address("big.git"), "semver:1.x")
    watching.cancel()

    assert (found.commit, found.ref) == (commit, "refs/tags/v1.49999.0")
    assert max(stalls) < 0.5


async def test_a_list_of_tags_beyond_the_limit_is_refused(
    server: GitServer, repositories: Repositories
) -> None:
    repository = server.repository("big.git")
    tip = repository.commit({"a": "1"})
    repository.pack_many({f"refs/tags/v{n}.0.0-{'x' * 60}": tip for n in range(80_000)})

    with pytest.raises(errors.EdgeError) as raised:
        await repositories.resolve(server.address("big.git"), ["semver:*"])

    assert raised.value.reason == Reason.REPOSITORY_REFUSED
    assert "larger than 8 MiB" in raised.value.message
