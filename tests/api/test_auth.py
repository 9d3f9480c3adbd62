"""Who may: the gateway, certificates, the kubeconfig's token, deploy tokens, and nobody else."""

import io
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp.test_utils import make_mocked_request
from prometheus_client import generate_latest

from controller import logs
from controller.api.auth import Gate, Needs, Trust
from controller.api.problems import Refused
from controller.models.tooldeployment import Trigger
from tests.api.service import CONFIG, Service, serving
from tests.support import controlplane

OWNER = "the-owner-s-token"


class Tokens:
    """Knows one token."""

    async def check(self, tool: str, given: str) -> None:
        if given != "deploy":
            raise Refused(401, "wrong")


class Shown:
    """A connection whose client has shown a certificate."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def get_extra_info(self, name: str, default: object = None) -> object:
        subject = tuple((("commonName", each),) for each in self._names)
        return {"subject": subject} if name == "peercert" else default


GATEWAY, CERTIFICATES = Trust(gateway=True), Trust(certificates=True)
LOCAL = Trust(owner=lambda: OWNER)
HEADER = {"x-toolforge-tool": "web"}

ADMITTED = {
    "the gateway's header": (GATEWAY, HEADER, (), "", Needs.TOOL, Trigger.API),
    "a certificate": (CERTIFICATES, {}, ("web",), "", Needs.TOOL, Trigger.API),
    "the kubeconfig's token": (
        LOCAL,
        {"Authorization": f"Bearer {OWNER}"},
        (),
        "",
        Needs.TOOL,
        Trigger.API,
    ),
    "a deploy token in the query": (
        Trust(),
        {},
        (),
        "?token=deploy",
        Needs.TOOL_OR_TOKEN,
        Trigger.TOKEN,
    ),
    "a deploy token as a bearer": (
        GATEWAY,
        {"Authorization": "bearer deploy"},
        (),
        "",
        Needs.TOOL_OR_TOKEN,
        Trigger.TOKEN,
    ),
    "the header wins over a wrong token": (
        GATEWAY,
        HEADER,
        (),
        "?token=wrong",
        Needs.TOOL_OR_TOKEN,
        Trigger.API,
    ),
}


async def admit(
    trust: Trust, headers: Mapping[str, str], names: tuple[str, ...], query: str, needs: Needs
) -> Trigger:
    request = make_mocked_request(
        "POST",
        f"/v1/tool/web/deployment{query}",
        headers=headers,
        transport=Shown(*names),
    )
    return await Gate(trust, Tokens()).admit(request, "web", needs)


@pytest.mark.parametrize(
    ("trust", "headers", "names", "query", "needs", "caller"), ADMITTED.values(), ids=ADMITTED
)
async def test_who_is_known_is_admitted(
    trust: Trust,
    headers: dict[str, str],
    names: tuple[str, ...],
    query: str,
    needs: Needs,
    caller: Trigger,
) -> None:
    assert await admit(trust, headers, names, query, needs) == caller


REFUSED = {
    "w26 the header counts only where a gateway sets it": (Trust(), HEADER, (), "", 401),
    "w26 the header names another tool": (
        GATEWAY,
        {"x-toolforge-tool": "another"},
        (),
        "",
        403,
    ),
    "a certificate names another tool": (CERTIFICATES, {}, ("another",), "", 403),
    "a certificate that no one asked for": (GATEWAY, {}, ("web",), "", 401),
    "a certificate with two names": (CERTIFICATES, {}, ("web", "another"), "", 401),
    "a guessed bearer": (LOCAL, {"Authorization": "Bearer guess"}, (), "", 401),
    "an empty bearer where nobody owns": (Trust(), {"Authorization": "Bearer "}, (), "", 401),
    "letters that no token has": (LOCAL, {"Authorization": "Bearer ü"}, (), "", 401),
    "a deploy token where the tool must ask": (
        GATEWAY,
        {"Authorization": "Bearer deploy"},
        (),
        "",
        401,
    ),
    "another scheme": (LOCAL, {"Authorization": f"Basic {OWNER}"}, (), "", 401),
}


@pytest.mark.parametrize(
    ("trust", "headers", "names", "query", "status"), REFUSED.values(), ids=REFUSED
)
async def test_everybody_else_is_refused(
    trust: Trust, headers: dict[str, str], names: tuple[str, ...], query: str, status: int
) -> None:
    with pytest.raises(Refused) as refused:
        await admit(trust, headers, names, query, Needs.TOOL)
    assert refused.value.status == status


async def test_without_a_gateway_the_first_sentence_says_what_would_be_accepted() -> None:
    trust = Trust(certificates=True, owner=lambda: OWNER)
    with pytest.raises(Refused) as refused:
        await admit(trust, {}, (), "", Needs.TOOL_OR_TOKEN)
    assert refused.value.messages == (
        "Who asks is not known: send the bearer token of the kubeconfig or a client certificate "
        "of the tool or the tool's deploy token",
        "The 'x-toolforge-tool' header or a token are required",
    )


async def test_a_deploy_token_deploys_and_reads_what_it_deployed(service: Service) -> None:
    await service.ask("POST", "config", CONFIG)
    token = (await service.ask("POST", "deployment/token")).data["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    made = await service.ask("POST", "deployment", headers=bearer)
    assert (made.status, made.data["trigger"]) == (200, "token")
    name = made.data["deploy_id"]
    assert (await service.ask("GET", f"deployment/{name}?token={token}", headers={})).status == 200
    for request in (
        "GET config",
        "POST config",
        "GET deployment",
        "GET deployment/token",
        f"DELETE deployment/{name}",
    ):
        assert (await service.ask(*request.split(), headers=bearer)).status == 401, request


async def test_a_refreshed_token_replaces_the_old_one_in_one_write(service: Service) -> None:
    await service.ask("POST", "config", CONFIG)
    old = (await service.ask("POST", "deployment/token")).data["token"]
    before = await service.secrets.get(service.tool, "deploy-token")
    new = (await service.ask("PUT", "deployment/token")).data["token"]
    after = await service.secrets.get(service.tool, "deploy-token")
    assert (old != new, before.uid) == (True, after.uid)
    assert (await service.ask("POST", f"deployment?token={old}", headers={})).status == 401
    assert (await service.ask("POST", f"deployment?token={new}", headers={})).status == 200


async def test_a_deleted_token_is_shown_once_more_and_opens_nothing(service: Service) -> None:
    await service.ask("POST", "config", CONFIG)
    made = await service.ask("POST", "deployment/token")
    gone = await service.ask("DELETE", "deployment/token")
    assert gone.data == made.data
    token = made.data["token"]
    assert (await service.ask("POST", f"deployment?token={token}", headers={})).status == 401


@pytest.mark.parametrize(("age", "status"), [(364, 200), (365, 401)])
async def test_a_token_expires(service: Service, age: int, status: int) -> None:
    await service.ask("POST", "config", CONFIG)
    token = (await service.ask("POST", "deployment/token")).data["token"]
    service.clock.forward(timedelta(days=age))
    assert (await service.ask("POST", f"deployment?token={token}", headers={})).status == status


async def test_a_token_lives_as_long_as_the_operator_says(
    control_plane: controlplane.Access,
) -> None:
    short = timedelta(minutes=5)
    async with serving(control_plane, lambda parts: replace(parts, token_lifetime=short)) as it:
        await it.ask("POST", "config", CONFIG)
        token = (await it.ask("POST", "deployment/token")).data["token"]
        it.clock.forward(short)
        answer = await it.ask("POST", f"deployment?token={token}", headers={})
    assert answer.errors == ["The token passed has expired, please create a new one"]


async def test_a_secret_that_is_no_token_opens_nothing_and_can_be_refreshed(
    service: Service,
) -> None:
    await service.ask("POST", "deployment/token")
    secret = await service.secrets.get(service.tool, "deploy-token")
    await service.secrets.replace(service.tool, replace(secret, data={"token": b"\xff"}))
    assert (await service.ask("GET", "deployment/token")).status == 404
    assert (await service.ask("POST", "deployment?token=x", headers={})).status == 401
    assert (await service.ask("PUT", "deployment/token")).status == 200
    assert (await service.ask("GET", "deployment/token")).status == 200


async def test_w25_no_token_is_in_an_error_a_log_line_or_a_metric(service: Service) -> None:
    stream = io.StringIO()
    logs.configure(level="debug", stream=stream)
    await service.ask("POST", "config", CONFIG)
    token = (await service.ask("POST", "deployment/token")).data["token"]
    wrong = "3fae991e-193c-4b86-9f6a-000000000000"
    answers = [
        await service.ask("POST", f"deployment?token={token}", headers={}),
        await service.ask("POST", f"deployment?token={wrong}", headers={}),
        await service.ask("POST", f"deployment/?token={token}", headers={}),
        await service.ask("GET", f"config?token={token}"),
        await service.ask("POST", "deployment", headers={"Authorization": f"Bearer {wrong}"}),
    ]
    told = json.dumps([[each.body, dict(each.headers)] for each in answers])
    seen = told + stream.getvalue() + generate_latest(service.registry).decode()
    assert [each.status for each in answers] == [200, 401, 307, 422, 401]
    assert '"event": "request"' in stream.getvalue()
    assert [secret for secret in (token, wrong) if secret in seen] == []
