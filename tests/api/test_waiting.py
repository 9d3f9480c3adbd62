"""`…/wait` and `…/{id}?wait=`: the codes that a CI job relies on, and when they come."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from controller.api.app import Parts
from controller.api.changes import Waiters
from controller.models.reasons import Owner, Reason
from controller.models.tooldeployment import Failure, KeptRunning, Phase, State
from controller.store import kinds
from tests.api.service import Answer, Service, serving
from tests.support import controlplane

ID = "20261121-120000-abcdefghij"
NEXT = "20261121-120001-abcdefghij"
COMMIT = "a" * 40
HEALTH = Failure(
    reason=Reason.HEALTH_CHECK_FAILED,
    owner=Owner.USER,
    message="health check: GET /healthz answered 503",
    hint="Read its log.",
    component="web",
    commit=COMMIT,
    log_tail=("one", "two"),
)
LOST = Failure(reason=Reason.BUILD_LOST, owner=Owner.PLATFORM, message="build b1 not found")


async def made(service: Service, name: str = ID, **spec: Any) -> None:
    await service.store.create(kinds.DEPLOYMENTS, service.tool, name, spec)


async def wait(service: Service, query: str = "timeout=0", name: str = ID, **more: Any) -> Answer:
    return await service.ask("GET", f"deployment/{name}/wait?{query}", **more)


@dataclass(frozen=True)
class Row:
    """A status, and what a wait that does not wait answers."""

    status: dict[str, Any]
    code: int
    told: dict[str, Any] = field(default_factory=dict)
    query: str = "timeout=0"
    spec: dict[str, Any] = field(default_factory=dict)


ROWS = {
    "one that waits for its turn": Row(
        {"queue_position": 2, "message": "waiting for x (position 2)"},
        429,
        {"type": "urn:push-to-deploy:problem:deployment-pending", "queue_position": 2},
    ),
    "one that builds": Row(
        {"status": State.RUNNING, "phase": Phase.BUILDING, "reason": Reason.BUILDING},
        429,
        {"state": "running", "phase": "building", "reason": "building", "final": False},
    ),
    "one that failed, but is still being undone": Row(
        {"status": State.RUNNING, "failure": HEALTH}, 429, {"state": "running"}
    ),
    "one that is to be cancelled": Row(
        {"status": State.RUNNING}, 429, {"state": "cancelling"}, spec={"cancel": True}
    ),
    "a failure of the user's": Row(
        {"status": State.FAILED, "failure": HEALTH, "reason": Reason.HEALTH_CHECK_FAILED},
        422,
        {
            "type": "urn:push-to-deploy:problem:health-check-failed",
            "detail": HEALTH.message,
            "reason": "health-check-failed",
            "owner": "user",
            "retryable": False,
            "component": "web",
            "commit": COMMIT,
            "hint": "Read its log.",
            "log_tail": ["one", "two"],
        },
    ),
    "a failure of the platform's": Row(
        {"status": State.FAILED, "failure": LOST},
        422,
        {"reason": "build-lost", "owner": "platform", "retryable": True},
    ),
    "one that ran out of time": Row({"status": State.TIMED_OUT}, 422, {"state": "timed_out"}),
    "one that was cancelled": Row({"status": State.CANCELLED}, 409, {"reason": "cancelled"}),
    "one that was replaced, where that counts as failed": Row(
        {"status": State.CANCELLED, "superseded_by": NEXT},
        409,
        {"reason": "superseded", "superseded_by": NEXT},
        "timeout=0&on_superseded=fail",
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
async def test_what_became_of_it_is_a_code_and_a_problem(service: Service, row: Row) -> None:
    await made(service, **row.spec)
    await service.set_status(ID, **row.status)
    answer = await wait(service, row.query)
    assert answer.status == row.code
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert ("Retry-After" in answer.headers) == (row.code == 429)
    body = answer.body
    assert {name: body[name] for name in row.told} == row.told
    assert (body["status"], body["deploy_id"], body["tool"]) == (row.code, ID, service.tool)
    assert body["messages"]["error"] == [body["detail"] or body["title"]]


async def test_a_success_is_200_with_the_deployment(service: Service) -> None:
    await made(service)
    await service.set_status(ID, status=State.SUCCESSFUL)
    answer = await wait(service)
    assert (answer.status, answer.data["status"]) == (200, "successful")


async def test_an_unknown_one_is_404_at_once(service: Service) -> None:
    answer = await wait(service, "timeout=30")
    assert answer.status == 404
    assert answer.body["type"] == "urn:push-to-deploy:problem:not-found"


async def test_a_wait_ends_within_a_second_of_the_final_state(service: Service) -> None:
    await made(service)
    waits = [asyncio.create_task(wait(service, "timeout=30")) for _ in range(5)]
    await until_waiting(service, 5)
    await service.set_status(ID, status=State.RUNNING, phase=Phase.BUILDING)
    await asyncio.sleep(0.05)
    assert not any(task.done() for task in waits)
    await service.set_status(ID, status=State.SUCCESSFUL)
    ended = time.monotonic()
    assert [(await task).status for task in waits] == [200] * 5
    assert time.monotonic() - ended < 1
    assert service.changes.waiting == 0


async def test_a_hold_ends_at_its_timeout_with_ask_again(service: Service) -> None:
    await made(service)
    began = time.monotonic()
    answer = await wait(service, "timeout=0.3s")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "2")
    assert 0.3 <= time.monotonic() - began < 5


@pytest.mark.parametrize("query", ["timeout=soon", "timeout=-1", "timeout=nan", "on_superseded=x"])
async def test_a_query_that_cannot_be_is_refused(service: Service, query: str) -> None:
    await made(service)
    answer = await wait(service, query)
    assert (answer.status, answer.body["type"]) == (
        422,
        "urn:push-to-deploy:problem:unprocessable-entity",
    )


async def test_a_replaced_one_waits_for_what_replaced_it(service: Service) -> None:
    await made(service, trigger={"kind": "poll", "commits": {"web": COMMIT}})
    await made(service, NEXT)
    waiting = asyncio.create_task(wait(service, "timeout=30"))
    await until_waiting(service, 1)
    await service.set_status(ID, status=State.CANCELLED, superseded_by=NEXT)
    build = {"web": {"build_id": "b", "build_status": "successful", "commit": "b" * 40}}
    found = await service.deployment(NEXT)
    builds = type(found.status).model_validate({"builds": build}).builds
    await service.set_status(NEXT, status=State.SUCCESSFUL, builds=builds)
    answer = await waiting
    assert (answer.status, answer.data["deploy_id"]) == (200, NEXT)


async def test_a_replacement_without_the_component_is_no_success(service: Service) -> None:
    await made(service, trigger={"kind": "poll", "commits": {"web": COMMIT}})
    await made(service, NEXT)
    await service.set_status(ID, status=State.CANCELLED, superseded_by=NEXT)
    await service.set_status(NEXT, status=State.SUCCESSFUL)
    answer = await wait(service)
    assert (answer.status, answer.body["reason"]) == (409, "superseded")
    assert answer.body["followed"] == [ID]


async def test_a_deployment_that_is_deleted_meanwhile_is_gone(service: Service) -> None:
    await made(service)
    waiting = asyncio.create_task(wait(service, "timeout=30"))
    await until_waiting(service, 1)
    found = await service.deployment(ID)
    await service.store.delete(kinds.DEPLOYMENTS, service.tool, ID, found.metadata.uid)
    answer = await waiting
    assert (answer.status, answer.body["type"]) == (410, "urn:push-to-deploy:problem:gone")


async def test_a_shell_gets_lines(service: Service) -> None:
    await made(service)
    await service.set_status(ID, status=State.FAILED, failure=HEALTH)
    headers = {"x-toolforge-tool": service.tool, "Accept": "text/plain"}
    answer = await wait(service, headers=headers)
    lines = answer.body.splitlines()
    assert {"code=422", "status=failed", "reason=health-check-failed", "owner=user"} <= set(lines)
    assert [line for line in lines if line.startswith("log=")] == ["log=one", "log=two"]
    shown = await service.ask("GET", f"deployment/{ID}", headers=headers)
    assert (shown.status, shown.body.replace("code=200", "code=422")) == (200, answer.body)
    unknown = await wait(service, name=NEXT, headers=headers)
    assert (unknown.status, unknown.body.splitlines()[2]) == (404, "code=404")


async def test_what_still_runs_is_told_with_a_failure(service: Service) -> None:
    await made(service)
    kept = KeptRunning(deploy_id="20261121-110000-abcdefghij", commits={"web": COMMIT})
    await service.set_status(ID, status=State.FAILED, failure=HEALTH, kept_running=kept)
    told = {"deploy_id": kept.deploy_id, "commits": {"web": COMMIT}}
    assert (await wait(service)).body["kept_running"] == told
    assert (await service.ask("GET", f"deployment/{ID}")).data["kept_running"] == told


async def test_the_resource_stays_200_with_an_etag(service: Service) -> None:
    await made(service)
    answer = await service.ask("GET", f"deployment/{ID}")
    assert (answer.status, answer.headers["Retry-After"]) == (200, "2")
    known = {"x-toolforge-tool": service.tool, "If-None-Match": answer.headers["ETag"]}
    same = await service.ask("GET", f"deployment/{ID}", headers=known)
    assert (same.status, same.body) == (304, "")
    held = await service.ask("GET", f"deployment/{ID}?wait=0.2", headers=known)
    assert held.status == 304
    asking = asyncio.create_task(service.ask("GET", f"deployment/{ID}?wait=30", headers=known))
    await until_waiting(service, 1)
    await service.set_status(ID, status=State.RUNNING)
    changed = await asking
    assert (changed.status, changed.data["status"]) == (200, "running")
    assert changed.headers["ETag"] != answer.headers["ETag"]


async def test_waiters_are_told_to_come_back_when_the_server_ends(service: Service) -> None:
    await made(service)
    waiting = asyncio.create_task(wait(service, "timeout=30"))
    await until_waiting(service, 1)
    service.changes.close()
    answer = await waiting
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
    assert (await wait(service, "timeout=30")).status == 429


async def test_a_server_that_is_stopped_answers_who_waits_first(service: Service) -> None:
    await made(service)
    waiting = asyncio.create_task(wait(service, "timeout=30"))
    await until_waiting(service, 1)
    began = time.monotonic()
    await service.client.server.close()
    answer = await waiting
    assert (answer.status, answer.headers["Retry-After"]) == (429, "1")
    assert time.monotonic() - began < 5


async def test_metrics_count_waiters_and_do_not_time_them(service: Service) -> None:
    await made(service)
    waiting = asyncio.create_task(wait(service, "timeout=30"))
    await until_waiting(service, 1)
    assert service.registry.get_sample_value("ptd_http_waiters") == 1
    assert service.registry.get_sample_value("ptd_http_waiters_limit") == 20_000
    await service.set_status(ID, status=State.SUCCESSFUL)
    assert (await waiting).status == 200
    labels = {
        "route": "/v1/tool/{toolname}/deployment/{deployment_id}/wait",
        "method": "GET",
        "code": "200",
    }
    assert service.registry.get_sample_value("ptd_http_requests_total", labels) == 1
    assert service.registry.get_sample_value("ptd_http_request_seconds_count", labels) is None


@pytest.fixture
async def small(control_plane: controlplane.Access) -> AsyncIterator[Service]:
    """The API for two waiters a tool, and holds of a second."""

    def change(parts: Parts) -> Parts:
        limits = Waiters(token=1, tool=2, longest=timedelta(seconds=1))
        return replace(parts, changes=replace(parts.changes, limits=limits))

    async with serving(control_plane, change) as ready:
        yield ready


async def test_too_many_waiters_are_refused_with_a_later_time(small: Service) -> None:
    await made(small)
    answers = await asyncio.gather(*(wait(small, "timeout=30") for _ in range(3)))
    assert sorted(a.headers["Retry-After"] for a in answers) == ["15", "2", "2"]
    assert {a.status for a in answers} == {429}
    types = sorted(a.body["type"].rpartition(":")[2] for a in answers)
    assert types == ["deployment-pending", "deployment-pending", "too-many-waiters"]


async def until_waiting(service: Service, number: int) -> None:
    async with asyncio.timeout(10):
        while service.changes.waiting < number:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
