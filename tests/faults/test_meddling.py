"""Others write at the same moment, watches lag, events change places: the world ends the same."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from controller.models.tooldeployment import State
from tests.faults import oracle, scenarios, timeline, trials
from tests.faults.candidates import candidate, leading
from tests.faults.conftest import Tried
from tests.faults.meddler import Meddler
from tests.faults.oracle import result_of
from tests.faults.scenarios import RESTARTS_TWICE, SCENARIOS, Scenario
from tests.faults.tape import Fault, Plan
from tests.faults.test_leaders import burst, once_each
from tests.faults.world import World, opened

FEW = [scenarios.new_commit, scenarios.poll_trigger]
each_scenario = pytest.mark.parametrize(
    "scenario", SCENARIOS if trials.WHOLE else FEW, ids=lambda s: s.__name__
)
MARK = "example.org/foreign"
ROWS = (1, 3, 10)


def play(
    scenario: Scenario,
    set_up: Callable[[World, Meddler], None],
    plan: Plan = (),
    faults: int = max(ROWS),
    patience: float = oracle.PATIENCE,
) -> tuple[list[str], int]:
    """What is wrong with a run of the scenario with a meddler in it, and how often it meddled."""
    expected = trials.reference(scenario).result
    wrong: list[str] = []
    meddlers: list[Meddler] = []

    async def prepare(world: World, stack: AsyncExitStack) -> None:
        meddler = await Meddler(world.plane.url, world.session).start()
        stack.push_async_callback(meddler.stop)
        world.upstreams["kube"] = meddler.url
        meddlers.append(meddler)
        set_up(world, meddler)

    async def main() -> None:
        async with opened(plan, **scenarios.fields(scenario), prepare=prepare) as world:
            await scenario(world)
            found = await result_of(world, trials.SILENCE)
            restarts = faults if scenario in RESTARTS_TWICE else 0
            wrong.extend(oracle.differences(expected, found, faults, restarts, patience))
            wrong.extend(found.differed)
            wrong.extend(await _lost(world, meddlers[0].wrote))

    timeline.run(main)
    return wrong, meddlers[0].meddled


async def _lost(world: World, wrote: Sequence[tuple[str, str]]) -> list[str]:
    """The annotations of somebody else's that are not there any more, of objects that are."""
    lost = []
    for place, mark in wrote:
        parent, _, name = place.rpartition("/")
        for item in (await world.ask("GET", parent))["items"]:
            if item["metadata"]["name"] == name and mark not in item["metadata"]["annotations"]:
                lost.append(f"{mark} of {place}")
    return lost


def foreign_change(at: int, times: int) -> Callable[[World, Meddler], None]:
    """An annotation of somebody else's, just before the at-th status write and those after it."""

    def set_up(world: World, meddler: Meddler) -> None:
        count = 0

        async def before(method: str, path: str, _body: Any) -> None:
            nonlocal count
            if method != "PATCH" or not path.endswith("/status"):
                return
            count += 1
            if at <= count < at + times:
                meddler.meddled += 1
                mark, place = f"{MARK}-{count}", path.removesuffix("/status")
                note = {"metadata": {"annotations": {mark: "kept"}}}
                await world.ask("PATCH", place, note, "merge")
                meddler.wrote.append((place, mark))

        meddler.before = before

    return set_up


