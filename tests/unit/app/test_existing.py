"""What a tool has already, as the backends tell it and as `config generate` wants it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.api.generate import ExistingBuild, ExistingJob
from controller.app.existing import LocalExisting, ToolforgeExisting
from controller.backends.base import Backend, JobKind
from controller.backends.toolforge import Gateway
from controller.backends.toolforge.client import opened
from controller.errors import EdgeError
from controller.models.tooldeployment import ToolDeployment
from tests import builders

JOBS = [
    {
        "name": "web",
        "job_type": "continuous",
        "cmd": "launcher web",
        "port": 8000,
        "health_check": {"type": "http", "path": "/healthz"},
    },
    {
        "name": "pair",
        "job_type": "continuous",
        "cmd": "pair",
        "health_check": {"type": "script", "script": "true"},
    },
]
BUILDS = [
    {
        "build_id": "old",
        "destination_image": "x",
        "start_time": "2026-01-01T00:00:00Z",
        "parameters": {"image_name": "web", "source_url": "https://old", "ref": "refs/tags/v1"},
    },
    {
        "build_id": "new",
        "destination_image": "x",
        "start_time": "2026-01-02T00:00:00Z",
        "parameters": {"image_name": "web", "source_url": "https://new", "ref": "refs/heads/main"},
    },
    {"build_id": "without image", "parameters": {"image_name": "web", "source_url": "https://x"}},
    {"build_id": "without source", "destination_image": "x", "parameters": {"image_name": "web"}},
]


@asynccontextmanager
async def services(status: int = 200) -> AsyncIterator[ToolforgeExisting]:
    async def jobs(request: web.Request) -> web.Response:
        assert request.query == {"include_unset": "false"}
        return web.json_response({"jobs": JOBS, "error": ["broken"]}, status=status)

    async def builds(request: web.Request) -> web.Response:
        return web.json_response({"builds": BUILDS, "error": ["broken"]}, status=status)

    app = web.Application()
    app.router.add_get("/v1/tool/web/jobs/", jobs)
    app.router.add_get("/v1/tool/web/builds", builds)
    async with TestServer(app) as server:
        url = str(server.make_url(""))
        async with opened(Gateway(builds_url=url, jobs_url=url)) as client:
            yield ToolforgeExisting(client)


async def test_jobs_of_jobs_api_are_told_in_the_config_s_names() -> None:
    async with services() as existing:
        found = [
            (job.name, job.kind, {k: job.run[k] for k in job.run if k.startswith("health_check_")})
            for job in await existing.jobs("web")
        ]
        commands = [job.run["command"] for job in await existing.jobs("web")]
    assert found == [
        ("web", "continuous", {"health_check_http": "/healthz"}),
        ("pair", "continuous", {"health_check_script": "true"}),
    ]
    assert commands == ["launcher web", "pair"]


async def test_builds_of_builds_api_are_complete_ones_newest_first_with_short_refs() -> None:
    async with services() as existing:
        assert await existing.builds("web") == [
            ExistingBuild("web", "https://new", "main"),
            ExistingBuild("web", "https://old", "v1"),
        ]


async def test_services_that_fail_say_so() -> None:
    async with services(status=500) as existing:
        with pytest.raises(EdgeError):
            await existing.jobs("web")
        with pytest.raises(EdgeError):
            await existing.builds("web")


class Here:
    """The builds and jobs of a machine, and the store's deployments."""

    def __init__(self, items: Sequence[object]) -> None:
        self._items = items

    async def list(self, *_: object) -> Sequence[object]:
        return self._items


async def test_what_this_machine_runs_has_the_ref_of_its_last_deployment() -> None:
    web = builders.component(ref="stable", port=8000, emails="none")
    deployed: ToolDeployment = builders.deployment(
        "d1", status={"tool_config": builders.config(web=web)}
    )
    jobs = Here([builders.job("web", spec=builders.job_spec("web", port=8000, emails="none"))])
    existing = LocalExisting(
        Backend(Here([builders.build("web")]), jobs),  # type: ignore[arg-type]
        Here([deployed]),  # type: ignore[arg-type]
    )
    assert await existing.jobs("demo") == [
        ExistingJob("web", JobKind.CONTINUOUS.value, {"command": "serve", "port": 8000})
    ]
    assert await existing.builds("demo") == [ExistingBuild("web", builders.REPOSITORY, "stable")]
