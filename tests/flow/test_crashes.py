"""A crash after every single effect, in every scenario, ends in the same world.

The oracle compares with a run without a crash: final states, jobs, what was built, what was
restarted. Effects are counted on both sides of each change, so that "died before" and "died after,
before it was recorded" are both met.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from controller.models.tooldeployment import Trigger
from tests import builders
from tests.support.world import World

Scenario = Callable[[World], Awaitable[None]]

CONFIG = builders.config(
    web=builders.component(),
    report=builders.scheduled("web"),
    worker=builders.component(repository="https://git.example.org/worker.git", ref="worker"),
)


async def first(world: World) -> None:
    world.deploy("d1")
    await world.run()


async def unchanged(world: World) -> None:
    await first(world)
    world.deploy("d2")
    await world.run()


async def forced(world: World) -> None:
    await first(world)
    world.deploy("d2", force_run=True, force_build=True)
    await world.run()


async def new_commit(world: World) -> None:
    await first(world)
    world.refs["main"] = builders.NEWER
    world.deploy("d2", Trigger.POLL)
    await world.run()


async def failing_build(world: World) -> None:
    await first(world)
    world.refs["main"] = builders.NEWER
    world.backend.broken_builds.add(builders.NEWER)
    world.deploy("d2")
    await world.run()


async def failing_health_check(world: World) -> None:
    await first(world)
    world.refs["main"] = builders.NEWER
    world.backend.unhealthy.add(builders.NEWER)
    world.deploy("d2")
    await world.run(seconds=600)


async def crash_loop(world: World) -> None:
    await first(world)
    world.refs["main"] = builders.NEWER
    world.backend.crashing.add(builders.NEWER)
    world.deploy("d2")
    await world.run()


async def cancel_while_waiting(world: World) -> None:
    world.deploy("d1")
    world.deploy("d2")
    await world.run(seconds=1)
    world.cancel("d2")
    await world.run()


async def cancel_while_building(world: World) -> None:
    world.deploy("d1")
    await world.run(seconds=2)
    world.cancel("d1")
    await world.run()


async def cancel_while_verifying(world: World) -> None:
    await first(world)
    world.refs["main"] = builders.NEWER
    world.backend.unhealthy.add(builders.NEWER)
    world.deploy("d2")
    await world.run(seconds=8)
    world.cancel("d2")
    await world.run()


async def three_waiting(world: World) -> None:
    for name in ("d1", "d2", "d3"):
        world.deploy(name, Trigger.POLL)
    await world.run()


async def removed_component(world: World) -> None:
    await first(world)
    world.config = builders.config(web=builders.component())
    world.deploy("d2")
    await world.run()


async def deadline(world: World) -> None:
    world.backend.build_time = timedelta(hours=2)
    world.policy = replace(
        world.policy, deployment_timeout=timedelta(seconds=20), build_timeout=timedelta(hours=9)
    )
    world.deploy("d1")
    await world.run()


async def more_than_are_kept(world: World) -> None:
    world.policy = replace(world.policy, retained=2)
    for number in range(4):
        world.deploy(f"d{number}")
    await world.run()


SCENARIOS: list[Scenario] = [
    first,
    unchanged,
    forced,
    new_commit,
    failing_build,
    failing_health_check,
    crash_loop,
    cancel_while_waiting,
    cancel_while_building,
    cancel_while_verifying,
    three_waiting,
    removed_component,
    deadline,
    more_than_are_kept,
]


def world_of(crash_at: int) -> World:
    return World(
        crash_at=crash_at,
        config=CONFIG,
        refs={"main": builders.COMMIT, "worker": "c" * 40},
    )


async def outcome(world: World) -> dict[str, object]:
    """What may not differ, whatever crashed in between."""
    jobs = await world.backend.jobs.list("demo")
    return {
        "deployments": {
            d.name: (d.status.status, d.status.reason, d.status.superseded_by)
            for d in world.deployments.values()
        },
        "jobs": {j.name: (j.spec, j.status.phase, j.serving) for j in jobs},
        "built": sorted((r.component, r.commit, r.deployment) for r in world.backend.started),
        "restarts": sorted(spec.name for spec in world.backend.restarts),
        "live builds": [b for b in await world.backend.builds.list("demo") if b.state.live],
    }


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
async def test_a_crash_at_any_effect_ends_in_the_same_world(scenario: Scenario) -> None:
    reference = world_of(0)
    await scenario(reference)
    expected = await outcome(reference)
    assert reference.effects, "the scenario must change something"
    stride = max(1, len(reference.effects) // 60)
    for point in range(1, len(reference.effects) + 1, stride):
        world = world_of(point)
        await scenario(world)
        assert await outcome(world) == expected, (
            f"crash at effect {point} ({world.effects[point - 1]}) of {scenario.__name__}"
        )
        assert len(world.effects) >= point


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.__name__)
async def test_when_all_is_done_the_controller_is_quiet(scenario: Scenario) -> None:
    world = world_of(0)
    await scenario(world)
    await world.run()
    before = len(world.effects)
    for _ in range(10):
        world.now += timedelta(minutes=6)
        await world.reconciler().reconcile(builders.TOOL)
    assert world.effects[before:] == []
