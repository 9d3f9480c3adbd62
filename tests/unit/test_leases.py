"""The Lease on a control plane, and two candidates over real requests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from controller.metrics import LeaderMetrics
from controller.models.lease import LeaseRecord
from controller.runtime.leader import Clocks, Leadership
from controller.store import errors
from controller.store.leases import Leases
from tests.support import fakekube, kubeclient
from tests.support.fakekube import FakeKube
from tests.support.virtualtime import virtual_time

WHERE = "coordination.k8s.io/v1/leases"
NOW = datetime(2026, 5, 1, 12, 0, 0, 123_456, tzinfo=UTC)
RECORD = LeaseRecord("a", timedelta(seconds=15), NOW, NOW)


@asynccontextmanager
async def leases() -> AsyncIterator[tuple[FakeKube, Leases]]:
    async with FakeKube() as kube, kubeclient.calls_to(kube.url) as calls:
        yield kube, Leases(calls, "ptd", "leader", timedelta(seconds=2))


@virtual_time
async def test_a_lease_is_made_read_and_renewed() -> None:
    async with leases() as (kube, wire):
        assert await wire.get() is None
        made = await wire.create(RECORD)
        assert made == replace(RECORD, version="101")
        assert await wire.get() == made
        assert await wire.update(replace(made, transitions=3)) == replace(
            RECORD, transitions=3, version="102"
        )
        assert kube.objects[(WHERE, "ptd", "leader")]["spec"] == {
            "holderIdentity": "a",
            "leaseDurationSeconds": 15,
            "acquireTime": "2026-05-01T12:00:00.123456Z",
            "renewTime": "2026-05-01T12:00:00.123456Z",
            "leaseTransitions": 3,
        }


@virtual_time
async def test_lost_races_are_no_errors() -> None:
    async with leases() as (kube, wire):
        made = await wire.create(RECORD)
        assert made is not None
        assert await wire.create(RECORD) is None
        await wire.update(made)
        assert await wire.update(replace(made, holder="b")) is None
        kube.remove(WHERE, "ptd", "leader")
        assert await wire.update(made) is None


@virtual_time
async def test_a_lease_that_others_wrote_may_lack_everything() -> None:
    async with leases() as (kube, wire):
        kube.store(WHERE, {"metadata": {"name": "leader", "namespace": "ptd"}})
        found = await wire.get()
        assert found is not None
        assert (found.holder, found.duration, found.transitions) == ("", timedelta(seconds=1), 0)


@virtual_time
async def test_a_request_ends_after_two_seconds() -> None:
    async with leases() as (kube, wire):
        kube.fail("GET", fakekube.silence)
        began = asyncio.get_running_loop().time()
        with pytest.raises(errors.Unavailable):
            await wire.get()
        assert asyncio.get_running_loop().time() - began <= 2.001


@virtual_time
async def test_two_candidates_over_requests_hand_over_when_one_loses_its_control_plane() -> None:
    led: list[str] = []

    async with FakeKube() as kube, kubeclient.calls_to(kube.url) as calls:
        clocks = Clocks(asyncio.get_running_loop().time, lambda: NOW, lambda: 0.5)

        def candidate(name: str) -> asyncio.Task[None]:
            async def work() -> None:
                led.append(name)
                await asyncio.Event().wait()

            wire = Leases(calls, "ptd", "leader", timedelta(seconds=2))
            leadership = Leadership(wire, name, clocks, LeaderMetrics(CollectorRegistry()))
            return asyncio.create_task(leadership.run(work))

        first = candidate("a")
        await asyncio.sleep(12)
        second = candidate("b")
        await asyncio.sleep(30)
        assert led == ["a"]
        first.cancel()
        await asyncio.wait({first})
        await asyncio.sleep(3)
        assert led == ["a", "b"]
        kube.fail("*", fakekube.text_answer(503, "no"), fakekube.ALWAYS)
        await asyncio.sleep(30)
        kube.heal()
        await asyncio.sleep(10)
        assert led == ["a", "b", "b"]
        second.cancel()
        await asyncio.wait({second})
