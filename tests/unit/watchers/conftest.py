"""A world in which polling runs."""

import pytest

from tests.support.polling import World, spec


@pytest.fixture
async def world() -> World:
    """A world with the tool `demo`, whose `web` follows `main`."""
    world = World()
    world.objects.put("demo", spec())
    return world
