"""Carrying out decisions: on objects in memory and on the store, with crashes at every write."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from controller.config import Policy
from controller.models.meta import config_name
from controller.models.tooldeployment import ToolDeploymentSpec, Trigger, TriggerSpec
from controller.store import errors, kinds
from controller.store.objects import Store
from tests import builders
from tests.builders import COMMIT, NEWER, NOW
from tests.support.fakekube import FakeKube
from tests.support.kubeclient import calls_to
from tests.support.polledobjects import CrashError, ObjectsInMemory
from watchers.cache import Cache
from watchers.decide import Seen
from watchers.repositories.ports import Objects
from watchers.repositories.recording import Recorder
from watchers.repositories.stored import StoredObjects
from watchers.validity import Validity

SPEC = builders.config().model_copy(update={"auto_deploy": True})
SIGHT = {"web": Seen(COMMIT)}
CHECKED = {"web": NOW}
STARTED = NOW - timedelta(minutes=1)


@pytest.fixture(params=["in memory", "on the store"])
async def objects(request: pytest.FixtureRequest) -> AsyncIterator[Objects]:
    """Each implementation of the port, with the config of one tool."""
    if request.param == "in memory":
        memory = ObjectsInMemory(lambda: NOW)
        memory.put("demo", SPEC)
        yield memory
        return
    async with FakeKube() as kube, calls_to(kube.url) as calls:
        cache = Cache(lambda _: None)
        store = Store(calls, lambda: NOW, "me", cache)
        await store.create(kinds.CONFIGS, "demo", config_name("demo"), SPEC)
        yield StoredObjects(cache, store, Validity(cache, store, Policy(), lambda: NOW))


def recorder(objects: Objects) -> Recorder:
    return Recorder(objects, lambda: True, lambda: NOW)


async def test_a_sight_becomes_a_status_and_one_deployment(objects: Objects) -> None:
    await recorder(objects).record("demo", SIGHT, CHECKED)

    config = objects.config("demo")
    assert config is not None
    watch = config.status.components["web"]
    assert (watch.commit, watch.seen_at, watch.checked_at, watch.created) == (
        COMMIT,
        NOW,
        NOW,
        True,
    )
    (known,) = objects.deployments("demo")
    assert (known.name, known.pinned, known.resolved, known.open) == (
        watch.deployment,
        {"web": COMMIT},
        {},
        True,
    )


async def test_the_same_sight_again_writes_nothing(objects: Objects) -> None:
    await recorder(objects).record("demo", SIGHT, CHECKED)
    before = objects.config("demo")

    await recorder(objects).record("demo", SIGHT, CHECKED)

    assert objects.config("demo") == before
    assert len(objects.deployments("demo")) == 1


async def test_creating_what_exists_is_success(objects: Objects) -> None:
    spec = ToolDeploymentSpec(trigger=TriggerSpec(kind=Trigger.POLL, commits={"web": COMMIT}))
    name = "20261121-120000-abcdefghij"

    await objects.create("demo", name, spec)
    await objects.create("demo", name, spec)

    assert [known.name for known in objects.deployments("demo")] == [name]


async def test_a_status_that_was_decided_on_an_older_config_is_not_written(
    objects: Objects,
) -> None:
    stale = objects.config("demo")
    assert stale is not None
    await recorder(objects).record("demo", SIGHT, CHECKED)

    with pytest.raises(errors.Conflict):
        await objects.write_status(stale, stale.status.model_copy(update={"components": {}}))


async def test_a_tool_without_a_config_is_left_alone(objects: Objects) -> None:
    await recorder(objects).record("nobody", SIGHT, CHECKED)

    assert objects.config("nobody") is None
    assert list(objects.deployments("nobody")) == []


@pytest.mark.parametrize("position", ["before", "after"])
@pytest.mark.parametrize("write", [1, 2, 3])
async def test_a_crash_at_any_write_still_makes_exactly_one_deployment(
    write: int, position: str
) -> None:
    reference = ObjectsInMemory(lambda: NOW)
    reference.put("demo", SPEC)
    await recorder(reference).record("demo", SIGHT, CHECKED)

    crashing = ObjectsInMemory(lambda: NOW)
    crashing.put("demo", SPEC)
    setattr(crashing, f"crash_{position}", write)
    with pytest.raises(CrashError):
        await recorder(crashing).record("demo", SIGHT, CHECKED)
    await recorder(crashing).record("demo", {}, {})
    await recorder(crashing).record("demo", SIGHT, CHECKED)

    assert crashing.made == reference.made
    assert crashing.configs["demo"].status == reference.configs["demo"].status


async def test_a_failed_write_is_told_and_made_good_by_the_next_call() -> None:
    objects = ObjectsInMemory(lambda: NOW)
    objects.put("demo", SPEC)
    objects.failures = [errors.Unavailable("it is away")]

    with pytest.raises(errors.Unavailable):
        await recorder(objects).record("demo", SIGHT, CHECKED)
    await recorder(objects).record("demo", SIGHT, CHECKED)

    assert objects.commits("demo") == [{"web": COMMIT}]


async def test_a_status_that_somebody_else_wrote_meanwhile_is_decided_on_again() -> None:
    objects = ObjectsInMemory(lambda: NOW)
    objects.put("demo", SPEC)
    objects.failures = [errors.Conflict("it changed")]

    await recorder(objects).record("demo", SIGHT, CHECKED)

    assert objects.commits("demo") == [{"web": COMMIT}]


async def test_a_status_that_changes_all_the_time_is_left_for_later() -> None:
    objects = ObjectsInMemory(lambda: NOW)
    objects.put("demo", SPEC)
    objects.failures = [errors.Conflict("it changed")] * 2

    with pytest.raises(errors.Conflict):
        await recorder(objects).record("demo", SIGHT, CHECKED)


async def test_nothing_is_written_by_one_who_may_not_act() -> None:
    objects = ObjectsInMemory(lambda: NOW)
    objects.put("demo", SPEC)

    await Recorder(objects, lambda: False, lambda: NOW).record("demo", SIGHT, CHECKED)

    assert objects.writes == 0


async def test_leadership_that_is_lost_between_two_writes_stops_the_next() -> None:
    objects = ObjectsInMemory(lambda: NOW)
    objects.put("demo", SPEC)

    await Recorder(objects, lambda: objects.writes < 1, lambda: NOW).record("demo", SIGHT, CHECKED)

    assert (objects.writes, objects.made) == (1, [])


async def test_two_pushes_are_two_deployments() -> None:
    objects = ObjectsInMemory(lambda: NOW)
    objects.put("demo", SPEC)

    for commit in (COMMIT, COMMIT, NEWER, NEWER):
        await recorder(objects).record("demo", {"web": Seen(commit)}, CHECKED)

    assert objects.commits("demo") == [{"web": COMMIT}, {"web": NEWER}]
