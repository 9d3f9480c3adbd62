"""`…/events`: progress as server-sent events; and that one watch tells everybody who waits."""

import asyncio
import json
import time
from typing import Any

from prometheus_client import CollectorRegistry

from controller.api.changes import Changes
from controller.api.sight import Sight
from controller.app.clocks import Clocks
from controller.app.watching import DeploymentWatch
from controller.metrics import RequestMetrics, WatchMetrics
from controller.models.tooldeployment import State
from controller.store import kinds
from controller.store.calls import Calls
from controller.store.client import open_kubeconfig
from controller.store.objects import Store
from tests.api.service import Clock, Service
from tests.support import controlplane

ID = "20261121-120000-abcdefghij"
CLOCKS = Clocks(Clock(), time.monotonic)


def events(text: str) -> list[tuple[str, dict[str, Any]]]:
    """The events of a stream: their kind and their data."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


async def test_a_stream_tells_each_state_and_the_end(service: Service) -> None:
    await service.store.create(kinds.DEPLOYMENTS, service.tool, ID, {})
    headers = {"x-toolforge-tool": service.tool}
    path = f"/v1/tool/{service.tool}/deployment/{ID}/events"
    async with service.client.get(path, headers=headers) as response:
        assert response.content_type == "text/event-stream"
        first = await response.content.readuntil(b"}\n\n")
        await service.set_status(ID, status=State.RUNNING)
        second = await response.content.readuntil(b"}\n\n")
        await service.set_status(ID, status=State.SUCCESSFUL)
        rest = await response.content.read()
    told = events((first + second + rest).decode())
    assert [(kind, data["state"]) for kind, data in told] == [
        ("state", "pending"),
        ("state", "running"),
        ("end", "successful"),
    ]
    last = (await service.deployment(ID)).metadata.resource_version
    again = {**headers, "Last-Event-ID": last}
    assert (await service.ask("GET", path, headers=again)).status == 204
    resumed = await service.ask("GET", path, headers={**headers, "Last-Event-ID": "1"})
    assert [kind for kind, _ in events(resumed.body)] == ["end"]


async def test_an_unknown_deployment_has_no_stream(service: Service) -> None:
    assert (await service.ask("GET", f"deployment/{ID}/events")).status == 404


async def test_one_watch_tells_all_of_what_others_write(
    service: Service, control_plane: controlplane.Access
) -> None:
    await service.store.create(kinds.DEPLOYMENTS, service.tool, ID, {})
    connection = await open_kubeconfig(control_plane.kubeconfig, time.monotonic)
    registry = CollectorRegistry()
    requests = RequestMetrics(registry)
    calls = Calls(connection, requests, time.monotonic)
    changes = Changes()
    watch = DeploymentWatch(calls, CLOCKS, WatchMetrics(registry), changes)
    sight = Sight(Store(calls, CLOCKS.utc, "watcher"), changes)
    watching = asyncio.create_task(watch.run())
    try:
        async with asyncio.timeout(10):
            while not watch.fresh():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        before = _gets(registry)
        ended = asyncio.gather(*(_ended(sight, changes, service.tool) for _ in range(50)))
        await asyncio.sleep(0)
        assert changes.waiting == 50
        await service.set_status(ID, status=State.RUNNING)
        await service.set_status(ID, status=State.FAILED)
        assert await ended == ["failed"] * 50
        assert _gets(registry) - before == 1
    finally:
        watching.cancel()
        await asyncio.wait({watching})
        await connection.close()


async def _ended(sight: Sight, changes: Changes, tool: str) -> str:
    until = asyncio.get_running_loop().time() + 20
    with changes.listening(tool) as bell:
        while True:
            bell.hush()
            found = await sight.look(tool, ID)
            if found.final or not await bell.rings(until):
                return found.status.status.value


def _gets(registry: CollectorRegistry) -> float:
    return sum(
        sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name.endswith("_seconds_count") and sample.labels.get("verb") == "GET"
    )
