"""What those who look at deployments ask the control plane for, however many they are."""

import asyncio

from controller.api.sight import LATEST, Sight
from controller.store import kinds
from controller.store.kinds import Kind
from controller.store.objects import Store, T
from tests.api.service import Service

OLD, NEW = "20261121-120000-abcdefghij", "20261121-120001-abcdefghij"


class Counted(Store):
    """A store that counts its lists."""

    lists = 0

    async def list(self, kind: Kind[T], tool: str) -> list[T]:
        self.lists += 1
        return await super().list(kind, tool)


async def test_a_crowd_that_asks_for_the_latest_is_two_lists(service: Service) -> None:
    """One for who came first, one for all who came while that was read; then it is read anew."""
    store = Counted(service.store._calls, service.clock, "tests")
    sight = Sight(store, service.changes)
    await store.create(kinds.DEPLOYMENTS, service.tool, OLD, {})
    first = asyncio.create_task(sight.named(service.tool, LATEST))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    crowd = [sight.named(service.tool, LATEST) for _ in range(100)]
    assert {*await asyncio.gather(*crowd), await first} == {OLD}
    assert store.lists <= 2
    await store.create(kinds.DEPLOYMENTS, service.tool, NEW, {})
    assert await sight.named(service.tool, LATEST) == NEW
