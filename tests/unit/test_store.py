"""The store against a server with faults: preconditions, failures by name, credentials."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from controller.models.toolconfig import ToolConfigSpec
from controller.models.tooldeployment import (
    BuildRecord,
    State,
    ToolDeployment,
    ToolDeploymentSpec,
    ToolDeploymentStatus,
)
from controller.store import errors
from controller.store.kinds import CONFIGS, DEPLOYMENTS
from controller.store.objects import Store
from controller.store.secrets import Secret, Secrets
from tests.support import fakekube, kubeclient
from tests.support.fakekube import FakeKube
from tests.support.virtualtime import virtual_time

NOW = datetime(2026, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
WHERE = "components-api.toolforge.org/v1/tooldeployments"
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


@dataclass
class Told:
    """A `Seen` that remembers what it was told."""

    written: list[str] = field(default_factory=list)
    gone: list[tuple[str, str, str, str]] = field(default_factory=list)

    def wrote(self, kind: str, stored: Mapping[str, Any]) -> None:
        self.written.append(f"{kind}/{stored['metadata']['name']}")

    def deleted(self, kind: str, namespace: str, name: str, uid: str) -> None:
        self.gone.append((kind, namespace, name, uid))


@dataclass
class World:
    kube: FakeKube
    store: Store
    secrets: Secrets
    told: Told
    registry: CollectorRegistry

    async def deployment(self, name: str = "d1") -> ToolDeployment:
        return await self.store.create(DEPLOYMENTS, "x", name, {})


@asynccontextmanager
async def world(**settings: Any) -> AsyncIterator[World]:
    registry, told = CollectorRegistry(), Told()
    async with (
        FakeKube() as kube,
        kubeclient.calls_to(kube.url, registry=registry, **settings) as calls,
    ):
        store = Store(calls, lambda: NOW, "me", told)
        yield World(kube, store, Secrets(calls), told, registry)


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


FAILURES: list[tuple[str, fakekube.Answer, type[Exception], float | None]] = [
    ("401", fakekube.status(401, "Unauthorized"), errors.Unavailable, None),
    ("403", fakekube.status(403, "Forbidden"), errors.Forbidden, None),
    ("404", fakekube.status(404, "NotFound"), errors.NotFound, None),
    ("404 of a kind that is not served", fakekube.text_answer(404, "no"), errors.NotFound, None),
    ("409 of a version", fakekube.status(409, "Conflict"), errors.Conflict, None),
    ("409 of a name", fakekube.status(409, "AlreadyExists"), errors.AlreadyExists, None),
    ("410", fakekube.status(410, "Expired"), errors.Gone, None),
    ("422", fakekube.status(422, "Invalid"), errors.Invalid, None),
    ("413", fakekube.text_answer(413, "too large"), errors.Invalid, None),
    (
        "429 in plain text",
        fakekube.text_answer(429, "Too many", headers={"Retry-After": "3"}),
        errors.Unavailable,
        3,
    ),
    (
        "429 with a Retry-After of a year",
        fakekube.text_answer(429, "x", headers={"Retry-After": "31536000"}),
        errors.Unavailable,
        300,
    ),
    (
        "503 with a date",
        fakekube.text_answer(503, "x", headers={"Retry-After": "Fri, 01 May 2026 12:00:00 GMT"}),
        errors.Unavailable,
        None,
    ),
    ("500 pretty-printed", fakekube.status(500, indent=2), errors.Unavailable, None),
    ("503 in HTML", fakekube.text_answer(503, "<html>", "text/html"), errors.Unavailable, None),
    ("504", fakekube.status(504, "Timeout"), errors.Unavailable, None),
    ("a cut connection", fakekube.reset, errors.Unavailable, None),
    ("200 that is no JSON", fakekube.text_answer(200, "{"), errors.Unavailable, None),
    ("200 with a JSON list", fakekube.text_answer(200, "[]"), errors.Unavailable, None),
    ("an answer that is cut", fakekube.lines("{", end="reset"), errors.Unavailable, None),
    ("a black hole", fakekube.silence, errors.Unavailable, None),
    ("an answer that stops", fakekube.lines("{", end="silence"), errors.Unavailable, None),
]


@pytest.mark.parametrize(
    ("answer", "error", "after"), [row[1:] for row in FAILURES], ids=[row[0] for row in FAILURES]
)
@virtual_time
async def test_failures_have_names(
    answer: fakekube.Answer, error: type[Exception], after: float | None
) -> None:
    async with world() as w:
        w.kube.fail("GET", answer, times=2)
        started = asyncio.get_running_loop().time()
        with pytest.raises(error) as caught:
            await w.store.get(DEPLOYMENTS, "x", "d1")
        assert asyncio.get_running_loop().time() - started <= 10.001
        waits = getattr(caught.value, "after", None)
        assert (waits.total_seconds() if waits else None) == after


@virtual_time
async def test_a_server_that_is_not_there_is_unavailable() -> None:
    async with kubeclient.calls_to("http://127.0.0.1:9") as calls:
        with pytest.raises(errors.Unavailable, match="no connection"):
            await Store(calls, lambda: NOW, "me").get(DEPLOYMENTS, "x", "d1")


@virtual_time
async def test_the_token_that_arrives_is_the_one_of_the_file_within_a_minute() -> None:
    current = ["one"]
    async with world(token=lambda: current[0], reread=timedelta(seconds=60)) as w:
        await w.deployment()
        current[0] = "two"
        await w.store.list(DEPLOYMENTS, "x")
        await asyncio.sleep(60)
        await w.store.list(DEPLOYMENTS, "x")
        sent = [seen.headers["Authorization"] for seen in w.kube.requests]
        assert sent == ["Bearer one", "Bearer one", "Bearer two"]


@virtual_time
async def test_after_a_401_the_token_is_read_again_and_the_request_made_once_more() -> None:
    current = ["old"]
    async with world(token=lambda: current[0]) as w:
        w.kube.tokens = {"Bearer new"}
        current[0] = "new"
        await w.deployment()
        assert [seen.headers["Authorization"] for seen in w.kube.requests] == [
            "Bearer old",
            "Bearer new",
        ]


@virtual_time
async def test_a_401_with_the_same_token_is_not_tried_again() -> None:
    async with world() as w:
        w.kube.tokens = set()
        with pytest.raises(errors.Unavailable, match="401"):
            await w.deployment()
        assert len(w.kube.requests) == 1


@virtual_time
async def test_requests_are_counted_by_verb_and_code() -> None:
    async with world() as w:
        await w.deployment()
        w.kube.fail("GET", fakekube.silence)
        with pytest.raises(errors.Unavailable):
            await w.store.get(DEPLOYMENTS, "x", "d1")
        counted = {
            (sample.labels["verb"], sample.labels["code"]): sample.value
            for metric in w.registry.collect()
            for sample in metric.samples
            if sample.name == "ptd_control_plane_request_seconds_count"
        }
        assert counted == {("POST", "201"): 1, ("GET", "timeout"): 1}


@virtual_time
async def test_slow_calls_do_not_take_the_sockets_of_watches() -> None:
    async with world() as w:
        w.kube.fail("GET", fakekube.silence, times=200)
        slow = [
            asyncio.create_task(w.store.get(DEPLOYMENTS, "x", f"d{number}"))
            for number in range(200)
        ]
        await asyncio.sleep(1)
        calls = w.store._calls
        async with calls.stream(
            calls.watches.list_custom_object_for_all_namespaces_without_preload_content,
            *(*DEPLOYMENTS.path, DEPLOYMENTS.plural),
            within=timedelta(seconds=5),
            watch=True,
        ) as response:
            assert response.status == 200
        ended = await asyncio.gather(*slow, return_exceptions=True)
        assert {type(each) for each in ended} == {errors.Unavailable}
        assert asyncio.get_running_loop().time() < 1_000 + 30


@virtual_time
async def test_secrets_go_by_name_and_keep_what_others_wrote() -> None:
    async with world() as w:
        made = await w.secrets.create("x", Secret("token", {"a": b"\x00\xff"}, {"l": "1"}))
        assert (made.data, made.labels) == ({"a": b"\x00\xff"}, {"l": "1"})
        assert await w.secrets.get("x", "token") == made
        changed = Secret("token", {"a": b"2"}, made.labels, {}, made.version, made.uid)
        changed = await w.secrets.replace("x", changed)
        assert changed.data == {"a": b"2"}
        with pytest.raises(errors.Conflict):
            await w.secrets.replace("x", made)
        await w.secrets.delete("x", "token")
        with pytest.raises(errors.NotFound):
            await w.secrets.get("x", "token")
        assert "\\xff" not in repr(made)


@virtual_time
async def test_a_secret_with_a_broken_value_is_unreadable() -> None:
    async with world() as w:
        body = {"metadata": {"name": "token", "namespace": "tool-x"}, "data": {"a": "*"}}
        w.kube.store("core/v1/secrets", body)
        with pytest.raises(errors.Unreadable, match="token: a value is no base64"):
            await w.secrets.get("x", "token")


@virtual_time
async def test_a_namespace_is_made_once() -> None:
    async with world() as w:
        await w.secrets.ensure_namespace("x")
        await w.secrets.ensure_namespace("x")
        assert len(w.kube.verbs("POST")) == 1
        w.kube.fail("GET", fakekube.status(404, "NotFound"))
        await w.secrets.ensure_namespace("x")


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
