"""The page at /docs in a real browser: on a phone and on a desk, by day and by night, by keyboard.

The application is served as it is, but for the control plane behind it, which no page needs.
"""

import asyncio
import html
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiohttp.test_utils import TestServer
from prometheus_client import CollectorRegistry

from controller.api import app, openapi, page
from controller.api.auth import Trust
from controller.api.examples import EXAMPLES
from controller.api.problems import Refused
from controller.metrics import HttpMetrics
from controller.models.tooldeployment import State
from controller.store.secrets import Secret
from tests.api.service import Service, serving
from tests.support import controlplane
from tests.support.browser import Browser, Page, browser
from tests.support.ptdlocal import environment

pytestmark = pytest.mark.timeout(60)

VIEWS = {
    "a phone by day": (390, 844, "light"),
    "a phone by night": (390, 844, "dark"),
    "a desk by day": (1280, 900, "light"),
    "a desk by night": (1280, 900, "dark"),
}
ANSWERED = {
    operation["operationId"]: int(next(iter(operation["responses"])))
    for methods in openapi.document()["paths"].values()
    for operation in methods.values()
}


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """Where the API is served, below a prefix as in `ptd local`."""

    def not_yet() -> app.Parts:
        raise Refused(503, "Nothing is behind it")

    made = app.application(not_yet, HttpMetrics(CollectorRegistry()), ("/components",))
    async with TestServer(made) as server:
        yield str(server.make_url("/components"))


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Browser]:
    """A browser."""
    async with browser(tmp_path / "browser") as opened:
        yield opened


async def test_whoever_opens_the_page_sees_all_of_it_and_nothing_else_is_loaded(
    reader: Browser, address: str
) -> None:
    pictures, backgrounds = {}, {}
    for name, (width, height, scheme) in VIEWS.items():
        shown = await reader.page(width, height, scheme)
        await shown.go(f"{address}/docs")
        pictures[name] = await shown.photograph()
        backgrounds[name] = sum(await shown.colour(2, 2)) / 3
        await _fits(shown, width)
        await shown.see("document.querySelectorAll('details').forEach(each => each.open = true)")
        await _fits(shown, width)
        ids = await shown.see("[...document.querySelectorAll('[id]')].map(each => each.id)")
        assert set(ids) >= set(ANSWERED)
        assert await shown.see("document.title") == openapi.document()["info"]["title"]
        assert (shown.requests, shown.complaints) == ([f"{address}/docs"], [])
        blank = await reader.page(width, height, scheme)
        assert len(pictures[name]) > 3 * len(await blank.photograph()), name
    assert len(set(pictures.values())) == len(VIEWS)
    assert all((light > 128) == name.endswith("day") for name, light in backgrounds.items())


async def _fits(page: Page, width: int) -> None:
    """Nothing is wider than the screen, so nobody scrolls sideways or sees it all shrunk."""
    assert await page.see("document.documentElement.scrollWidth") == width
    assert await page.see("innerWidth") == width


async def test_whoever_has_a_keyboard_only_gets_everywhere(reader: Browser, address: str) -> None:
    shown = await reader.page(1280, 900, "light")
    await shown.go(f"{address}/docs")
    focused = "document.activeElement"
    await shown.press("Tab")
    assert await shown.see(f"{focused}.getAttribute('href')") == "#start"
    assert await shown.see(f"getComputedStyle({focused}).outlineStyle") == "solid"

    inside = "#cancel_tool_deployment "
    for place, link in (("nav ", "#cancel_tool_deployment"), (inside, "#Deployment")):
        target = f"document.querySelector('{link}')"
        assert not await shown.see(f"{target}.checkVisibility()")
        await shown.see(f"document.querySelector('{place}[href=\"{link}\"]').focus()")
        await shown.press("Enter")
        assert await shown.see("location.hash") == link
        assert await shown.see(f"{target}.closest('details').open")
        assert 0 <= await shown.see(f"{target}.getBoundingClientRect().top") < 900

    await shown.see("document.querySelector('main summary').focus()")
    for opened in (True, False):
        await shown.press("Space")
        assert await shown.see(f"{focused}.parentElement.open") is opened

    assert shown.complaints == []
    shown = await reader.page(1280, 900, "light")
    await shown.go(f"{address}/docs#Problem")  # as from somebody else's page
    assert await shown.see("document.querySelector('#Problem').checkVisibility()")
    await shown.see("document.querySelector('[href=\"openapi.json\"]').focus()")
    await shown.follow()
    assert json.loads(await shown.see("document.body.innerText")) == openapi.document()
    assert shown.complaints == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_fits_its_schema(name: str) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", **openapi.document()}
    jsonschema.Draft202012Validator(schema).validate(EXAMPLES[name])


