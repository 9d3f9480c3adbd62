"""The store: what is written, under which conditions, and who hears of it."""

import pytest

from controller.models.toolconfig import ToolConfigSpec
from controller.models.tooldeployment import (
    BuildRecord,
    State,
    ToolDeploymentSpec,
    ToolDeploymentStatus,
)
from controller.store import errors
from controller.store.kinds import CONFIGS, DEPLOYMENTS
from tests.support import fakekube
from tests.support.storing import WHERE, world
from tests.support.virtualtime import virtual_time

CONFIG = {
    "config_version": "v1beta1",
    "components": {
        "web": {
            "component_type": "continuous",
            "build": {"repository": "https://git.example/x.git", "ref": "main"},
            "run": {"command": "serve"},
        }
    },
}


@virtual_time
async def test_an_object_is_created_read_listed_and_deleted() -> None:
    async with world() as w:
        made = await w.store.create(
            DEPLOYMENTS, "x", "d1", ToolDeploymentSpec(force_build=True), {"labels": {"a": "b"}}
        )
        assert (made.name, made.metadata.labels, made.spec.force_build) == ("d1", {"a": "b"}, True)
        assert await w.store.get(DEPLOYMENTS, "x", "d1") == made
        assert await w.store.list(DEPLOYMENTS, "x") == [made]
        assert await w.store.list(DEPLOYMENTS, "y") == []
        await w.store.delete(DEPLOYMENTS, "x", "d1", made.metadata.uid)
        assert await w.store.list(DEPLOYMENTS, "x") == []


@virtual_time
async def test_a_long_list_comes_in_pages() -> None:
    async with world() as w:
        for number in range(1_200):
            w.kube.store(WHERE, {"metadata": {"name": f"d{number:04}", "namespace": "tool-x"}})
        found = await w.store.list(DEPLOYMENTS, "x")
        assert [each.name for each in found] == [f"d{number:04}" for number in range(1_200)]
        assert [seen.query.get("limit") for seen in w.kube.verbs("LIST")] == ["500"] * 3


@virtual_time
async def test_an_unreadable_object_does_not_hide_the_others() -> None:
    async with world() as w:
        good = await w.deployment()
        bad = {"metadata": {"name": "d0", "namespace": "tool-x"}, "status": {"status": "odd"}}
        w.kube.store(WHERE, bad)
        assert await w.store.list(DEPLOYMENTS, "x") == [good]
        with pytest.raises(errors.Unreadable, match=r"ToolDeployment tool-x/d0: status\.status"):
            await w.store.get(DEPLOYMENTS, "x", "d0")


@virtual_time
async def test_a_name_that_is_taken_is_told_from_a_lost_race() -> None:
    async with world() as w:
        await w.deployment()
        with pytest.raises(errors.AlreadyExists):
            await w.deployment()


@virtual_time
async def test_what_is_written_is_told_at_once() -> None:
    async with world() as w:
        made = await w.deployment()
        made = await w.store.patch_spec(made, {"cancel": True})
        made = await w.store.patch_status(made, ToolDeploymentStatus(status=State.CANCELLED))
        await w.store.delete(DEPLOYMENTS, "x", "d1", made.metadata.uid)
        assert w.told.written == ["tooldeployments/d1"] * 3
        assert w.told.gone == [("tooldeployments", "tool-x", "d1", made.metadata.uid)]


@virtual_time
async def test_a_status_patch_sets_what_changed_removes_what_went_and_keeps_what_is_foreign() -> (
    None
):
    async with world() as w:
        old = ToolDeploymentStatus(
            status=State.RUNNING,
            long_status="building",
            builds={"web": BuildRecord(build_id="b1"), "old": BuildRecord()},
        )
        made = await w.store.patch_status(await w.deployment(), old)
        stored = w.kube.objects[(WHERE, "tool-x", "d1")]
        stored["status"]["of_a_newer_version"] = {"kept": True}
        new = old.model_copy(
            update={"builds": {"web": BuildRecord(build_id="b1", commit="c")}, "long_status": "up"}
        )
        made = await w.store.patch_status(made, new)
        assert made.status == new
        stored = w.kube.objects[(WHERE, "tool-x", "d1")]
        assert stored["status"]["of_a_newer_version"] == {"kept": True}
        assert set(stored["status"]["builds"]) == {"web"}


