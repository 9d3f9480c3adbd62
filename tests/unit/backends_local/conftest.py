"""A local backend on a directory of the test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.backends.local.backend import LocalBackend
from tests.unit.backends_local.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
async def local(site: Site) -> AsyncIterator[LocalBackend]:
    async with site.backend() as backend:
        yield backend
