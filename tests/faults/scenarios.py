"""What users do, from an empty tool to silence; each in a world of its own.

A scenario makes its fields (`FIELDS`), then acts, and returns when everything has ended.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from controller.models.toolconfig import ToolConfigSpec
from controller.models.tooldeployment import State
from tests import builders
from tests.faults.world import POLICY, World

Scenario = Callable[[World], Awaitable[None]]

WORKER, NEWER_WORKER = "c" * 40, "d" * 40


def config(ref: str = "main", command: str = "serve", worker: str = "worker") -> ToolConfigSpec:
    """Two components with builds of their own, and one that reuses a build."""
    return builders.config(
        web=builders.component(ref=ref, command=command, port=8000),
        report=builders.scheduled("web"),
        worker=builders.component(repository="https://git.example.org/worker.git", ref=worker),
    )


def heads() -> dict[str, str]:
    """What the branches hold at first."""
    return {
        "main": builders.COMMIT,
        "worker": WORKER,
        "fail": "f" * 40,
        "hang": "e" * 40,
    }


def fields(scenario: Scenario) -> dict[str, Any]:
    """The fields of the scenario's world."""
    return {"heads": heads()} | FIELDS.get(scenario, {})


async def deploy(world: World, name: str, **spec: Any) -> None:
    await world.deploy(name, **spec)
    await world.ended()


async def first(world: World) -> None:
    await world.configure(config())
    await deploy(world, "d1")


async def unchanged(world: World) -> None:
    await first(world)
    await deploy(world, "d2")


async def forced(world: World) -> None:
    await first(world)
    await deploy(world, "d2", force_run=True, force_build=True)


async def new_commit(world: World) -> None:
    await first(world)
    world.heads["main"] = builders.NEWER
    await deploy(world, "d2")


async def failing_build(world: World) -> None:
    await first(world)
    await world.configure(config(ref="fail"))
    await deploy(world, "d2")


async def failing_start(world: World) -> None:
    """It crashes as often as it is started; then it is mended."""
    await first(world)
    await world.configure(config(command="crash"))
    await deploy(world, "d2")
    await world.configure(config())
    await deploy(world, "d3")


async def failing_health_check(world: World) -> None:
    """It never gets ready."""
    await first(world)
    await world.configure(config(command="never"))
    await deploy(world, "d2")


async def cancel_while_waiting(world: World) -> None:
    await world.configure(config())
    await world.deploy("d1")
    await world.until(lambda found: any(d.status.started_at for d in found))
    await world.deploy("d2")
    await world.cancel("d2")
    await world.ended()


async def cancel_while_building(world: World) -> None:
    await world.configure(config(ref="hang", worker="hang"))
    await world.deploy("d1")
    await world.until(lambda found: any(len(d.status.builds) == 3 for d in found))
    await world.until(lambda _: len(world.builds.runs.get(builders.TOOL, [])) == 2)
    await world.cancel("d1")
    await world.ended()


async def cancel_while_running(world: World) -> None:
    await first(world)
    await world.configure(config(command="never"))
    await world.deploy("d2")
    await world.until(
        lambda found: any("web" in _applied(d) for d in found if d.name == world.names["d2"])
    )
    await world.cancel("d2")
    await world.ended()


async def three_waiting(world: World) -> None:
    await world.configure(config())
    for name in ("d1", "d2", "d3"):
        await world.deploy(name)
        await asyncio.sleep(1)
    await world.ended()


async def removed_component(world: World) -> None:
    await first(world)
    await world.configure(builders.config(web=builders.component(port=8000)))
    await deploy(world, "d2")


async def poll_trigger(world: World) -> None:
    """Two pushes, one after the other; nobody creates a deployment but the poller."""
    polled = config().model_copy(update={"auto_deploy": True})
    await world.configure(polled)
    await world.until(lambda found: len(found) == 1 and found[0].final)
    world.heads["main"] = builders.NEWER
    await world.until(lambda found: len(found) == 2 and found[1].final)


async def deadline(world: World) -> None:
    await world.configure(config(ref="hang"))
    await deploy(world, "d1")


async def more_than_are_kept(world: World) -> None:
    await world.configure(builders.config(web=builders.component(port=8000)))
    for name in ("d1", "d2", "d3", "d4"):
        await deploy(world, name)
        await asyncio.sleep(1)
    await world.until(lambda found: len(found) == 2)


def _applied(deployment: Any) -> set[str]:
    return {name for name, run in deployment.status.runs.items() if run.applied_at is not None}


FIELDS: dict[Scenario, dict[str, Any]] = {
    deadline: {"policy": replace(POLICY, deployment_timeout=timedelta(seconds=40))},
    more_than_are_kept: {"policy": replace(POLICY, retained=2)},
}

GOOD, FAILED, CANCELLED = State.SUCCESSFUL, State.FAILED, State.CANCELLED
SCENARIOS: dict[Scenario, list[State]] = {
    first: [GOOD],
    unchanged: [GOOD, GOOD],
    forced: [GOOD, GOOD],
    new_commit: [GOOD, GOOD],
    failing_build: [GOOD, FAILED],
    failing_start: [GOOD, FAILED, GOOD],
    failing_health_check: [GOOD, FAILED],
    cancel_while_waiting: [GOOD, CANCELLED],
    cancel_while_building: [CANCELLED],
    cancel_while_running: [GOOD, CANCELLED],
    three_waiting: [GOOD, GOOD, GOOD],
    removed_component: [GOOD, GOOD],
    poll_trigger: [GOOD, GOOD],
    deadline: [State.TIMED_OUT],
    more_than_are_kept: [GOOD, GOOD],
}

# jobs-api keeps no mark of a restart: a new life that comes while the old pod still ends (two
# seconds) cannot see that it has been asked for, and asks again (docs/toolforge-backend.md).
RESTARTS_TWICE = {forced, failing_start}
