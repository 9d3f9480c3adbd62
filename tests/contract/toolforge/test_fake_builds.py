"""The stand-in of builds-api behaves as the protocol reference and the OpenAPI document say."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from tests.support.toolforge.build_runs import Refs, commit_of
from tests.support.toolforge.fake_builds import BuildsService, builds_app
from tests.support.toolforge.openapi import builds_document

Client = TestClient[Any, Any]
BUILDS = "/v1/tool/demo/builds"
REPOSITORY = "https://git.example.org/demo.git"
HEADERS = {"X-Toolforge-Tool": "demo"}


@pytest.fixture
def service() -> BuildsService:
    return BuildsService()


@pytest.fixture
async def client(service: BuildsService) -> AsyncIterator[Client]:
    server = TestServer(builds_app(service, builds_document()))
    async with TestClient(server, headers=HEADERS) as client:
        yield client


async def start(client: Client, **parameters: Any) -> tuple[int, Any]:
    body = {"source_url": REPOSITORY, "ref": "main", "image_name": "web"} | parameters
    response = await client.post(BUILDS, json=body)
    return response.status, await response.json()


async def statuses(client: Client) -> list[str]:
    builds = (await (await client.get(BUILDS)).json())["builds"]
    return [build["status"] for build in builds]


async def test_a_build_waits_runs_and_ends_with_a_digest(
    client: Client, service: BuildsService
) -> None:
    _, answer = await start(client)
    seen = [(await statuses(client))[0]]
    service.clock.advance(1)
    seen.append((await statuses(client))[0])
    service.clock.advance(4)
    path = f"{BUILDS}/{answer['new_build']['name']}"
    build = (await (await client.get(path)).json())["build"]
    assert [*seen, build["status"]] == ["BUILD_PENDING", "BUILD_RUNNING", "BUILD_SUCCESS"]
    assert build["resolved_ref"] == commit_of(REPOSITORY, "main")
    name, _, digest = build["destination_image"].partition("@")
    assert (name, digest[:7]) == ("harbor.local/tool-demo/web:latest", "sha256:")


async def test_a_fifth_build_at_once_is_refused_and_may_start_later(
    client: Client, service: BuildsService
) -> None:
    codes = [(await start(client))[0] for _ in range(5)]
    _, refusal = await start(client)
    service.clock.advance(5)
    later, _ = await start(client)
    text = "Got too many builds running (4 out of 4 max), cancel some or wait for them to finish"
    assert (codes, refusal, later) == ([200] * 4 + [409], {"error": [text]}, 200)


async def test_each_start_prunes_to_four_good_and_two_bad_builds(
    client: Client, service: BuildsService
) -> None:
    for ref in ("good", "fail") * 6:
        await start(client, ref=ref)
        service.clock.advance(5)
    await start(client)
    found = await statuses(client)
    counted = {status: found.count(status) for status in found}
    assert counted == {"BUILD_PENDING": 1, "BUILD_SUCCESS": 4, "BUILD_FAILURE": 2}


async def test_cancelling_takes_a_moment_and_is_refused_the_second_time(
    client: Client, service: BuildsService
) -> None:
    _, answer = await start(client, ref="hang")
    path = f"{BUILDS}/{answer['new_build']['name']}/cancel"
    first = await client.put(path)
    still = await statuses(client)
    service.clock.advance(1)
    second = await client.put(path)
    assert (first.status, still, await statuses(client)) == (
        200,
        ["BUILD_PENDING"],
        ["BUILD_CANCELLED"],
    )
    assert (second.status, "cannot be cancelled again" in await second.text()) == (409, True)


@pytest.mark.parametrize(
    ("sent", "status", "answer"),
    [
        ({"ref": "a" * 40}, 400, {"error": "Failed to resolve ref"}),
        ({"source_url": 1}, 400, {"message": "request body has an error"}),
        ({"envvars": {"1": ""}}, 400, {"error": "Not valid environment variables passed"}),
    ],
    ids=["a bare commit is no ref", "a wrong type", "a bad variable"],
)
async def test_refusals_have_the_real_shapes(
    client: Client, sent: dict[str, Any], status: int, answer: dict[str, str]
) -> None:
    code, body = await start(client, **sent)
    ((key, text),) = answer.items()
    found = body[key][0] if isinstance(body[key], list) else body[key]
    assert (code, found[: len(text)]) == (status, text)


async def test_an_unparseable_body_is_answered_with_a_bare_string(client: Client) -> None:
    response = await client.post(BUILDS, data="{nope")
    text = await response.json()
    assert (response.status, text[:24]) == (400, "Bad parameters passed: E")


@pytest.mark.parametrize(
    ("path", "status"),
    [("other-buildpacks-pipelinerun-abcde", 401), ("demo-buildpacks-pipelinerun-abcde", 404)],
    ids=["another tool's build", "an unknown build"],
)
async def test_builds_that_are_not_there(client: Client, path: str, status: int) -> None:
    response = await client.get(f"{BUILDS}/{path}")
    assert response.status == status


async def test_refs_match_by_their_tail_and_the_first_in_the_alphabet_wins() -> None:
    refs = Refs({REPOSITORY: {"refs/heads/main": "1" * 40, "refs/heads/feature/main": "2" * 40}})
    assert await refs(REPOSITORY, "main") == "2" * 40
    assert await refs(REPOSITORY, "refs/heads/main") == "1" * 40


async def test_following_the_log_ends_with_the_build(
    client: Client, service: BuildsService
) -> None:
    _, answer = await start(client, ref="fail")
    service.clock.advance(5)
    path = f"{BUILDS}/{answer['new_build']['name']}/logs?follow=true"
    text = await (await client.get(path)).text()
    assert "ERROR: failed to build" in text.splitlines()[-1]
