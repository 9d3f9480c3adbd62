"""The store's promises, on the fake control plane and on a real one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.models.lease import LeaseRecord
from controller.models.toolconfig import ToolConfigSpec, ToolConfigStatus
from controller.models.tooldeployment import (
    BuildRecord,
    State,
    ToolDeployment,
    ToolDeploymentSpec,
    ToolDeploymentStatus,
    Trigger,
    TriggerSpec,
)
from controller.store import errors
from controller.store.kinds import CONFIGS, DEPLOYMENTS
from controller.store.leases import Leases
from controller.store.objects import Store
from controller.store.secrets import Secret
from tests.contract.store.conftest import NOW, Plane

NAME = "20260501-120000-abcdefghij"
CONFIG = {
    "config_version": "v1beta1",
    "components": {
        "web": {
            "component_type": "continuous",
            "build": {"repository": "https://git.example.org/x.git", "ref": "main"},
            "run": {"command": "serve", "port": 8000},
        }
    },
}


@dataclass
class Told:
    """A `Seen` that remembers what it was told."""

    written: list[Mapping[str, Any]] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def wrote(self, kind: str, stored: Mapping[str, Any]) -> None:
        self.written.append(stored)

    def deleted(self, kind: str, namespace: str, name: str, uid: str) -> None:
        self.gone.append(uid)


async def deployment(plane: Plane, name: str = NAME) -> ToolDeployment:
    return await plane.store().create(DEPLOYMENTS, plane.tool, name, {})


async def test_a_deployment_is_created_read_listed_and_deleted(plane: Plane) -> None:
    store = plane.store()
    asked = ToolDeploymentSpec(
        description="by hand",
        force_build=True,
        trigger=TriggerSpec(kind=Trigger.POLL, commits={"web": "a" * 40}),
    )
    made = await store.create(DEPLOYMENTS, plane.tool, NAME, asked, {"labels": {"made-by": "us"}})
    assert (made.spec, made.metadata.labels) == (asked, {"made-by": "us"})
    assert made.status == ToolDeploymentStatus()
    assert await store.get(DEPLOYMENTS, plane.tool, NAME) == made
    assert await store.list(DEPLOYMENTS, plane.tool) == [made]
    await store.delete(DEPLOYMENTS, plane.tool, NAME, made.metadata.uid)
    assert await store.list(DEPLOYMENTS, plane.tool) == []
    with pytest.raises(errors.NotFound):
        await store.get(DEPLOYMENTS, plane.tool, NAME)
    with pytest.raises(errors.NotFound):
        await store.delete(DEPLOYMENTS, plane.tool, NAME, made.metadata.uid)


async def test_what_waits_for_a_finalizer_is_not_told_as_gone(plane: Plane) -> None:
    told = Told()
    store = Store(plane.calls, lambda: NOW, "contract-tests", told)
    held = {"finalizers": ["example.com/hold"]}
    made = await store.create(DEPLOYMENTS, plane.tool, NAME, {}, held)
    await store.delete(DEPLOYMENTS, plane.tool, NAME, made.metadata.uid)
    assert (len(told.written), told.gone) == (2, [])
    assert told.written[-1]["metadata"]["deletionTimestamp"]
    free = await store.create(DEPLOYMENTS, plane.tool, f"{NAME}-2", {})
    await store.delete(DEPLOYMENTS, plane.tool, f"{NAME}-2", free.metadata.uid)
    assert told.gone == [free.metadata.uid]


async def test_a_name_that_is_taken_is_told(plane: Plane) -> None:
    await deployment(plane)
    with pytest.raises(errors.AlreadyExists):
        await deployment(plane)


async def test_a_status_is_what_was_written_and_removed_fields_are_gone(plane: Plane) -> None:
    store = plane.store()
    first = ToolDeploymentStatus(
        status=State.RUNNING,
        builds={"web": BuildRecord(build_id="b1"), "old": BuildRecord()},
        started_at=NOW,
        deadline=NOW + timedelta(hours=1),
    )
    made = await store.patch_status(await deployment(plane), first)
    assert made.status == first
    second = ToolDeploymentStatus(
        status=State.SUCCESSFUL, builds={"web": BuildRecord(build_id="b1")}, finished_at=NOW
    )
    made = await store.patch_status(made, second)
    assert made.status == second
    assert (await store.get(DEPLOYMENTS, plane.tool, NAME)).status == second


async def test_a_status_write_changes_nothing_else(plane: Plane) -> None:
    store = plane.store()
    made = await deployment(plane)
    after = await store.patch_status(made, ToolDeploymentStatus(status=State.RUNNING))
    assert after.spec == made.spec
    assert after.metadata.generation == made.metadata.generation
    assert int(after.metadata.resource_version) > int(made.metadata.resource_version)


async def test_the_same_status_again_is_no_new_version(plane: Plane) -> None:
    store = plane.store()
    status = ToolDeploymentStatus(status=State.RUNNING)
    made = await store.patch_status(await deployment(plane), status)
    again = await store.patch_status(made, status)
    assert again.metadata.resource_version == made.metadata.resource_version


async def test_a_status_never_reaches_an_object_that_changed(plane: Plane) -> None:
    store = plane.store()
    made = await deployment(plane)
    cancelled = await store.patch_spec(made, {"cancel": True})
    assert cancelled.spec.cancel
    with pytest.raises(errors.Conflict):
        await store.patch_status(made, ToolDeploymentStatus(status=State.RUNNING))


async def test_a_cancel_does_not_lose_against_a_status_write(plane: Plane) -> None:
    store = plane.store()
    made = await deployment(plane)
    await store.patch_status(made, ToolDeploymentStatus(status=State.RUNNING))
    after = await store.patch_spec(made, {"cancel": True})
    assert (after.spec.cancel, after.status.status) == (True, State.RUNNING)


async def test_nothing_reaches_another_object_of_the_same_name(plane: Plane) -> None:
    store = plane.store()
    old = await deployment(plane)
    await store.delete(DEPLOYMENTS, plane.tool, NAME, old.metadata.uid)
    new = await deployment(plane)
    with pytest.raises(errors.Conflict):
        await store.patch_status(old, ToolDeploymentStatus(status=State.RUNNING))
    with pytest.raises(errors.Conflict):
        await store.patch_spec(old, {"cancel": True})
    with pytest.raises(errors.Conflict):
        await store.delete(DEPLOYMENTS, plane.tool, NAME, old.metadata.uid)
    assert await store.get(DEPLOYMENTS, plane.tool, NAME) == new


async def test_a_config_is_replaced_whole_and_keeps_its_status(plane: Plane) -> None:
    store, name = plane.store(), f"{plane.tool}-config"
    made = await store.put(CONFIGS, plane.tool, name, {**CONFIG, "description": "first"})
    made = await store.patch_status(made, ToolConfigStatus(observed_generation=1))
    made = await store.put(CONFIGS, plane.tool, name, CONFIG)
    assert made.spec == ToolConfigSpec.model_validate(CONFIG)
    assert made.status.observed_generation == 1
    assert made.metadata.generation == 2


async def test_an_event_is_accepted_and_saying_it_again_is_no_error(plane: Plane) -> None:
    made = await deployment(plane)
    for _ in range(2):
        await plane.store().create_event(
            made, reason="Deployed", action="Deploy", note="every component runs"
        )


async def test_a_secret_is_kept_by_version(plane: Plane) -> None:
    kept = plane.secrets()
    made = await kept.create(plane.tool, Secret("ptd-token", {"hash": b"\x00\xff"}, {"a": "b"}))
    assert (made.data, made.labels) == ({"hash": b"\x00\xff"}, {"a": "b"})
    with pytest.raises(errors.AlreadyExists):
        await kept.create(plane.tool, Secret("ptd-token", {}))
    changed = await kept.replace(plane.tool, replace(made, data={"hash": b"2"}))
    assert await kept.get(plane.tool, "ptd-token") == changed
    with pytest.raises(errors.Conflict):
        await kept.replace(plane.tool, made)
    await kept.delete(plane.tool, "ptd-token")
    with pytest.raises(errors.NotFound):
        await kept.get(plane.tool, "ptd-token")


async def test_a_namespace_that_exists_is_no_error(plane: Plane) -> None:
    await plane.secrets().ensure_namespace(plane.tool)


async def test_a_lease_is_made_renewed_released_and_guarded_by_its_version(plane: Plane) -> None:
    wire = Leases(plane.calls, f"tool-{plane.tool}", "leader", timedelta(seconds=5))
    record = LeaseRecord("a", timedelta(seconds=15), NOW, datetime(2026, 5, 1, 12, 1, tzinfo=UTC))
    assert await wire.get() is None
    made = await wire.create(record)
    assert made is not None
    assert replace(made, version="") == record
    assert await wire.create(record) is None
    released = await wire.update(replace(made, holder="", duration=timedelta(seconds=1)))
    assert released is not None
    assert released.holder == ""
    assert await wire.update(replace(made, holder="b")) is None
    assert await wire.get() == released
