"""How requests are read, and what is around every route."""

import asyncio
import gzip
import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from controller.api import openapi, page
from controller.api.health import Health
from controller.api.routes import ROUTES
from controller.store.objects import Store
from tests.api.service import CONFIG, THEIRS, Clock, Service, serving
from tests.support import controlplane, kubeclient

JSON = "application/json"

UNREADABLE = {
    "half of a surrogate pair": (b'{"x": "\\ud800"}', "half of a surrogate pair"),
    "no UTF-8": (b'{"x": "\xff"}', "not UTF-8"),
    "no number": (b'{"x": NaN}', "NaN is no number of JSON"),
    "a number without end": (b'{"x": ' + b"9" * 5000 + b"}", "Exceeds the limit"),
    "nesting without end": (b"[" * 100_000, "nested too deeply"),
}


@pytest.mark.parametrize(("raw", "words"), UNREADABLE.values(), ids=UNREADABLE)
async def test_what_is_no_json_is_refused(service: Service, raw: bytes, words: str) -> None:
    headers = {"x-toolforge-tool": service.tool, "Content-Type": JSON}
    answer = await service.ask("POST", "config", raw=raw, headers=headers)
    assert answer.status == 422
    assert answer.errors[0].startswith("Invalid JSON at position ")
    assert words in answer.errors[0]


