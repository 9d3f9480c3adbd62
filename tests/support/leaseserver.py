"""A Lease in memory, with version conflicts, that several candidates share, and its faults."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable

from controller import errors
from controller.models.lease import LeaseRecord

Fault = Callable[[], Awaitable[None]]


async def black_hole() -> None:
    """The request is never answered."""
    await asyncio.Event().wait()


async def refused() -> None:
    """The connection is refused."""
    raise errors.Transient("PlatformUnavailable", "refused")


async def unavailable() -> None:
    """The server says 503, after a while."""
    await asyncio.sleep(0.5)
    raise errors.Transient("PlatformUnavailable", "503")


class LeaseServer:
    """The stored record; each candidate gets its own `Wire` to it."""

    def __init__(self) -> None:
        self.record: LeaseRecord | None = None
        self.version = 0
        self.log: list[tuple[str, str]] = []  # (call, holder that it left)

    def delete(self) -> None:
        """Somebody deletes the Lease."""
        self.record = None

    def store(self, call: str, record: LeaseRecord) -> LeaseRecord:
        """Keep the record under a new version."""
        self.version += 1
        self.record = dataclasses.replace(record, version=str(self.version))
        self.log.append((call, record.holder))
        return self.record


class Wire:
    """`Leases` of one candidate. `fault` applies before a request, `lost` after it is committed."""

    def __init__(self, server: LeaseServer) -> None:
        self.server = server
        self.fault: Fault | None = None
        self.lost: Fault | None = None
        self.calls = 0

    async def get(self) -> LeaseRecord | None:
        await self._travel()
        return self.server.record

    async def create(self, record: LeaseRecord) -> LeaseRecord | None:
        await self._travel()
        if self.server.record is not None:
            return None
        return await self._answer(self.server.store("create", record))

    async def update(self, record: LeaseRecord) -> LeaseRecord | None:
        await self._travel()
        found = self.server.record
        if found is None or found.version != record.version:
            return None
        return await self._answer(self.server.store("update", record))

    async def _travel(self) -> None:
        self.calls += 1
        await asyncio.sleep(0.01)
        if self.fault is not None:
            await self.fault()

    async def _answer(self, record: LeaseRecord) -> LeaseRecord:
        if self.lost is not None:
            lost, self.lost = self.lost, None
            await lost()
        return record
