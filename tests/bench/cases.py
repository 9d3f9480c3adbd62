"""The measurements: each answers how often it did its work, and how long every time took.

The budgets are wide: they are to catch a change of order, not of a tenth. Sizes are those of a big
tool (20 components) and of a platform with 1,000 deployments at once.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from controller import config
from controller.models import crds
from controller.models.meta import API_VERSION
from controller.models.toolconfig import ToolConfigSpec
from controller.reconcile.plan import make_plan
from controller.runtime.workqueue import WorkQueue
from tests import builders
from tests.support import controlplane

_COMPONENTS = 20
_AT_ONCE = 16
_OBJECTS = 1_000


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured, and the longest time that the slowest of 99 of 100 may take."""

    title: str
    measure: Callable[[], Coroutine[None, None, list[float]]]
    budget: timedelta


async def plans() -> list[float]:
    """Plan the next step of a tool whose builds and jobs are all there."""
    names = [f"c{number}" for number in range(_COMPONENTS)]
    wanted = ToolConfigSpec(components={name: builders.component() for name in names})
    deployment = builders.deployment(status=builders.started(tool_config=wanted))
    world = builders.observed(
        deployment,
        config=wanted,
        builds=tuple(builders.build(name) for name in names),
        jobs=tuple(builders.job(name) for name in names),
    )
    return _times(lambda: make_plan(world, builders.NOW), 500)


async def configs() -> list[float]:
    """Read and check a config file of 20 components, as every apply and every poll does."""
    lines = ["components:"]
    for number in range(_COMPONENTS):
        lines += [f"  c{number}:", "    build:", "      repository: https://git.example.org/a.git"]
        lines += [
            "      ref: main",
            "    run:",
            "      command: web",
            f"      port: {8000 + number}",
        ]
    text = "\n".join(lines) + "\n"
    assert not config.load(text).errors
    return _times(lambda: config.load(text), 20)


async def keys() -> list[float]:
    """Put a tool into the work queue, take it and finish it, with 10,000 others in it."""
    queue = WorkQueue(time.monotonic, lambda: 0.5)
    for number in range(10_000):
        queue.add(f"tool-{number}")
    times = []
    for _ in range(10_000):
        began = time.perf_counter()
        key = await queue.take()
        queue.done(key)
        queue.add(key)
        times.append(time.perf_counter() - began)
    return times


async def creates() -> list[float]:
    """Create deployments on the embedded control plane over HTTP, 16 clients at once."""
    with TemporaryDirectory() as folder:
        async with controlplane.embedded(Path(folder)) as plane:
            return await _create_deployments(plane)


async def lists() -> list[float]:
    """List 1,000 deployments of a tool."""
    with TemporaryDirectory() as folder:
        async with controlplane.embedded(Path(folder)) as plane:
            await _create_deployments(plane)
            times = []
            for _ in range(10):
                began = time.perf_counter()
                answer = await plane.ask("GET", _PLACE)
                times.append(time.perf_counter() - began)
                assert len(answer.body["items"]) == _OBJECTS
            return times


_PLACE = f"/apis/{API_VERSION}/namespaces/tool-demo/tooldeployments"


async def _create_deployments(plane: controlplane.Access) -> list[float]:
    await _prepare(plane)
    turns = iter(range(_OBJECTS))
    times: list[float] = []

    async def client() -> None:
        for number in turns:
            name = f"20261121-120000-{number:010d}"
            body = {"apiVersion": API_VERSION, "kind": "ToolDeployment", "metadata": {"name": name}}
            began = time.perf_counter()
            answer = await plane.ask("POST", _PLACE, body | {"spec": {}})
            times.append(time.perf_counter() - began)
            assert answer.status == 201, answer.raw

    await asyncio.gather(*(client() for _ in range(_AT_ONCE)))
    return times


async def _prepare(plane: controlplane.Access) -> None:
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for definition in crds.definitions():
        await plane.ask("POST", definitions, definition)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tool-demo"}}
    await plane.ask("POST", "/api/v1/namespaces", namespace)
    while (await plane.ask("GET", _PLACE)).status != 200:  # noqa: ASYNC110 - no event to wait for
        await asyncio.sleep(0.05)


def _times(work: Callable[[], object], count: int) -> list[float]:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return times


def _ms(count: float) -> timedelta:
    return timedelta(milliseconds=count)


CASES = (
    Case("plan a tool of 20 components", plans, _ms(20)),
    Case("read a config of 20 components", configs, _ms(500)),
    Case("pass the work queue, 10,000 tools in it", keys, _ms(1)),
    Case("create a deployment, 16 clients at once", creates, _ms(500)),
    Case("list 1,000 deployments", lists, _ms(2000)),
)
