"""The core's writes on a real store: what becomes of an object that is not as it was seen."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from controller.app.ports import StoreWriter
from controller.errors import Transient
from controller.models.reasons import Reason
from controller.models.tooldeployment import ToolDeployment, ToolDeploymentStatus
from controller.reconcile.news import News
from controller.store import errors
from controller.store.calls import Calls
from controller.store.kinds import DEPLOYMENTS
from controller.store.objects import Store
from tests.support import fakekube, kubeclient
from tests.support.fakekube import FakeKube
from tests.support.virtualtime import virtual_time
from watchers.cache import Cache

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
STATUS = ToolDeploymentStatus(message="going")


@dataclass
class World:
    kube: FakeKube
    calls: Calls
    store: Store
    cache: Cache
    writer: StoreWriter

    async def deployment(self) -> ToolDeployment:
        return await self.store.create(DEPLOYMENTS, "x", "d1", {})

    def held(self) -> list[ToolDeployment]:
        return list(self.cache.deployments("x")[0])


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    cache = Cache(lambda _: None)
    async with FakeKube() as kube, kubeclient.calls_to(kube.url) as calls:
        store = Store(calls, lambda: NOW, "me", cache)
        yield World(kube, calls, store, cache, StoreWriter(store, lambda: True))


@virtual_time
async def test_after_a_lost_race_the_next_try_sees_what_won_it() -> None:
    async with world() as w:
        seen = await w.deployment()
        quiet = Store(w.calls, lambda: NOW, "another")
        await quiet.patch_spec(seen, {"cancel": True})
        with pytest.raises(errors.Conflict):
            await w.writer.patch_status(seen, STATUS)
        assert [d.spec.cancel for d in w.held()] == [True]


@virtual_time
async def test_what_is_gone_is_not_seen_by_the_next_try_although_its_watch_is_behind() -> None:
    async with world() as w:
        seen = await w.deployment()
        w.kube.objects.clear()
        with pytest.raises(errors.Conflict, match="is gone"):
            await w.writer.patch_status(seen, STATUS)
        assert w.held() == []


@virtual_time
async def test_what_may_not_be_deleted_is_tried_again_and_told_to_the_operator() -> None:
    async with world() as w:
        seen = await w.deployment()
        w.kube.fail("DELETE", fakekube.status(403, "Forbidden"))
        with pytest.raises(Transient, match="answered 403"):
            await w.writer.delete("x", seen.name, seen.metadata.uid)


@virtual_time
async def test_a_deletion_that_meets_a_conflict_is_tried_again_with_what_is_there_now() -> None:
    async with world() as w:
        seen = await w.deployment()
        w.kube.fail("DELETE", fakekube.status(409, "Conflict"))
        for uid in (seen.metadata.uid, "of-another"):
            with pytest.raises(errors.Conflict):
                await w.writer.delete("x", seen.name, uid)
        assert [one.metadata.uid for one in w.held()] == [seen.metadata.uid]


@virtual_time
async def test_what_is_gone_needs_no_deletion() -> None:
    async with world() as w:
        seen = await w.deployment()
        await w.writer.delete("x", seen.name, seen.metadata.uid)
        await w.writer.delete("x", seen.name, seen.metadata.uid)
        assert (w.held(), w.kube.objects) == ([], {})


@virtual_time
async def test_who_does_not_lead_any_more_writes_neither_status_nor_events() -> None:
    """The answer to its last request may come when it was stopped and wakes up: nothing follows."""
    async with world() as w:
        seen = await w.deployment()
        former = StoreWriter(w.store, lambda: False)
        before = len(w.kube.requests)
        with pytest.raises(errors.Conflict, match="not the leader"):
            await former.patch_status(seen, STATUS)
        await former.tell(seen, News(Reason.DEPLOYED, "it runs"))
        assert w.kube.requests[before:] == []
