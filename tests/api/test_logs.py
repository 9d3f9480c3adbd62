"""Logs over HTTP."""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from controller.api.logs import LogRoutes
from controller.errors import Terminal
from controller.models.reasons import Reason

Client = TestClient[web.Request, web.Application]


class Jobs:
    """A job `web` that printed three lines."""

    async def list(self, tool: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(name="web")]

    async def log(
        self, tool: str, name: str, *, follow: bool = False, lines: int = 500
    ) -> AsyncIterator[str]:
        if lines == 13:
            raise Terminal(Reason.JOB_REFUSED, "the log is gone")
        for line in ("one", "two", "three")[-lines:]:
            yield line


class Builds:
    """Two builds of `web`, newest first."""

    async def list(self, tool: str) -> list[SimpleNamespace]:
        numbers = () if tool == "new" else (2, 1)
        return [SimpleNamespace(id=f"web-{n}", component="web") for n in numbers]

    async def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        yield f"building {build_id}"


def authorise(request: web.Request, tool: str) -> None:
    if tool != "demo":
        raise web.HTTPForbidden


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    app = web.Application()
    LogRoutes(Jobs(), Builds(), authorise).mount(app)
    async with TestClient(TestServer(app)) as ready:
        yield ready


ROWS = {
    "the output of a job": ("demo/logs/web", 200, "one\ntwo\nthree\n"),
    "its last lines": ("demo/logs/web?lines=1", 200, "three\n"),
    "the newest build's log": ("demo/logs/web?build=latest", 200, "building web-2\n"),
    "the log of a build by its id": ("demo/logs/web?build=web-1", 200, "building web-1\n"),
    "another's build is not shown": ("demo/logs/web?build=x-1", 404, None),
    "an unknown component": ("demo/logs/nope", 404, None),
    "a log that cannot be read": ("demo/logs/web?lines=13", 404, None),
    "a component that was never built": ("demo/logs/nope?build=latest", 404, None),
    "somebody else's tool": ("other/logs/web", 403, None),
    "no number of lines": ("demo/logs/web?lines=many", 400, None),
    "too many lines": ("demo/logs/web?lines=10001", 400, None),
}


NONE = {
    "a tool that has built others": ("demo", "demo has no build of nope: there are builds of web"),
    "a tool that has built nothing": ("new", "new has no build of nope: none has begun yet"),
}


@pytest.mark.parametrize(("tool", "said"), NONE.values(), ids=NONE.keys())
async def test_where_there_is_no_build_it_is_said_what_was_built(tool: str, said: str) -> None:
    app = web.Application()
    LogRoutes(Jobs(), Builds(), lambda *_: None).mount(app)
    async with TestClient(TestServer(app)) as client:
        answer = await client.get(f"/ptd/v1/tool/{tool}/logs/nope?build=latest")
        errors = (await answer.json())["messages"]["error"]
    assert errors == [f"{said} (with `reuse_from` there is none)"]


class NoJobs:
    """Of a tool that has deployed nothing."""

    async def list(self, tool: str) -> list[SimpleNamespace]:
        return []

    def log(self, *_: object, **__: object) -> AsyncIterator[str]:
        raise AssertionError


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        (Jobs(), "demo has no job nope; its jobs: web"),
        (
            NoJobs(),
            "demo has no job nope: none was deployed yet (`ptd deploy --wait` does it)",
        ),
    ],
)
async def test_where_there_is_no_job_it_is_said_which_there_are(
    jobs: Jobs | NoJobs, said: str
) -> None:
    app = web.Application()
    LogRoutes(jobs, Builds(), lambda *_: None).mount(app)
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/ptd/v1/tool/demo/logs/nope")
        assert (await answer.json())["messages"]["error"] == [said]


@pytest.mark.parametrize(("path", "status", "text"), ROWS.values(), ids=ROWS.keys())
async def test_logs(client: Client, path: str, status: int, text: str | None) -> None:
    answer = await client.get(f"/ptd/v1/tool/{path}")
    body = await answer.text()
    assert answer.status == status
    if text is not None:
        assert body == text
    elif status == 404:
        assert (await answer.json())["messages"]["error"][0]
