"""Deploying exactly once, exactly these commits, and once more after a failure."""

import asyncio
from typing import Any

import pytest

from controller.api.keys import KEPT, PREFIX, Key
from controller.models.meta import config_name
from controller.models.tooldeployment import State, ToolDeploymentStatus
from controller.store import kinds
from tests.api.service import CONFIG, WEB, Answer, Service

COMMIT = "a" * 40
REUSING = {
    "components": {
        **CONFIG["components"],
        "report": {
            "component_type": "scheduled",
            "build": {"reuse_from": "web"},
            "run": {"command": "report", "schedule": "@daily"},
        },
        "worker": {"build": WEB["build"], "run": {"command": "worker"}},
    }
}


async def post(service: Service, key: str = "", body: Any = None, path: str = "") -> Answer:
    headers = {"x-toolforge-tool": service.tool}
    if key:
        headers["Idempotency-Key"] = key
    return await service.ask("POST", f"deployment{path}", body, headers=headers)


async def names(service: Service) -> list[str]:
    found = await service.store.list(kinds.DEPLOYMENTS, service.tool)
    return [each.name for each in found]


@pytest.fixture
async def configured(service: Service) -> Service:
    """A tool with a config."""
    assert (await service.ask("POST", "config", REUSING)).status == 200
    return service


async def test_the_same_key_makes_one_deployment(configured: Service) -> None:
    first = await post(configured, "job-1")
    again = await post(configured, "job-1")
    assert (first.status, again.status) == (200, 200)
    assert first.data["deploy_id"] == again.data["deploy_id"]
    assert await names(configured) == [first.data["deploy_id"]]
    other = await post(configured, "job-2")
    assert other.data["deploy_id"] > first.data["deploy_id"]


async def test_the_same_key_at_the_same_moment_makes_one_deployment(configured: Service) -> None:
    answers = await asyncio.gather(*(post(configured, "job-1") for _ in range(4)))
    assert {answer.status for answer in answers} == {200}
    assert {a.data["deploy_id"] for a in answers} == set(await names(configured))
    assert len(await names(configured)) == 1


async def test_a_key_that_was_claimed_before_a_crash_makes_that_deployment(
    configured: Service,
) -> None:
    first = await post(configured, "job-1")
    name = first.data["deploy_id"]
    found = await configured.deployment(name)
    await configured.store.delete(
        kinds.DEPLOYMENTS, configured.tool, name, found.metadata.uid
    )  # as if it had never been made
    assert (await post(configured, "job-1")).data["deploy_id"] == name


async def test_a_key_is_for_one_request(configured: Service) -> None:
    name = (await post(configured, "job-1")).data["deploy_id"]
    other = await post(configured, "job-1", {"description": "something else"})
    assert other.status == 422
    assert f"was used for another request, which made {name}" in other.errors[0]
    assert (await post(configured, "x" * 256)).status == 400


async def test_a_known_key_is_answered_although_too_many_wait(configured: Service) -> None:
    first = await post(configured, "job-1")
    for _ in range(9):
        await post(configured)
    assert (await post(configured)).status == 409
    assert (await post(configured, "job-1")).data["deploy_id"] == first.data["deploy_id"]


async def test_only_the_newest_keys_are_kept(configured: Service) -> None:
    place = (kinds.CONFIGS, configured.tool, config_name(configured.tool))
    found = await configured.store.get(*place)
    old = {f"{PREFIX}{n:040x}": f"2025{n:04}-000000-abcdefghij/x" for n in range(KEPT)}
    await configured.store.annotate(found, dict(old))
    await post(configured, "job-1")
    held = (await configured.store.get(*place)).metadata.annotations
    kept = {name for name in held if name.startswith(PREFIX)}
    assert len(kept) == KEPT
    assert set(old) - kept == {min(old)}


async def test_commits_are_pinned(configured: Service) -> None:
    answer = await post(configured, body={"commits": {"web": COMMIT.upper()}})
    stored = await configured.deployment(answer.data["deploy_id"])
    assert stored.spec.trigger.commits == {"web": COMMIT}
    assert answer.headers["Location"] == f"deployment/{stored.name}"
    assert answer.headers["Link"] == f'<deployment/{stored.name}/wait>; rel="monitor"'


@pytest.mark.parametrize(
    ("commits", "words"),
    [
        ({"nope": COMMIT}, "There is no such component; the config has report, web, worker"),
        ({"report": COMMIT}, "It uses the build of 'web'; ask for a commit of that one"),
        ({"web": "main"}, "Input should be a full commit SHA"),
        ({"web": 5}, "Input should be a full commit SHA"),
    ],
)
async def test_commits_that_cannot_be_used_are_refused(
    configured: Service, commits: Any, words: str
) -> None:
    answer = await post(configured, body={"commits": commits})
    assert answer.status == 422
    assert words in answer.errors[0]
    assert await names(configured) == []


async def test_the_list_of_commits_of_a_webhook_is_no_pin(configured: Service) -> None:
    answer = await post(configured, body={"commits": [{"id": COMMIT}], "ref": "refs/heads/main"})
    assert (await configured.deployment(answer.data["deploy_id"])).spec.trigger.commits == {}


async def test_a_retry_deploys_the_same_commits(configured: Service) -> None:
    name = (await post(configured, body={"commits": {"web": COMMIT}})).data["deploy_id"]
    assert (await post(configured, path=f"/{name}/retry")).status == 409
    built = {
        "web": {"build_id": "b1", "build_status": "successful", "commit": COMMIT},
        "worker": {"build_id": "b2", "build_status": "failed", "commit": "b" * 40},
        "gone": {"build_id": "b3", "build_status": "successful", "commit": "c" * 40},
    }
    builds = ToolDeploymentStatus.model_validate({"builds": built}).builds
    await configured.set_status(name, status=State.FAILED, builds=builds)
    first = await post(configured, "job-1", path=f"/{name}/retry")
    again = await post(configured, "job-1", path=f"/{name}/retry")
    assert first.data["deploy_id"] == again.data["deploy_id"] != name
    stored = await configured.deployment(first.data["deploy_id"])
    assert stored.spec.trigger.commits == {"web": COMMIT, "worker": "b" * 40}
    assert stored.spec.description == f"Retry of {name}"
    assert first.headers["Location"] == f"../{stored.name}"


async def test_a_success_is_not_retried(configured: Service) -> None:
    name = (await post(configured)).data["deploy_id"]
    await configured.set_status(name, status=State.SUCCESSFUL)
    answer = await post(configured, path=f"/{name}/retry")
    assert (answer.status, answer.errors) == (
        409,
        ["Deployment can't be retried, its state is successful"],
    )


async def test_a_deploy_token_may_cancel_what_it_may_make(configured: Service) -> None:
    token = (await configured.ask("POST", "deployment/token")).data["token"]
    headers = {"Authorization": f"Bearer {token}"}
    made = await configured.ask("POST", "deployment", headers=headers)
    name = made.data["deploy_id"]
    answer = await configured.ask("PUT", f"deployment/{name}/cancel", headers=headers)
    assert (answer.status, answer.data["status"]) == (200, "cancelling")


def test_a_key_may_hold_any_bytes() -> None:
    keys = [Key.of(sent, {}) for sent in ("\udce9", "\udcea", "é")]
    assert len({key.annotation for key in keys if key is not None}) == 3
