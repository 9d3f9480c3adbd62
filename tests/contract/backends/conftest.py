"""The backends that the contract suite runs against: one fixture, one parameter per backend."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.backends.local_world import local_world
from tests.contract.backends.worlds import World

WORLDS = {"local": local_world}


@pytest.fixture(params=WORLDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with WORLDS[request.param](tmp_path) as made:
        yield made
