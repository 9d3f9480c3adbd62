"""Every failure that the existing service has, with its status and its words."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from controller.api import problems
from controller.api.texts import NOTHING_HERE
from controller.models.tooldeployment import State
from controller.store import errors, kinds
from controller.store.objects import Store
from controller.store.secrets import Secrets
from tests.api.service import CONFIG, Clock, Service, serving
from tests.support import controlplane, fakekube, kubeclient
from tests.support.fakekube import FakeKube

BETA = "You are using a beta feature of Toolforge."
UNKNOWN = "20260101-000000-abcdefghij"
Before = Callable[[Service], Awaitable[None]]


async def nothing(_service: Service) -> None:
    """The tool is new."""


async def a_config(service: Service) -> None:
    assert (await service.ask("POST", "config", CONFIG)).status == 200


async def a_token(service: Service) -> None:
    assert (await service.ask("POST", "deployment/token")).status == 200


async def an_old_token(service: Service) -> None:
    await a_token(service)
    service.clock.forward(timedelta(days=365))


async def ten_that_wait(service: Service) -> None:
    await a_config(service)
    for _ in range(10):
        assert (await service.ask("POST", "deployment")).status == 200


@dataclass(frozen=True)
class Row:
    """A request, and what it is refused with. `$tool` and `$token` stand for the test's own."""

    request: str
    status: int
    text: str
    before: Before = nothing
    body: object = None
    raw: bytes | None = None
    headers: dict[str, str] | None = field(default=None)


NOBODY: dict[str, str] = {}
NO_CONFIG = "Unable to find namespace tool-$tool or config $tool-config for $tool"
NO_TOKEN = "Unable to find namespace tool-$tool or deploytoken $tool for $tool"
NO_DEPLOYMENT = f"Unable to find namespace tool-$tool or deployment {UNKNOWN} for $tool"
HINTS = {
    "Unable to find namespace tool-$tool or deployment ": (
        "`ptd list` or `toolforge components deployment list` shows those there are."
    ),
    "No deployments found for tool": "`ptd deploy --wait` makes the first one.",
}
"""The beginning of a message → what to do about it."""
ONLY_A_DICT = "Input should be a valid dictionary or object to extract fields from"