@virtual_time
async def test_the_first_status_patch_makes_the_state_visible_even_if_it_is_the_default() -> None:
    async with world() as w:
        await w.store.patch_status(await w.deployment(), ToolDeploymentStatus(long_status="queued"))
        assert w.kube.objects[(WHERE, "tool-x", "d1")]["status"]["status"] == "pending"


@virtual_time
async def test_a_status_patch_never_reaches_an_object_that_changed_meanwhile() -> None:
    async with world() as w:
        made = await w.deployment()
        await w.store.patch_spec(made, {"cancel": True})
        with pytest.raises(errors.Conflict):
            await w.store.patch_status(made, ToolDeploymentStatus(status=State.RUNNING))


@virtual_time
async def test_nothing_written_for_an_object_reaches_another_of_the_same_name() -> None:
    async with world() as w:
        made = await w.deployment()
        w.kube.remove(WHERE, "tool-x", "d1")
        again = await w.deployment()
        assert again.metadata.uid != made.metadata.uid
        with pytest.raises(errors.Conflict):
            await w.store.patch_status(made, ToolDeploymentStatus(status=State.RUNNING))
        with pytest.raises(errors.Conflict):
            await w.store.patch_spec(made, {"cancel": True})
        with pytest.raises(errors.Conflict):
            await w.store.delete(DEPLOYMENTS, "x", "d1", made.metadata.uid)
        assert await w.store.get(DEPLOYMENTS, "x", "d1") == again


@virtual_time
async def test_a_cancel_wins_against_a_status_write_between_read_and_patch() -> None:
    async with world() as w:
        made = await w.deployment()
        await w.store.patch_status(made, ToolDeploymentStatus(status=State.RUNNING))
        assert (await w.store.patch_spec(made, {"cancel": True})).spec.cancel


@virtual_time
async def test_putting_a_config_replaces_the_whole_spec_and_keeps_the_status() -> None:
    async with world() as w:
        await w.store.put(CONFIGS, "x", "x-config", {**CONFIG, "auto_deploy": True})
        made = await w.store.put(CONFIGS, "x", "x-config", CONFIG)
        assert made.spec == ToolConfigSpec.model_validate(CONFIG)
        patch = w.kube.verbs("PATCH")[0]
        assert patch.headers["Content-Type"] == "application/json-patch+json"


@virtual_time
async def test_an_event_that_is_said_twice_is_one_event() -> None:
    async with world() as w:
        made = await w.deployment()
        for _ in range(2):
            await w.store.create_event(
                made, reason="Deployed", action="Deploy", note="n" * 2_000, warning=True
            )
        found = [key for key in w.kube.objects if key[0] == "events.k8s.io/v1/events"]
        (stored,) = [w.kube.objects[key] for key in found]
        assert (stored["eventTime"], len(stored["note"])) == ("2026-05-01T12:00:00.250000Z", 1024)
        assert stored["regarding"]["uid"] == made.metadata.uid


@virtual_time
async def test_a_look_tells_what_is_there_now_or_that_it_is_gone() -> None:
    async with world() as w:
        await w.store.look(CONFIGS, "x", "x-config", "uid-0")
        await w.store.look(CONFIGS, "x", "x-config")
        body = {"metadata": {"name": "x-config", "namespace": "tool-x"}, "spec": CONFIG}
        w.kube.store("components-api.toolforge.org/v1/toolconfigs", body)
        await w.store.look(CONFIGS, "x", "x-config")
        assert w.told.gone == [("toolconfigs", "tool-x", "x-config", "uid-0")]
        assert w.told.written == ["toolconfigs/x-config"]


@pytest.mark.parametrize(
    "answer",
    [
        fakekube.text_answer(404, "404 page not found"),
        fakekube.status(404, "NotFound"),
        fakekube.text_answer(404, "<html>", "text/html"),
    ],
    ids=["of a kind that is not served yet", "that names nothing", "of a proxy"],
)
@virtual_time
async def test_a_look_takes_no_404_for_a_death_that_is_not_about_the_object(
    answer: fakekube.Answer,
) -> None:
    async with world() as w:
        made = await w.deployment()
        w.kube.fail("GET", answer)
        with pytest.raises(errors.Unavailable, match="answered 404"):
            await w.store.look(DEPLOYMENTS, "x", made.name, made.metadata.uid)
        assert w.told.gone == []
