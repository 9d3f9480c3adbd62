"""Connects our store to a control plane of the tests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from kubernetes.aio.client import Configuration
from prometheus_client import CollectorRegistry

from controller.metrics import RequestMetrics
from controller.store.calls import Calls
from controller.store.client import Connection


@asynccontextmanager
async def calls_to(
    url: str,
    *,
    token: Callable[[], str] = lambda: "t0ken",
    within: timedelta = timedelta(seconds=10),
    reread: timedelta | None = None,
    registry: CollectorRegistry | None = None,
) -> AsyncIterator[Calls]:
    """`Calls` to the server at `url`, on the running loop's clock."""

    async def load() -> Any:
        return Configuration(host=url, api_key={"BearerToken": f"Bearer {token()}"})

    clock = asyncio.get_running_loop().time
    connection = Connection(load, await load(), clock, reread)
    try:
        yield Calls(connection, RequestMetrics(registry or CollectorRegistry()), clock, within)
    finally:
        await connection.close()