ROWS = {
    "no header where the tool itself must ask": Row(
        "GET config", 401, "The 'x-toolforge-tool' header is required", headers=NOBODY
    ),
    "neither header nor token": Row(
        "POST deployment",
        401,
        "The 'x-toolforge-tool' header or a token are required",
        headers=NOBODY,
    ),
    "an empty token": Row(
        "POST deployment?token=",
        401,
        "The 'x-toolforge-tool' header or a token are required",
        headers=NOBODY,
    ),
    "a token does not read the config": Row(
        "GET config?token=$token",
        401,
        "The 'x-toolforge-tool' header is required",
        a_token,
        headers=NOBODY,
    ),
    "a token, but the tool has none": Row(
        "POST deployment?token=x",
        401,
        "The tool '$tool' has no deploy token yet, you have to create one before using it",
        headers=NOBODY,
    ),
    "a wrong token": Row(
        "POST deployment?token=3fae991e-193c-4b86-9f6a-000000000000",
        401,
        "The token passed does not match the tool's token",
        a_token,
        headers=NOBODY,
    ),
    "a token that is too old": Row(
        "POST deployment?token=$token",
        401,
        "The token passed has expired, please create a new one",
        an_old_token,
        headers=NOBODY,
    ),
    "no config to show": Row("GET config", 404, NO_CONFIG),
    "no config to deploy": Row("POST deployment", 404, NO_CONFIG),
    "no config to delete": Row("DELETE config", 404, NO_CONFIG),
    "no token to show": Row("GET deployment/token", 404, NO_TOKEN),
    "no token to refresh": Row("PUT deployment/token", 404, NO_TOKEN),
    "no token to delete": Row("DELETE deployment/token", 404, NO_TOKEN),
    "a second token": Row(
        "POST deployment/token",
        409,
        "Deploy token already exists. Use the 'refresh' subcommand or PUT "
        "/tool/$tool/deployment/token to refresh it.",
        a_token,
    ),
    "a second token, although the first has expired": Row(
        "POST deployment/token",
        409,
        "Deploy token already exists. Use the 'refresh' subcommand or PUT "
        "/tool/$tool/deployment/token to refresh it.",
        an_old_token,
    ),
    "an unknown deployment to show": Row(f"GET deployment/{UNKNOWN}", 404, NO_DEPLOYMENT),
    "an unknown deployment to delete": Row(f"DELETE deployment/{UNKNOWN}", 404, NO_DEPLOYMENT),
    "an unknown deployment to cancel": Row(f"PUT deployment/{UNKNOWN}/cancel", 404, NO_DEPLOYMENT),
    "an id that no deployment can have": Row(
        "GET deployment/Nope!",
        404,
        "Unable to find namespace tool-$tool or deployment Nope! for $tool",
    ),
    "no latest deployment": Row(
        "GET deployment/latest", 404, "No deployments found for tool: $tool"
    ),
    "no latest deployment to cancel": Row(
        "PUT deployment/latest/cancel", 404, "No deployments found for tool: $tool"
    ),
    "latest is no id to delete": Row(
        "DELETE deployment/latest",
        404,
        "Unable to find namespace tool-$tool or deployment latest for $tool",
        a_config,
    ),
    "too many wait already": Row(
        "POST deployment",
        409,
        "There's already 10 running, the limit is 10. Wait for it to finish for now.",
        ten_that_wait,
    ),
    "an unknown route": Row("GET /v1/nope", 404, "Not Found"),
    "an unknown method": Row("PATCH config", 405, "Method Not Allowed"),
    "broken JSON": Row(
        "POST config",
        422,
        "Invalid JSON at position 1: Expecting property name enclosed in double quotes",
        raw=b"{nope",
    ),
    "who asks is told before broken JSON": Row(
        "POST config",
        401,
        "The 'x-toolforge-tool' header is required",
        raw=b"{nope",
        headers=NOBODY,
    ),
    "no body": Row("POST config", 422, "Validation error at : Field required"),
    "a form": Row(
        "POST config",
        422,
        "The body must be JSON, sent with the header 'Content-Type: application/json'; "
        "its type is application/x-www-form-urlencoded",
        raw=b"a=1",
        headers={
            "x-toolforge-tool": "$tool",
            "Content-Type": "application/x-www-form-urlencoded",
        },
    ),
    "a list": Row(
        "POST config",
        422,
        f"Validation error at : {ONLY_A_DICT}. Received value: '[]'",
        body=[],
    ),
    "a model that does not fit": Row(
        "POST config",
        422,
        "Validation error at components -> web -> run -> replicas: Input should be greater than or "
        "equal to 1. Received value: '0'",
        body={
            "components": {
                "web": CONFIG["components"]["web"] | {"run": {"command": "web", "replicas": 0}}
            }
        },
    ),
    "no boolean": Row(
        "POST deployment?force-build=maybe",
        422,
        "Validation error at force-build: Input should be a valid boolean, unable to interpret "
        "input. Received value: 'maybe'",
        a_config,
    ),
    "a description that is no text": Row(
        "POST deployment",
        422,
        "Validation error at description: Input should be a valid string. Received value: '5'",
        a_config,
        body={"description": 5},
    ),
    "a source_url that does not answer": Row(
        "POST config",
        400,
        "Unable to retrive config from source url https://conf.example.org/c.yaml: it does not "
        "answer",
        body=CONFIG | {"source_url": "https://conf.example.org/c.yaml"},
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
async def test_a_failure_has_its_status_and_its_words(service: Service, row: Row) -> None:
    await row.before(service)
    token = ""
    if "$token" in row.request:
        token = (await service.secrets.get(service.tool, "deploy-token")).data["token"].decode()

    def filled(text: str) -> str:
        return text.replace("$tool", service.tool).replace("$token", token)

    method, _, path = filled(row.request).partition(" ")
    headers = row.headers and {name: filled(value) for name, value in row.headers.items()}
    if row.raw is not None and headers is None:
        headers = {"x-toolforge-tool": service.tool, "Content-Type": "application/json"}
    elif row.raw is not None and not headers:
        headers = {"Content-Type": "application/json"}
    answer = await service.ask(method, path, row.body, raw=row.raw, headers=headers)
    said = {"info": [], "warning": [BETA], "error": [filled(row.text)]}
    assert (answer.status, answer.body["messages"]) == (row.status, said)
    told = answer.body["problem"]
    assert (told["status"], told["owner"]) == (row.status, "user")
    assert told["detail"] in (filled(row.text), NOTHING_HERE)
    for unknown, hint in HINTS.items():
        if row.text.startswith(unknown):
            assert told["hint"] == hint


@pytest.mark.parametrize(
    "state", [state for state in State if state not in (State.PENDING, State.RUNNING)]
)
async def test_what_has_ended_cannot_be_cancelled(service: Service, state: State) -> None:
    await a_config(service)
    name = (await service.ask("POST", "deployment")).data["deploy_id"]
    await service.set_status(name, status=state)
    answer = await service.ask("PUT", f"deployment/{name}/cancel")
    assert (answer.status, answer.errors) == (
        409,
        [f"Deployment can't be cancelled, it's state is {state.value}"],
    )


async def test_the_control_plane_s_silence_is_told_without_its_details(
    control_plane: controlplane.Access,
) -> None:
    async with kubeclient.calls_to("http://127.0.0.1:9") as nowhere:
        silent = Store(nowhere, Clock(), "api-tests")
        async with serving(control_plane, lambda parts: replace(parts, store=silent)) as service:
            answer = await service.ask("GET", "config")
    assert (answer.status, answer.errors) == (
        500,
        ["Internal server error", "The control plane does not answer; try again in a minute"],
    )


async def test_a_fault_of_the_control_plane_is_not_told_as_its_silence() -> None:
    async with FakeKube() as ill, kubeclient.calls_to(ill.url) as calls:
        ill.fail("GET", fakekube.status(500, "InternalError"), times=9)
        store = Store(calls, Clock(), "api-tests")
        with pytest.raises(errors.Faulty) as raised:
            await store.get(kinds.CONFIGS, "demo", "demo-config")
    assert problems.of(raised.value).messages == (
        "Internal server error",
        "The control plane has a fault; its log (that of `ptd local`) says which",
    )


async def test_w8_a_token_that_cannot_be_kept_is_told_in_the_usual_form(
    control_plane: controlplane.Access,
) -> None:
    async with kubeclient.calls_to("http://127.0.0.1:9") as nowhere:
        silent = Secrets(nowhere)
        async with serving(control_plane, lambda parts: replace(parts, secrets=silent)) as service:
            answers = [
                await service.ask(method, "deployment/token")
                for method in ("GET", "POST", "PUT", "DELETE")
            ]
    said = ["Internal server error", "The control plane does not answer; try again in a minute"]
    assert [(answer.status, answer.errors) for answer in answers] == [(500, said)] * 4