async def test_every_request_on_the_page_is_answered_as_it_says(
    control_plane: controlplane.Access,
) -> None:
    trust = Trust(owner=lambda: "the owner's")
    async with serving(control_plane, lambda parts: replace(parts, trust=trust)) as service:
        await service.secrets.create(service.tool, Secret("webhook", {"secret": b"the hook's"}))
        reader = Caller(service)
        assert (await reader.sends("update_tool_config"))["data"] == EXAMPLES["ToolConfig"]
        for name in ("get_tool_config", "generate_tool_config", "get_tool_polling", "healthz"):
            await reader.sends(name)
        for name in ("create", "get", "update"):
            answer = await reader.sends(f"{name}_tool_deploy_token")
            assert set(answer["data"]) == set(EXAMPLES["DeployToken"])
        reader.id = (await reader.sends("create_tool_deployment"))["data"]["deploy_id"]
        for name in ("list_tool_deployments", "get_latest_deployment", "get_tool_deployment"):
            await reader.sends(name)
        await service.set_status(reader.id, status=State.FAILED)
        reader.id = (await reader.sends("retry_tool_deployment"))["data"]["deploy_id"]
        await reader.sends("cancel_tool_deployment")
        await service.set_status(reader.id, status=State.SUCCESSFUL)
        for name in ("wait_for", "stream", "delete"):
            await reader.sends(f"{name}_tool_deployment")
        for name in ("receive_webhook", "delete_tool_deploy_token", "delete_tool_config"):
            await reader.sends(name)
        assert reader.answered == ANSWERED
        reader.id = EXAMPLES["Deployment"]["deploy_id"]
        shown = json.dumps(await reader.sends("get_tool_deployment")).replace(
            service.tool, "mytool"
        )
        assert json.loads(shown) == EXAMPLES["Failed"]


class Caller:
    """Somebody who copies the requests from the page into a shell."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._requests = _requests()
        self.id = ""
        self.answered: dict[str, int] = {}

    async def sends(self, operation: str) -> Mapping[str, Any]:
        """The JSON of the answer, or nothing."""
        known = {
            "API": str(self._service.client.make_url("")).rstrip("/"),
            "TOOL": self._service.tool,
            "TOKEN": "the owner's",
            "SECRET": "the hook's",
            "ID": self.id,
        }
        process = await asyncio.create_subprocess_exec(
            *("sh", "-euc", f"{self._requests[operation]} -s -m 10 -w '\\n%{{http_code}}'"),
            env=environment() | known,
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        body, _, code = out.decode().rpartition("\n")
        self.answered[operation] = int(code)
        found: Mapping[str, Any] = json.loads(body) if body.startswith("{") else {}
        return found


def _requests() -> dict[str, str]:
    """The example of every operation, as the page shows it."""
    shown = re.compile(r'(?s)<div class="body" id="(\w+)">.*?<pre[^>]*><code>(.*?)</code></pre>')
    found = shown.findall(page.render(openapi.document()))
    return {name: html.unescape(text) for name, text in found if name in ANSWERED}
