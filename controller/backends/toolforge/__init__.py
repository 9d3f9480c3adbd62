"""Builds by builds-api and jobs by jobs-api: Toolforge's services, over HTTP.

`connect` makes a `base.Backend` of the two; `docs/toolforge-backend.md` says what is promised and
what the services cannot do.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from controller.backends.base import Backend
from controller.backends.toolforge.builds import ToolforgeBuilds
from controller.backends.toolforge.client import Gateway, Record, nothing, opened
from controller.backends.toolforge.jobs import ToolforgeJobs

__all__ = ["Gateway", "connect"]


@asynccontextmanager
async def connect(
    gateway: Gateway, clock: Callable[[], datetime], record: Record = nothing
) -> AsyncIterator[Backend]:
    """The backend, with its connections open until the end of the block."""
    async with opened(gateway, record) as client:
        yield Backend(ToolforgeBuilds(client, clock), ToolforgeJobs(client, clock))
