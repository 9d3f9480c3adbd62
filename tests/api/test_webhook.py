"""The webhook: who may call, what comes of it, and what no caller can do."""

import asyncio
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from controller.models.lookups import ANNOTATION, Push, push_in
from controller.models.meta import config_name
from controller.store import kinds
from controller.store.secrets import Secret
from tests.api.service import CONFIG, Service

SECRET = b"the secret of the webhook"
COMMIT = "ab" * 20
PUSH = {"ref": "refs/heads/main", "after": COMMIT, "repository": {"name": "web"}}
BODY = json.dumps(PUSH).encode()


def signed(body: bytes = BODY, secret: bytes = SECRET) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


HOSTS = {
    "GitHub": {"X-Hub-Signature-256": f"sha256={signed()}", "X-GitHub-Delivery": "1"},
    "GitHub of before": {"X-Hub-Signature-256": f"sha256={signed()}", "X-Hub-Signature": "sha1=x"},
    "GitLab": {"X-Gitlab-Token": SECRET.decode(), "X-Gitlab-Event-UUID": "1"},
    "Gitea": {"X-Gitea-Signature": signed(), "X-Gitea-Delivery": "1"},
    "Forgejo": {"X-Forgejo-Signature": signed(), "X-Gitea-Signature": signed()},
    "Bitbucket": {"X-Hub-Signature": f"sha256={signed()}"},
}
STRANGERS: dict[str, dict[str, str]] = {
    "nothing": {},
    "another secret": {"X-Hub-Signature-256": f"sha256={signed(secret=b'x')}"},
    "a signature of another body": {"X-Hub-Signature-256": f"sha256={signed(b'{}')}"},
    "SHA-1": {"X-Hub-Signature": f"sha1={hmac.new(SECRET, BODY, hashlib.sha1).hexdigest()}"},
    "an empty signature": {"X-Gitea-Signature": ""},
    "a wrong signature beside the token": {
        "X-Gitea-Signature": "0" * 64,
        "X-Gitlab-Token": SECRET.decode(),
    },
    "another token": {"X-Gitlab-Token": "guess"},
    "an empty token": {"X-Gitlab-Token": ""},
    "letters that no header should have": {"X-Gitlab-Token": "\u00e9\u00ff"},
    "the gateway's header": {"x-toolforge-tool": "t"},
}


async def prepared(service: Service) -> Service:
    """With a config and a secret."""
    await service.store.put(kinds.CONFIGS, service.tool, config_name(service.tool), CONFIG)
    await service.secrets.create(service.tool, Secret("webhook", {"secret": SECRET}))
    return service


async def annotation(service: Service) -> str | None:
    found = await service.store.get(kinds.CONFIGS, service.tool, config_name(service.tool))
    return found.metadata.annotations.get(ANNOTATION)


async def announced(service: Service) -> str:
    """The annotation, once it is there."""
    async with asyncio.timeout(5):
        while (value := await annotation(service)) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return value


async def call(service: Service, headers: dict[str, str], body: bytes = BODY) -> Any:
    return await service.ask("POST", "webhook", raw=body, headers=headers)


@pytest.mark.parametrize("host", HOSTS)
async def test_a_push_of_every_host_asks_for_a_look(host: str, service: Service) -> None:
    answer = await call(await prepared(service), HOSTS[host])

    assert (answer.status, answer.body["messages"]["info"]) == (
        202,
        ["The tool's repositories are looked at now"],
    )
    assert push_in(await announced(service)) == Push("refs/heads/main", COMMIT)


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_a_stranger_is_refused(stranger: str, service: Service) -> None:
    await prepared(service)
    answer = await call(service, STRANGERS[stranger])

    assert answer.status == 401
    assert answer.errors[0].startswith("The call does not prove that it knows")
    assert await annotation(service) is None


async def test_a_tool_without_a_secret_answers_as_one_with_another(service: Service) -> None:
    without = await call(service, HOSTS["GitHub"])
    await service.secrets.create(service.tool, Secret("webhook", {"secret": b""}))
    empty = await call(service, {"X-Gitlab-Token": ""})
    assert (without.status, empty.status) == (401, 401)
    assert without.body == empty.body


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"hello", id="no JSON"),
        pytest.param(b"[" * 9000, id="nested without end"),
        pytest.param(b"[1]", id="no object"),
        pytest.param(b"payload=", id="an empty form"),
        pytest.param(b'{"ref": ["x"], "after": {}}', id="of other types"),
        pytest.param(b'{"ref": "refs/heads/main", "after": "--upload-pack=x"}', id="no commit"),
    ],
)
async def test_whatever_is_signed_asks_for_a_look_only(body: bytes, service: Service) -> None:
    await prepared(service)
    answer = await call(service, {"X-Hub-Signature-256": f"sha256={signed(body)}"}, body)

    assert answer.status == 202
    assert push_in(await announced(service)) == Push()


async def test_a_form_is_read_too(service: Service) -> None:
    body = urlencode({"payload": json.dumps(PUSH)}).encode()
    await prepared(service)
    await call(service, {"X-Hub-Signature-256": f"sha256={signed(body)}"}, body)
    assert push_in(await announced(service)) == Push("refs/heads/main", COMMIT)


async def test_the_same_call_again_does_nothing(service: Service) -> None:
    await prepared(service)
    await call(service, HOSTS["GitHub"])
    before = await announced(service)
    again = await call(service, {**HOSTS["GitHub"], "X-GitHub-Delivery": "2"})

    assert (again.status, again.body["messages"]["info"]) == (
        202,
        ["This very call came before; nothing more is done for it"],
    )
    assert await annotation(service) == before


async def test_a_large_body_is_refused_unread(service: Service) -> None:
    await prepared(service)
    answer = await call(service, HOSTS["GitLab"], b" " * (256 * 1024 + 1))
    assert answer.status == 413


async def test_a_thousand_calls_are_few_writes_and_the_last_push_counts(service: Service) -> None:
    await prepared(service)
    first = await service.store.get(kinds.CONFIGS, service.tool, config_name(service.tool))
    bodies = [json.dumps(PUSH | {"number": number}).encode() for number in range(200)]
    bodies.append(json.dumps(PUSH | {"after": "cd" * 20}).encode())
    answers = [
        await call(service, {"X-Hub-Signature-256": f"sha256={signed(body)}"}, body)
        for body in bodies
    ]
    async with asyncio.timeout(5):
        while push_in(await announced(service)).commit != "cd" * 20:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    last = await service.store.get(kinds.CONFIGS, service.tool, config_name(service.tool))

    assert {answer.status for answer in answers} == {202}
    versions = [int(found.metadata.resource_version) for found in (first, last)]
    assert versions[1] - versions[0] < 20


async def test_a_tool_without_a_config_is_no_failure(service: Service) -> None:
    await service.secrets.create(service.tool, Secret("webhook", {"secret": SECRET}))
    answer = await call(service, HOSTS["GitHub"])
    assert answer.status == 202
