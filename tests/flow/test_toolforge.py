"""Whole deployments on Toolforge's services, with a crash at every change of every scenario."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from controller.models.toolconfig import ToolConfigSpec
from controller.models.tooldeployment import State, Trigger
from controller.reconcile.observed import Policy
from tests import builders
from tests.flow.toolforge_world import ToolforgeFlow, flow

Scenario = Callable[[ToolforgeFlow], Awaitable[None]]
POINTS = 12
FIRST, SECOND, THIRD = (f"20261121-12{minute}00-aaaaaaaaaa" for minute in ("00", "05", "10"))

RIGHT_BEHIND = "20261121-120000-bbbbbbbbbb"


def config(**web: object) -> ToolConfigSpec:
    return builders.config(
        web=builders.component(**({"port": 8000} | web)),  # type: ignore[arg-type]
        report=builders.scheduled("web"),
        pair=builders.component(ref="pair", replicas=2),
    )


def fields(crash_at: int = 0) -> dict[str, object]:
    refs = {"main": builders.COMMIT, "pair": "c" * 40, "fail": "f" * 40, "hang": "e" * 40}
    policy = Policy(settle_time=timedelta(seconds=2), start_timeout=timedelta(seconds=40))
    return {"crash_at": crash_at, "config": config(), "refs": refs, "policy": policy}


async def deploy(world: ToolforgeFlow, name: str, **spec: bool) -> None:
    """At the time in its name, or later."""
    world.now = max(world.now, builders.NOW + timedelta(minutes=int(name[11:13])))
    world.deploy(name, Trigger.MANUAL, **spec)
    await world.run(600)


async def first(world: ToolforgeFlow) -> None:
    await deploy(world, FIRST)


async def unchanged(world: ToolforgeFlow) -> None:
    await first(world)
    await deploy(world, SECOND)


async def forced(world: ToolforgeFlow) -> None:
    await first(world)
    await deploy(world, SECOND, force_run=True, force_build=True)


async def forced_right_behind(world: ToolforgeFlow) -> None:
    """Asked for in the same second as the one before it."""
    for name, force in ((FIRST, False), (RIGHT_BEHIND, True)):
        world.deploy(name, Trigger.MANUAL, force_build=force)
    await world.run(600)


async def forced_run(world: ToolforgeFlow) -> None:
    await first(world)
    await deploy(world, SECOND, force_run=True)


async def forced_run_right_behind(world: ToolforgeFlow) -> None:
    """What the one before it starts is younger than the wish to restart it."""
    for name, force in ((FIRST, False), (RIGHT_BEHIND, True)):
        world.deploy(name, Trigger.MANUAL, force_run=force)
    await world.run(600)


async def new_commits(world: ToolforgeFlow) -> None:
    await first(world)
    world.refs |= {"main": builders.NEWER, "pair": "d" * 40}
    await deploy(world, SECOND)


async def failing_build(world: ToolforgeFlow) -> None:
    await first(world)
    world.config = config(ref="fail")
    await deploy(world, SECOND)


async def crash_and_repair(world: ToolforgeFlow) -> None:
    await first(world)
    world.config = config(command="crash")
    await deploy(world, SECOND)
    world.config = config()
    await deploy(world, THIRD)


async def hidden_crash_and_repair(world: ToolforgeFlow) -> None:
    """Two old pods hide the crash; what is put back has never gone away."""
    await first(world)
    good = world.config
    world.config = builders.config(pair=builders.component(ref="pair", replicas=2, command="crash"))
    await deploy(world, SECOND)
    world.config = good
    await deploy(world, THIRD)


async def cancelled(world: ToolforgeFlow) -> None:
    world.config = builders.config(
        web=builders.component(ref="hang"), worker=builders.component(ref="hang")
    )
    world.deploy(FIRST)
    await world.run(30)
    world.cancel(FIRST)
    await world.run()


SCENARIOS: dict[Scenario, list[State]] = {
    first: [State.SUCCESSFUL],
    unchanged: [State.SUCCESSFUL, State.SUCCESSFUL],
    forced: [State.SUCCESSFUL, State.SUCCESSFUL],
    forced_right_behind: [State.SUCCESSFUL, State.SUCCESSFUL],
    forced_run: [State.SUCCESSFUL, State.SUCCESSFUL],
    forced_run_right_behind: [State.SUCCESSFUL, State.SUCCESSFUL],
    new_commits: [State.SUCCESSFUL, State.SUCCESSFUL],
    failing_build: [State.SUCCESSFUL, State.FAILED],
    crash_and_repair: [State.SUCCESSFUL, State.FAILED, State.SUCCESSFUL],
    hidden_crash_and_repair: [State.SUCCESSFUL, State.FAILED, State.SUCCESSFUL],
    cancelled: [State.CANCELLED],
}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_a_crash_at_any_change_ends_in_the_same_world(scenario: Scenario) -> None:
    async with flow(**fields()) as reference:
        await scenario(reference)
        expected = reference.outcome()
    assert [d.status.status for d in reference.deployments.values()] == SCENARIOS[scenario]
    stride = max(1, len(reference.effects) // POINTS)
    for point in range(1, len(reference.effects) + 1, stride):
        async with flow(**fields(point)) as world:
            await scenario(world)
            where = f"crash at effect {point} ({world.effects[point - 1]})"
            assert world.outcome() == expected, where


async def test_force_build_builds_however_close_behind_another_it_was_asked_for() -> None:
    async with flow(**fields()) as world:
        await forced_right_behind(world)
    assert world.builds.started == 2 * len(("web", "pair"))
    assert {run.parameters["envvars"]["PTD_DEPLOYMENT"] for run in world.builds.runs["demo"]} == {
        FIRST,
        RIGHT_BEHIND,
    }
