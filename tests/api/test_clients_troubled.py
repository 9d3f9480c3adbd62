"""The two clients where the API is away, the config is wrong, or nobody named a deployment."""

import asyncio
import os
import time
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import unused_port

from controller.models.tooldeployment import State
from controller.store import kinds
from tests.api.service import CONFIG
from tests.api.test_clients import HEALTH, Client, asked, client, ended, waits  # noqa: F401

OLD = "20260101-000000-abcdefghij"
URL = "https://git.example.org/me/demo/-/raw/main/deploy/toolforge.yaml"


async def test_latest_is_what_was_the_newest_when_it_was_asked_for(client: Client) -> None:  # noqa: F811
    service = client.service
    await service.store.create(kinds.DEPLOYMENTS, service.tool, OLD, {})
    running = await client.start("wait")
    await waits(service)
    await service.store.create(kinds.DEPLOYMENTS, service.tool, "20991231-235959-abcdefghij", {})
    await service.set_status(OLD, status=State.FAILED, failure=HEALTH)
    ran = await ended(running)
    assert (ran.code, f"{OLD}: failed: {HEALTH.message}" in ran.err) == (1, True), ran


async def test_who_is_away_is_told_at_once_and_waited_for(client: Client) -> None:  # noqa: F811
    port = unused_port()
    began = time.monotonic()
    running = await client.start("deploy", DEPLOY_API=f"http://127.0.0.1:{port}")
    assert running.stderr is not None
    first = (await running.stderr.readline()).decode()
    assert "127.0.0.1" in first
    assert "asking again" in first
    assert time.monotonic() - began < 10
    made = {"data": {"deploy_id": OLD, "status": "successful"}, "messages": {}}
    lines = f"deploy_id={OLD}\nstatus=successful\nfinal=true\n"

    async def answer(request: web.Request) -> web.Response:
        if request.headers.get("Accept") == "text/plain":
            return web.Response(text=lines)
        return web.json_response(made)

    there = web.Application()
    there.router.add_route("*", "/{any:.*}", answer)
    runner = web.AppRunner(there)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    ran = await ended(running)
    await runner.cleanup()
    assert (ran.code, "it answers again" in ran.err) == (0, True), ran


async def test_a_mistake_in_the_config_is_shown_at_its_line(
    client: Client,  # noqa: F811
    tmp_path: Path,
) -> None:
    service = client.service
    service.pages.texts[URL] = "components:\n  web:\n    build: {repository: 'https://x', ref: a}\n"
    config = await service.store.get(kinds.CONFIGS, service.tool, f"{service.tool}-config")
    await service.store.put(
        kinds.CONFIGS,
        service.tool,
        config.metadata.name,
        {"source_url": URL, **CONFIG},
    )
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy/toolforge.yaml").touch()
    files = {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(tmp_path)}
    ran = await client.run("deploy", "--dotenv", str(tmp_path / "d.env"), **files)
    assert ran.code == 2, ran
    assert f"  {URL}:2:3: components.web.run: `run` is missing" in ran.err
    place = "::error file=deploy/toolforge.yaml,line=2,col=3,title=Deployment::components.web.run: "
    assert place in ran.err
    assert "DEPLOY_REASON=config-invalid" in (tmp_path / "d.env").read_text()
    files["GITHUB_WORKSPACE"] = os.devnull
    elsewhere = await client.run("deploy", **files)
    assert "::error title=Deployment::components.web.run: " in elsewhere.err


async def test_a_job_that_waits_in_the_queue_is_told_for_whom(client: Client) -> None:  # noqa: F811
    running = await client.start("deploy")
    name = await asked(client.service)
    await client.service.set_status(name, queue_position=1, message=f"waiting for {OLD}")
    await asyncio.sleep(0.3)
    await client.service.set_status(name, status=State.SUCCESSFUL)
    ran = await ended(running)
    assert (ran.code, f"waiting for {OLD}" in ran.err) == (0, True), ran