@each_scenario
def test_who_writes_just_before_us_is_heard_and_kept(scenario: Scenario, tried: Tried) -> None:
    writes = [e for e in trials.reference(scenario).changes if e.path.endswith("/status")]
    everything = [(at, times) for at in range(1, len(writes) + 1) for times in ROWS]
    count = min(44, len(everything)) if trials.WHOLE else 1
    step = max(1, len(everything) // count)
    chosen = everything[::step][:count]
    for at, times in chosen:
        wrong, meddled = play(scenario, foreign_change(at, times))
        assert wrong == [], (at, times)
        # A race with a user's own write may save the last one.
        assert meddled > 0 or at > len(writes) - trials.RACES, (at, times)
    tried("foreign changes", len(chosen))


def swapped(_: World, meddler: Meddler) -> None:
    meddler.swaps = True


def repeated(_: World, meddler: Meddler) -> None:
    meddler.repeats = True


@pytest.mark.parametrize(
    "scenario",
    SCENARIOS if trials.WHOLE else [scenarios.three_waiting],
    ids=lambda scenario: scenario.__name__,
)
def test_events_may_change_places_and_come_again_at_each_other(
    scenario: Scenario, tried: Tried
) -> None:
    for set_up in (swapped, repeated):
        wrong, _ = play(scenario, set_up)
        assert wrong == [], set_up.__name__
    tried("reordered and repeated views", 2)


LAGS = (10.0, 120.0)  # seconds: less than a silent watch is believed, and more


def lag(seconds: float) -> Callable[[World, Meddler], None]:
    """The watches of the second life tell of nothing for so long; all else is answered."""

    def set_up(world: World, meddler: Meddler) -> None:
        async def hold() -> None:
            while len(world.lives) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            meddler.flows.clear()
            await asyncio.sleep(seconds)
            meddler.flows.set()
            meddler.meddled += 1

        meddler.task = asyncio.create_task(hold())

    return set_up


@pytest.mark.parametrize(
    "scenario",
    SCENARIOS if trials.WHOLE else [scenarios.new_commit],
    ids=lambda scenario: scenario.__name__,
)
def test_who_comes_back_to_watches_that_lag_ends_in_the_same_world(
    scenario: Scenario, tried: Tried
) -> None:
    """Killed at a write, and the control plane lags when the next controller comes."""
    points = range(1, len(trials.reference(scenario).changes) + 1)
    everything = [(at, seconds) for at in points for seconds in LAGS]
    chosen = everything[:: max(1, len(everything) // 8)] if trials.WHOLE else everything[7:24:16]
    for at, seconds in chosen:
        plan = (Fault("crash unanswered", at),)
        wrong, lagged = play(scenario, lag(seconds), plan, 1, oracle.PATIENCE + seconds)
        assert (wrong, lagged) == ([], 1), (at, seconds)
    tried("restarts to views that lag", len(chosen))


MOMENTS = [2.0 + step for step in range(0, 30, 1 if trials.WHOLE else 15)]


def test_a_new_leader_whose_view_is_old_does_not_undo_what_was_done(tried: Tried) -> None:
    """The standby's watches fell silent a while before it had to take over."""

    def from_moment(moment: float) -> None:
        async def main() -> None:
            async with opened((), lead=candidate, heads=scenarios.heads()) as world:
                meddler = await Meddler(world.plane.url, world.session).start()
                world.upstreams["kube"] = meddler.url
                old = await leading(world)
                await world.start()
                acting = asyncio.create_task(burst(world))
                await asyncio.sleep(moment)
                meddler.flows.clear()
                await acting
                await world.ended(900)
                before = len(world.tape.changes)
                world.kill(old)
                await asyncio.sleep(60)
                undone = [e for e in world.tape.changes[before:] if "/toolconfigs" not in e.path]
                assert undone == [], moment
                meddler.flows.set()
                assert await once_each(world) == []
                await meddler.stop()

        timeline.run(main)

    for moment in MOMENTS:
        from_moment(moment)
    tried("leaders with an old view", len(MOMENTS))


def test_a_deployment_begins_with_the_config_that_was_stored_before_it() -> None:
    """The watch of configs is silent: of the first config, and of the one that replaces it."""

    async def main() -> None:
        async with opened((), heads=scenarios.heads()) as world:
            world.kill(world.lives[0])
            meddler = await Meddler(world.plane.url, world.session).start()
            meddler.holds = "/toolconfigs"
            world.upstreams["kube"] = meddler.url
            await world.start()
            await asyncio.sleep(1)
            meddler.flows.clear()
            for name, command in (("d1", "serve"), ("d2", "slow")):
                await world.configure(scenarios.config(command=command))
                await scenarios.deploy(world, name)
                found = (await world.deployments())[-1]
                assert found.status.status == State.SUCCESSFUL
                assert found.status.tool_config == scenarios.config(command=command)
            await meddler.stop()

    timeline.run(main)


HELD = (1, 10, 120) if trials.WHOLE else (10,)


def test_who_comes_again_under_an_old_name_does_not_inherit_what_was_done(tried: Tried) -> None:
    """Deleted and created again while no watch tells of it: another uid, the same name."""

    def after(moment: float, held: float) -> None:
        async def main() -> None:
            async with opened((), heads=scenarios.heads()) as world:
                world.kill(world.lives[0])
                meddler = await Meddler(world.plane.url, world.session).start()
                world.upstreams["kube"] = meddler.url
                await world.start()
                await world.configure(scenarios.config())
                await world.deploy("d1")
                await asyncio.sleep(moment)
                meddler.flows.clear()
                (old,) = await world.deployments()
                await world.delete("d1")
                path = "/apis/components-api.toolforge.org/v1/namespaces/tool-demo/tooldeployments"
                body = {
                    "apiVersion": "components-api.toolforge.org/v1",
                    "kind": "ToolDeployment",
                    "metadata": {"name": old.name},
                    "spec": {"cancel": True},
                }
                await world.ask("POST", path, body)
                await asyncio.sleep(held)
                (new,) = await world.deployments()
                assert new.status.started_at is None, "it was given the other's status"
                meddler.flows.set()
                await world.ended(200)
                (new,) = await world.deployments()
                assert (new.status.status, new.status.builds) == (State.CANCELLED, {})
                assert (await result_of(world, 300)).broken == []
                await meddler.stop()

        timeline.run(main)

    moments = [0.5 * step for step in range(1, 20, 1 if trials.WHOLE else 9)]
    for moment in moments:
        for held in HELD:
            after(moment, held)
    tried("names used again", len(moments) * len(HELD))


@pytest.mark.parametrize("hours", [-24, -1, 1, 24])
def test_a_clock_that_jumps_leaves_nothing_stuck(hours: int, tried: Tried) -> None:
    """The controller's clock jumps while a deployment is under way, and back a minute later."""

    def at(moment: float) -> None:
        async def main() -> None:
            async with opened((), heads=scenarios.heads()) as world:
                await world.configure(scenarios.config())
                await world.deploy("d1")
                await asyncio.sleep(moment)
                world.skew = timedelta(hours=hours)
                await asyncio.sleep(60)
                world.skew = timedelta()
                await scenarios.deploy(world, "d2")
                first, second = await world.deployments()
                assert first.final
                assert second.status.status == State.SUCCESSFUL
                broken = (await result_of(world, 300)).broken
                assert [each for each in broken if "had ended" not in each] == []  # by which clock?
                built = [e.sent["image_name"] for e in world.tape.done("builds", "POST", "/builds")]
                assert len(built) <= 4, built

        timeline.run(main)

    moments = [0.25 + step / 2 for step in range(0, 30, 1 if trials.WHOLE else 15)]
    for moment in moments:
        at(moment)
    tried("clock jumps", len(moments))
