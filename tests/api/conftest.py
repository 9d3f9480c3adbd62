"""The HTTP API behind a gateway, on the control plane of the tests."""

from collections.abc import AsyncIterator

import pytest

from tests.api.service import Service, serving
from tests.support import controlplane


@pytest.fixture
async def service(control_plane: controlplane.Access) -> AsyncIterator[Service]:
    """The API."""
    async with serving(control_plane) as ready:
        yield ready
