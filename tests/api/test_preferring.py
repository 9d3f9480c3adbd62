"""`Prefer: wait` on a POST, `latest`, and what is not kept: a CI step in one line of curl."""

import asyncio
import weakref
from datetime import timedelta
from typing import Any

import pytest
from multidict import CIMultiDict

from controller.api import preferring
from controller.api.calls import Answer as CallAnswer
from controller.api.calls import Call
from controller.api.sight import Sight
from controller.api.waiting import Waiting
from controller.models.tooldeployment import State
from controller.store import kinds
from tests.api.service import CONFIG, Answer, Service
from tests.api.test_waiting import HEALTH, until_waiting

OLD = "20200101-000000-abcdefghij"
ID = "20261121-120000-abcdefghij"


@pytest.fixture
async def configured(service: Service) -> Service:
    """A tool with a config."""
    assert (await service.ask("POST", "config", CONFIG)).status == 200
    return service


async def post(service: Service, *prefer: str, key: str = "job-1") -> Answer:
    headers = CIMultiDict({"x-toolforge-tool": service.tool})
    headers.extend([("Prefer", each) for each in prefer or ("wait=30",)])
    if key:
        headers["Idempotency-Key"] = key
    return await service.ask("POST", "deployment", headers=headers)


@pytest.mark.parametrize(
    ("header", "held"),
    [
        ("wait=50", "50"),
        ('respond-async, WAIT="10"', "10"),
        ("return=minimal;x=1,wait = 5 ; foo", "5"),
        ("handling=lenient, respond-async,wait=7", "7"),
        ("wait=5, wait=50", "5"),
        ('foo="a, wait=5", wait=6', "6"),
        (r'foo="\", wait=5", bar', ""),
        ("", ""),
        ('foo="wait=5', ""),
        ("respond-async", ""),
        ("wait=soon", ""),
        ("await=5", ""),
    ],
)
def test_what_a_prefer_header_says_of_waiting(header: str, held: str) -> None:
    assert preferring.seconds(header) == held


ENDS: list[tuple[dict[str, Any], int]] = [
    ({"status": State.SUCCESSFUL}, 200),
    ({"status": State.FAILED, "failure": HEALTH}, 422),
    ({"status": State.CANCELLED}, 409),
]


@pytest.mark.parametrize(("status", "code"), ENDS, ids=["success", "failure", "cancel"])
async def test_a_post_that_waits_answers_the_end(
    configured: Service, status: dict[str, Any], code: int
) -> None:
    asking = asyncio.create_task(post(configured))
    await until_waiting(configured, 1)
    (made,) = await configured.store.list(kinds.DEPLOYMENTS, configured.tool)
    await configured.set_status(made.name, **status)
    answer = await asking
    assert (answer.status, "Retry-After" in answer.headers) == (code, False)
    assert answer.headers["Preference-Applied"] == "wait=30"
    assert answer.headers["Location"] == f"deployment/{made.name}"


async def test_what_curl_repeats_is_the_same_deployment(configured: Service) -> None:
    first = await post(configured, "wait=0")
    assert (first.status, first.headers["Retry-After"]) == (429, "2")
    again = await post(configured, "wait=0")
    assert again.body["deploy_id"] == first.body["deploy_id"]
    assert len(await configured.store.list(kinds.DEPLOYMENTS, configured.tool)) == 1


async def test_a_wait_counts_in_whatever_line_it_comes(configured: Service) -> None:
    answer = await post(configured, "respond-async", "handling=lenient, wait=0", "return=minimal")
    assert (answer.status, answer.headers["Preference-Applied"]) == (429, "wait=0")


class Remembered(dict[str, str]):
    """A body that can be missed."""


async def test_a_wait_does_not_hold_the_body_of_its_post(configured: Service) -> None:
    """Hundreds of KiB each, for as long as thousands of requests are held."""
    sight = Sight(configured.store, configured.changes)
    waiting = Waiting(sight, configured.changes, lambda _tool, _found: make(Call(configured.tool)))
    headers = {"Prefer": "wait=30", "Idempotency-Key": "k"}

    async def make(call: Call) -> CallAnswer:
        await configured.store.create(kinds.DEPLOYMENTS, call.tool, ID, {})
        return CallAnswer({"deploy_id": ID}, headers={"Location": "", "Link": ""})

    body = Remembered()
    known = weakref.ref(body)
    ask = preferring.able(make, waiting)
    asking = asyncio.ensure_future(ask(Call(configured.tool, body=body, headers=headers)))
    del body
    await until_waiting(configured, 1)
    assert known() is None
    await configured.set_status(ID, status=State.SUCCESSFUL)
    answer = await asking
    assert isinstance(answer, CallAnswer)
    assert answer.status == 200


async def test_without_a_key_asking_again_would_deploy_again(configured: Service) -> None:
    answer = await post(configured, key="")
    assert (answer.status, "Idempotency-Key" in answer.errors[0]) == (400, True)
    assert await configured.store.list(kinds.DEPLOYMENTS, configured.tool) == []


