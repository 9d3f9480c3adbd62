"""Transitions of status become counts: one world, run through, and the numbers after it."""

from datetime import timedelta

from prometheus_client import CollectorRegistry

from controller.app.journal import MetricsJournal, watch_gauges
from controller.metrics import DeploymentMetrics
from controller.models.tooldeployment import ToolDeployment, ToolDeploymentStatus, Trigger
from controller.reconcile.actions import Outcome
from tests import builders
from tests.support.world import World


class Counted(World):
    """A world whose journal is the real one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.registry = CollectorRegistry()
        metrics = DeploymentMetrics(self.registry)
        self.journal = MetricsJournal(metrics, lambda: self.now)
        watch_gauges(
            metrics,
            lambda: [d for d in self.deployments.values() if not d.final],
            lambda: self.now,
        )

    def moved(
        self, deployment: ToolDeployment, old: ToolDeploymentStatus, new: ToolDeploymentStatus
    ) -> None:
        """Journal."""
        self.journal.moved(deployment, old, new)

    def done(self, outcome: Outcome) -> None:
        """Journal."""
        self.journal.done(outcome)

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"ptd_{name}", labels) or 0.0


async def test_every_failure_of_the_platform_is_counted_from_0() -> None:
    world = Counted()
    wanted = {"trigger": "poll", "state": "failed", "reason": "PlatformUnavailable"}
    assert world.registry.get_sample_value("ptd_deployments_finished_total", wanted) == 0


async def test_a_tool_of_which_nothing_is_under_way_is_not_served() -> None:
    world = Counted()
    world.backend.build_time = timedelta(hours=1)
    world.deploy("d1")
    world.now += timedelta(minutes=9)
    assert world.count("deployments_oldest_unserved_seconds") == 540
    world.deploy("d2")
    await world.run(seconds=30)
    assert world.count("deployments_oldest_unserved_seconds") == 0
    assert world.count("deployments_in_phase", phase="building") == 1
    assert world.count("deployments_in_phase", phase="waiting") == 1


async def test_a_deployment_is_counted_once_with_its_trigger_state_and_reason() -> None:
    world = Counted()
    world.deploy("d1", Trigger.POLL)
    await world.run()
    wanted = {"trigger": "poll", "state": "successful", "reason": "Deployed"}
    assert world.count("deployments_finished_total", **wanted) == 1
    assert world.count("commit_to_final_seconds_count", state="successful") == 1


async def test_every_phase_is_measured() -> None:
    world = Counted()
    world.deploy("d1")
    await world.run()
    phases = ("waiting", "resolving", "building", "running", "verifying")
    counted = [world.count("deployment_phase_seconds_count", phase=phase) for phase in phases]
    assert counted == [1, 1, 1, 1, 1]
    assert world.count("deployment_phase_seconds_sum", phase="building") >= 3


async def test_builds_and_jobs_are_counted_by_what_became_of_them() -> None:
    world = Counted()
    world.deploy("d1")
    world.deploy("d2")
    await world.run()
    world.config = builders.config(worker=builders.component(ref="main"))
    world.backend.broken_builds.add(builders.COMMIT)
    world.deploy("d3")
    await world.run()
    builds = {e: world.count("builds_total", event=e) for e in ("started", "reused", "failed")}
    jobs = {c: world.count("jobs_total", change=c) for c in ("created", "unchanged", "removed")}
    assert builds == {"started": 2, "reused": 1, "failed": 1}
    assert jobs == {"created": 1, "unchanged": 1, "removed": 0}


async def test_the_gauges_tell_who_waits_how_long_and_who_is_late() -> None:
    world = Counted()
    world.backend.build_time = timedelta(hours=1)
    world.deploy("d1")
    world.deploy("d2")
    await world.run(seconds=30)
    world.now += timedelta(hours=2)
    assert world.count("deployments_unfinished") == 2
    assert world.count("deployments_waiting") == 1
    assert world.count("deployments_oldest_waiting_seconds") >= 7200
    assert world.count("deployments_past_deadline") == 1
