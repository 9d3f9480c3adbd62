"""The backends that the contract suite runs against: one entry, one parameter per backend."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from tests.contract.backends.fake_world import fake_world
from tests.contract.backends.local_world import local_world
from tests.contract.backends.worlds import World

WORLDS: dict[str, Callable[[Path], AbstractAsyncContextManager[World]]] = {
    "fake": fake_world,
    "local": local_world,
}


@pytest.fixture(params=WORLDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with WORLDS[request.param](tmp_path) as made:
        yield made
