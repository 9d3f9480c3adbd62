"""Many readers at one moment are one read; nobody gets what is older than his question."""

import asyncio

import pytest

from controller.api.sharing import Shared


class Reads:
    """Numbers its calls; each goes on until it is let go."""

    def __init__(self) -> None:
        self.calls = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.calls += 1
        number = self.calls
        await self.go.wait()
        return number


async def test_who_comes_during_a_read_shares_the_next_one() -> None:
    shared, reads = Shared[int](), Reads()
    first = [asyncio.create_task(shared.read("a", reads)) for _ in range(100)]
    await asyncio.sleep(0.01)
    later = [asyncio.create_task(shared.read("a", reads)) for _ in range(100)]
    other = asyncio.create_task(shared.read("b", reads))
    await asyncio.sleep(0.01)
    reads.go.set()
    assert set(await asyncio.gather(*first)) == {1}
    assert set(await asyncio.gather(*later)) == {3}
    assert (await other, reads.calls) == (2, 3)
    assert await shared.read("a", reads) == 4


async def test_who_goes_away_takes_nothing_from_the_others() -> None:
    shared, reads = Shared[int](), Reads()
    first = asyncio.create_task(shared.read("a", reads))
    second = asyncio.create_task(shared.read("a", reads))
    await asyncio.sleep(0.01)
    first.cancel()
    reads.go.set()
    assert await second == 1


async def test_a_failure_is_everybodys_and_the_next_read_is_new() -> None:
    shared = Shared[int]()

    async def fails() -> int:
        raise ValueError("gone")

    told = await asyncio.gather(
        *(shared.read("a", fails) for _ in range(3)), return_exceptions=True
    )
    assert [str(error) for error in told] == ["gone"] * 3
    reads = Reads()
    reads.go.set()
    assert await shared.read("a", reads) == 1
    with pytest.raises(ValueError, match="gone"):
        await shared.read("a", fails)
