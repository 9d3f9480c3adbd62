"""One world per test: both stand-ins, and the backend that is connected to them."""

from collections.abc import AsyncIterator

import pytest

from tests.support.toolforge.world import Toolforge, toolforge


@pytest.fixture
async def world() -> AsyncIterator[Toolforge]:
    async with toolforge() as made:
        yield made