@pytest.mark.parametrize("raw", [b"{}", gzip.compress(b" " * 10**7)], ids=["none", "a bomb"])
async def test_a_compressed_body_is_refused_unread(
    service: Service, raw: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    headers = {"x-toolforge-tool": service.tool, "Content-Encoding": "gzip", "Content-Type": JSON}
    answer = await service.ask("POST", "config", raw=raw, headers=headers)
    assert (answer.status, answer.errors) == (422, ["The body must not be compressed"])
    assert [record for record in caplog.records if record.name == "aiohttp.server"] == []


@pytest.mark.parametrize("kind", [JSON, "application/json; charset=utf-8", "application/x+json"])
async def test_json_may_be_declared_in_several_ways(service: Service, kind: str) -> None:
    headers = {"x-toolforge-tool": service.tool, "Content-Type": kind}
    answer = await service.ask("POST", "config", raw=json.dumps(CONFIG).encode(), headers=headers)
    assert answer.status == 200


@pytest.mark.parametrize(
    "name", ["..", "Web", "a_b", "-a", "a" * 60, "%2e%2e", "a%2Fb", "a b", "default%00"]
)
async def test_a_name_that_no_tool_can_have_reaches_nothing(service: Service, name: str) -> None:
    answer = await service.ask(
        "GET", f"/v1/tool/{name}/config", headers={"x-toolforge-tool": name[:5]}
    )
    assert answer.status == 404


async def test_a_final_slash_leads_to_the_path_without_it(service: Service) -> None:
    answer = await service.ask("POST", "deployment/?force-run=true&token=x")
    assert (answer.status, answer.headers["Location"], answer.body) == (
        307,
        "../deployment?force-run=true",
        "",
    )


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PATCH"])
async def test_other_methods_are_refused_with_those_that_are_known(
    service: Service, method: str
) -> None:
    answer = await service.ask(method, "config")
    assert (answer.status, answer.headers["Allow"]) == (405, "DELETE,GET,POST")


async def test_w34_health_is_the_truth(control_plane: controlplane.Access) -> None:
    async with kubeclient.calls_to("http://127.0.0.1:9") as nowhere:
        silent = Health(Store(nowhere, Clock(), "api-tests"), lambda: 0.0)
        async with (
            serving(control_plane) as well,
            serving(control_plane, lambda parts: replace(parts, health=silent)) as ill,
        ):
            good = await well.ask("GET", "/v1/healthz", headers={})
            bad = await ill.ask("GET", "/v1/healthz", headers={})
    assert (good.status, good.data) == (200, {"status": "OK"})
    assert (bad.status, bad.data, bad.errors) == (
        503,
        {"status": "ERROR"},
        ["the control plane does not answer"],
    )
    assert silent.problem() == "the control plane does not answer"


class Slow:
    """A source that answers when it is told to."""

    def __init__(self) -> None:
        self.asked, self.go_on = asyncio.Event(), asyncio.Event()

    async def fetch(self, url: str) -> str:
        self.asked.set()
        await self.go_on.wait()
        return json.dumps(CONFIG)


async def test_w28_a_slow_source_url_holds_nobody_else_up(
    control_plane: controlplane.Access,
) -> None:
    slow = Slow()
    async with serving(control_plane, lambda parts: replace(parts, sources=slow)) as service:
        sent = {"source_url": "https://conf.example.org/c.yaml", **CONFIG}
        storing = asyncio.create_task(service.ask("POST", "config", sent))
        await slow.asked.wait()
        meanwhile = await service.ask("GET", "/v1/healthz", headers={})
        waits = not storing.done()
        slow.go_on.set()
        stored = await storing
    assert (meanwhile.status, waits, stored.status) == (200, True, 200)


async def test_w1_another_process_shows_and_cancels_what_one_has_made(
    control_plane: controlplane.Access,
) -> None:
    async with serving(control_plane) as one:
        await one.ask("POST", "config", CONFIG)
        made = await one.ask("POST", "deployment")
    async with serving(control_plane) as other:
        path = f"/v1/tool/{one.tool}/deployment/{made.data['deploy_id']}"
        headers = {"x-toolforge-tool": one.tool}
        shown = await other.ask("GET", path, headers=headers)
        cancelled = await other.ask("PUT", f"{path}/cancel", headers=headers)
    assert shown.data == made.data
    assert cancelled.data["status"] == "cancelling"


async def test_a_bug_is_an_answer_in_the_same_form(control_plane: controlplane.Access) -> None:
    async with serving(control_plane, lambda parts: replace(parts, draw=_fails)) as service:
        await service.ask("POST", "config", CONFIG)
        answer = await service.ask("POST", "deployment")
    assert (answer.status, answer.errors) == (500, ["Internal server error"])


def _fails(_below: int) -> int:
    raise LookupError("no randomness is left")


async def test_requests_are_counted_by_their_route_never_by_their_path(service: Service) -> None:
    await service.ask("GET", "config")
    await service.ask("GET", "/v1/tool/another/x/y/z")
    counted = {
        (sample.labels["route"], sample.labels["method"], sample.labels["code"]): sample.value
        for metric in service.registry.collect()
        for sample in metric.samples
        if sample.name == "ptd_http_requests_total"
    }
    assert counted == {
        ("/v1/tool/{toolname}/config", "GET", "404"): 1.0,
        ("none", "GET", "404"): 1.0,
    }


async def test_the_document_and_the_page_are_served(service: Service) -> None:
    document = await service.ask("GET", "/openapi.json", headers={})
    assert document.body == openapi.document()
    for path in ("/docs", "/redoc"):
        html = await service.ask("GET", path, headers={})
        assert html.headers["Content-Security-Policy"] == page.POLICY
        assert html.body == page.render(openapi.document())


class Links(HTMLParser):
    """What a page refers to, and what can be referred to in it."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")


def test_the_page_shows_every_route_and_loads_nothing() -> None:
    html = page.render(openapi.document())
    found = Links()
    found.feed(html)
    assert {route.operation for route in ROUTES} <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    assert {link for link in found.links if not link.startswith("#")} == {"openapi.json"}
    assert {link[1:] for link in found.links if link.startswith("#")} <= set(found.ids)
    assert "script" not in found.tags


def test_every_operation_of_the_existing_service_is_in_the_table() -> None:
    theirs = {
        (path, method)
        for path, item in THEIRS._paths.items()
        for method in item
        if path not in ("/metrics", "/v1/tool/{toolname}/deployment/latest/cancel")
    }
    assert theirs - {(route.path, route.method.lower()) for route in ROUTES} == set()