async def test_latest_is_the_newest_when_it_is_asked_for(configured: Service) -> None:
    for path in ("", "/wait", "/events", "/retry"):
        method = "POST" if path == "/retry" else "GET"
        answer = await configured.ask(method, f"deployment/latest{path}")
        assert (answer.status, answer.errors[0][:20]) == (404, "No deployments found"), path
    for name in (OLD, ID):
        await configured.store.create(kinds.DEPLOYMENTS, configured.tool, name, {})
    waiting = asyncio.create_task(configured.ask("GET", "deployment/latest/wait?timeout=30"))
    await until_waiting(configured, 1)
    await configured.store.create(
        kinds.DEPLOYMENTS, configured.tool, "20991121-120000-abcdefghij", {}
    )
    await configured.set_status(ID, status=State.FAILED, failure=HEALTH)
    answer = await waiting
    assert (answer.status, answer.body["deploy_id"]) == (422, ID)
    retried = await configured.ask("POST", f"deployment/{ID}/retry")
    assert retried.status == 200


async def test_a_deploy_token_may_see_the_newest(configured: Service) -> None:
    await configured.store.create(kinds.DEPLOYMENTS, configured.tool, ID, {})
    token = (await configured.ask("POST", "deployment/token")).data["token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = await configured.ask("GET", "deployment/latest", headers=headers)
    assert (answer.status, answer.data["deploy_id"]) == (200, ID)
    known = {**headers, "If-None-Match": answer.headers["ETag"]}
    same = await configured.ask("GET", "deployment/latest?wait=0.1", headers=known)
    assert same.status == 304


async def test_what_is_older_than_what_is_kept_is_gone(service: Service) -> None:
    unknown = await service.ask("GET", f"deployment/{OLD}/wait")
    assert unknown.status == 404
    await service.store.create(kinds.DEPLOYMENTS, service.tool, ID, {})
    gone = await service.ask("GET", f"deployment/{OLD}/wait")
    assert (gone.status, gone.body["type"]) == (410, "urn:push-to-deploy:problem:gone")
    assert f"the oldest there is now is {ID}" in gone.body["detail"]
    resource = await service.ask("GET", f"deployment/{OLD}")
    assert (resource.status, len(resource.errors)) == (404, 2)
    newer = await service.ask("GET", "deployment/20991121-120000-abcdefghij/wait")
    assert newer.status == 404


async def test_whatever_is_done_with_what_is_not_kept_is_answered_in_the_same_words(
    service: Service,
) -> None:
    await service.store.create(kinds.DEPLOYMENTS, service.tool, ID, {})
    shown = await service.ask("GET", f"deployment/{OLD}")
    assert f"the oldest there is now is {ID}" in shown.errors[1]
    for method, path in (("PUT", "/cancel"), ("POST", "/retry"), ("DELETE", "")):
        answer = await service.ask(method, f"deployment/{OLD}{path}")
        assert (answer.status, answer.body) == (404, shown.body), path


async def test_errors_of_older_routes_are_the_same_record(service: Service) -> None:
    answer = await service.ask("POST", "deployment")
    assert answer.status == 404
    told = {
        name: answer.body["problem"][name]
        for name in ("type", "detail", "reason", "owner", "retryable")
    }
    assert told == {
        "type": "urn:push-to-deploy:problem:config-missing",
        "detail": answer.errors[0],
        "reason": "config-missing",
        "owner": "user",
        "retryable": False,
    }
    headers = {"x-toolforge-tool": service.tool, "Accept": "application/problem+json"}
    whole = await service.ask("POST", "deployment", headers=headers)
    assert whole.headers["Content-Type"].startswith("application/problem+json")
    assert (whole.body["status"], whole.body["reason"]) == (404, "config-missing")


async def test_a_mistake_in_a_fetched_config_says_its_line(configured: Service) -> None:
    url = "https://git.example.org/toolforge.yaml"
    configured.pages.texts[url] = (
        "components:\n  web:\n    build: {repository: 'https://x', ref: a}\n"
    )
    bad = await configured.ask("POST", "config", {"source_url": url, **CONFIG})
    assert (bad.status, bad.body["problem"]["reason"]) == (400, "config-invalid")
    (mistake,) = bad.body["problem"]["mistakes"]
    assert (mistake["file"], mistake["line"], mistake["path"]) == (url, 2, "components.web.run")


async def test_a_body_that_is_no_json_is_told_what_to_send(configured: Service) -> None:
    headers = {
        "x-toolforge-tool": configured.tool,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    answer = await configured.ask("POST", "deployment", raw=b'{"commits":{}}', headers=headers)
    assert (answer.status, answer.errors[0]) == (
        422,
        "The body must be JSON, sent with the header 'Content-Type: application/json'; "
        "its type is application/x-www-form-urlencoded",
    )


async def test_who_waits_is_told_who_goes_first(configured: Service) -> None:
    first = await configured.ask("POST", "deployment")
    configured.clock.forward(timedelta(seconds=1))
    second = await configured.ask("POST", "deployment")
    assert second.data["blocked_by"] == first.data["deploy_id"]
    name = second.data["deploy_id"]
    await configured.set_status(name, queue_position=1, blocked_by=first.data["deploy_id"])
    told = await configured.ask("GET", f"deployment/{name}/wait?timeout=0")
    assert (told.status, told.body["blocked_by"]) == (429, first.data["deploy_id"])
