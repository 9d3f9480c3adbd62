"""Random sequences of user actions, pushes, faults and crashes, with the real reconciler.

Safety is checked at every status write, convergence at the end: every deployment reaches a final
state by its deadline, and then the controller is quiet.
"""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.models.tooldeployment import State, ToolDeployment, ToolDeploymentStatus, Trigger
from controller.reconcile.observed import Policy
from tests import builders
from tests.faults import trials
from tests.support.fakebackend import FakeBackend
from tests.support.world import World

COMMITS = [letter * 40 for letter in "abcdef"]
CONFIGS = [
    builders.config(web=builders.component()),
    builders.config(web=builders.component(), worker=builders.component(ref="worker")),
    builders.config(web=builders.component(port=8000), report=builders.scheduled("web")),
    builders.config(web=builders.scheduled("worker"), worker=builders.component(ref="worker")),
    None,
]

actions = st.one_of(
    st.tuples(st.just("deploy"), st.sampled_from(list(Trigger)), st.booleans(), st.booleans()),
    st.tuples(st.just("push"), st.sampled_from(["main", "worker"]), st.sampled_from(COMMITS)),
    st.tuples(st.just("config"), st.integers(0, len(CONFIGS) - 1)),
    st.tuples(st.just("cancel"), st.integers(-2, 1)),
    st.tuples(st.just("delete"), st.integers(0, 9)),
    st.tuples(st.just("break"), st.sampled_from(COMMITS), st.sampled_from(["build", "run", "up"])),
    st.tuples(st.just("wait"), st.sampled_from([0.2, 0.5, 1.0, 3.0, 30.0])),
    st.tuples(st.just("crash"), st.integers(1, 12)),
)


EXAMPLES = 20_000 if trials.WHOLE else 250
CHANGES = ("start build", "apply job", "delete job")


class WatchedWorld(World):
    """A world that checks what must always hold, at every write and at every effect."""

    def _effect(self, name: str) -> None:
        if name in CHANGES:
            self._check_effect(name)
        super()._effect(name)

    def _check_effect(self, name: str) -> None:
        active = [d for d in self.deployments.values() if d.status.started_at and not d.final]
        if any(d.spec.cancel for d in active) and name == "start build":
            raise AssertionError("a build was started after the cancel was seen")
        known = Counter(
            b.component
            for b in self.backend.live_builds("demo")
            if b.deployment in self.deployments
        )
        assert all(count == 1 for count in known.values()), f"two live builds: {known}"

    async def patch_status(
        self, deployment: ToolDeployment, status: ToolDeploymentStatus
    ) -> ToolDeployment:
        """Writer, with the invariants."""
        if deployment.name not in self.deployments:  # deleted meanwhile: a real server says 404
            return deployment
        old = self.deployments[deployment.name].status
        assert not old.status.final, "a final state never changes"
        assert status.observed_generation >= old.observed_generation
        for name, build in old.builds.items():
            if build.build_image != "no-image-yet":
                assert status.builds[name].build_image == build.build_image, "a result was lost"
            if build.commit:
                assert status.builds[name].commit == build.commit, "a pin was lost"
        patched = await super().patch_status(deployment, status)
        active = [
            d.name
            for d in self.deployments.values()
            if not d.final and d.status.started_at is not None
        ]
        assert len(active) <= 1, f"two at once: {active}"
        return patched


async def play(script: list[tuple[object, ...]]) -> WatchedWorld:
    world = WatchedWorld(
        refs={"main": COMMITS[0], "worker": COMMITS[1]},
        policy=Policy(
            deployment_timeout=timedelta(minutes=5),
            start_timeout=timedelta(seconds=20),
            settle_time=timedelta(seconds=2),
            retained=3,
        ),
    )
    world.backend.slots = 1  # the second component waits, which is where much can happen
    for number, step in enumerate(script):
        await _act(world, number, step)
    await world.run(seconds=3600 * 3)
    return world


async def _act(world: WatchedWorld, number: int, step: tuple[object, ...]) -> None:
    names = sorted(world.deployments)
    match step:
        case ("deploy", Trigger() as trigger, bool(force_build), bool(force_run)):
            world.now += timedelta(milliseconds=1)
            world.deploy(f"d{number:03}", trigger, force_build=force_build, force_run=force_run)
        case ("push", str(ref), str(commit)):
            world.refs[ref] = commit
        case ("config", int(index)):
            world.config = CONFIGS[index]
        case ("cancel", int(index)) if names:
            world.cancel(names[index % len(names)])
        case ("delete", int(index)) if names:
            del world.deployments[names[index % len(names)]]
        case ("break", str(commit), str(what)):
            backend = world.backend
            kinds = {"build": backend.broken_builds, "run": backend.crashing}
            kinds.get(what, backend.unhealthy).add(commit)
        case ("wait", float(seconds)):
            await world.run(seconds=seconds)
        case ("crash", int(effects)):
            world.crash_at = len(world.effects) + effects


def twice_built(backend: FakeBackend) -> list[object]:
    """Builds that were started more than once for the same thing by the same deployment."""
    counts = Counter((r.component, r.commit, r.deployment) for r in backend.started)
    return [key for key, count in counts.items() if count > 1]


@pytest.mark.timeout(3600 if trials.WHOLE else 60)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(actions, min_size=5, max_size=30))
def test_whatever_happens_everything_ends_and_then_it_is_quiet(
    script: list[tuple[object, ...]],
) -> None:
    asyncio.run(_check(script))


async def _check(script: list[tuple[object, ...]]) -> None:
    world = await play(script)
    assert all(d.final for d in world.deployments.values()), "something is stuck"
    assert twice_built(world.backend) == []
    for deployment in world.deployments.values():
        status = deployment.status
        if status.deadline and status.finished_at:
            assert status.finished_at <= status.deadline + timedelta(seconds=60)
        if status.status == State.FAILED:
            assert status.failure is not None
    await world.run(seconds=60)
    before = len(world.effects)
    for _ in range(5):
        world.now += timedelta(minutes=10)
        await world.reconciler().reconcile(builders.TOOL)
    assert world.effects[before:] == []
