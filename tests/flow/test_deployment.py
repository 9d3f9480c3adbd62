"""Deployments from creation to their end, as a user would see them."""

from dataclasses import replace
from datetime import timedelta

from controller.models.reasons import Reason
from controller.models.tooldeployment import BuildStatus, JobChange, RunStatus, State, Trigger
from tests import builders
from tests.support.fakebackend import image_of
from tests.support.world import World

TWO = builders.config(
    web=builders.component(),
    report=builders.scheduled("web"),
    worker=builders.component(repository="https://git.example.org/worker.git", ref="worker"),
)


def two_repositories(**more: object) -> World:
    return World(config=TWO, refs={"main": builders.COMMIT, "worker": "c" * 40}, **more)  # type: ignore[arg-type]


async def test_the_first_deployment_builds_and_runs_every_component() -> None:
    world = two_repositories()
    world.deploy("d1")
    await world.run()
    status = world.status("d1")
    assert status.status == State.SUCCESSFUL
    assert {n: (b.build_status, b.commit[:1]) for n, b in status.builds.items()} == {
        "web": (BuildStatus.SUCCESSFUL, "a"),
        "report": (BuildStatus.SKIPPED, ""),
        "worker": (BuildStatus.SUCCESSFUL, "c"),
    }
    assert {n: (r.run_status, r.change) for n, r in status.runs.items()} == {
        "web": (RunStatus.SUCCESSFUL, JobChange.CREATED),
        "report": (RunStatus.SUCCESSFUL, JobChange.CREATED),
        "worker": (RunStatus.SUCCESSFUL, JobChange.CREATED),
    }
    assert {c.type: c.status.value for c in status.conditions} == {
        "Progressing": "False",
        "Complete": "True",
        "Failed": "False",
    }
    assert [request.component for request in world.backend.started] == ["web", "worker"]


async def test_deploying_the_same_again_builds_and_restarts_nothing() -> None:
    world = two_repositories()
    world.deploy("d1")
    await world.run()
    begun = world.backend.jobs.begun("demo", "worker")
    world.deploy("d2")
    await world.run()
    assert world.status("d2").status == State.SUCCESSFUL
    assert {r.change for r in world.status("d2").runs.values()} == {JobChange.UNCHANGED}
    assert len(world.backend.started) == 2
    assert world.backend.restarts == []
    assert world.backend.jobs.begun("demo", "worker") == begun


async def test_a_new_commit_changes_only_the_components_that_are_built_from_it() -> None:
    world = two_repositories()
    world.deploy("d1")
    await world.run()
    begun = world.backend.jobs.begun("demo", "worker")
    world.refs["main"] = builders.NEWER
    world.deploy("d2", Trigger.POLL)
    await world.run()
    changes = {name: run.change for name, run in world.status("d2").runs.items()}
    assert changes == {
        "web": JobChange.UPDATED,
        "report": JobChange.UPDATED,
        "worker": JobChange.UNCHANGED,
    }
    assert world.backend.jobs.begun("demo", "worker") == begun


async def test_a_failed_health_check_fails_the_deployment_and_the_old_version_stays() -> None:
    world = World()
    world.deploy("d1")
    await world.run()
    begun = world.backend.jobs.begun("demo", "web")
    world.refs["main"] = builders.NEWER
    world.backend.unhealthy.add(builders.NEWER)
    world.deploy("d2")
    await world.run(seconds=600)
    status = world.status("d2")
    assert status.status == State.FAILED
    assert status.failure is not None
    assert (status.failure.reason, status.failure.component) == (Reason.HEALTH_CHECK_FAILED, "web")
    assert world.backend.jobs.begun("demo", "web") == begun
    (job,) = await world.backend.jobs.list("demo")
    assert job.spec is not None
    assert job.spec.image == image_of("web", builders.COMMIT)


async def test_a_fix_does_not_wait_until_the_broken_version_has_failed() -> None:
    world = World()
    world.deploy("d1")
    await world.run()
    world.backend.unhealthy.add(builders.NEWER)
    world.refs["main"] = builders.NEWER
    world.deploy("d2", trigger=Trigger.POLL)
    await world.run(seconds=20)
    pushed = world.now
    world.refs["main"] = "c" * 40
    world.deploy("d3", trigger=Trigger.POLL)
    await world.run(seconds=600)
    gone, fixed = world.status("d2"), world.status("d3")
    assert (gone.status, gone.superseded_by) == (State.CANCELLED, "d3")
    assert fixed.status == State.SUCCESSFUL
    assert fixed.finished_at is not None
    assert fixed.finished_at - pushed < timedelta(minutes=1)
    (job,) = await world.backend.jobs.list("demo")
    assert job.spec is not None
    assert job.spec.image == image_of("web", "c" * 40)


async def test_a_crash_loop_fails_at_once_with_the_last_log_lines() -> None:
    world = World()
    world.backend.crashing.add(builders.COMMIT)
    world.deploy("d1")
    await world.run()
    status = world.status("d1")
    assert status.status == State.FAILED
    assert status.failure is not None
    assert status.failure.log_tail == ("Traceback: it is broken",)
    assert status.finished_at is not None
    assert status.finished_at - builders.NOW < timedelta(seconds=30)


async def test_a_failing_build_fails_the_deployment_and_cancels_the_others() -> None:
    world = two_repositories()
    world.backend.broken_builds.add(builders.COMMIT)
    world.deploy("d1")
    await world.run()
    status = world.status("d1")
    assert status.failure is not None
    assert (status.status, status.failure.reason) == (State.FAILED, Reason.BUILD_FAILED)
    assert {run.run_status for run in status.runs.values()} == {RunStatus.SKIPPED}
    assert await world.backend.jobs.list("demo") == []


async def test_an_unknown_ref_fails_before_anything_is_built() -> None:
    world = two_repositories()
    del world.refs["worker"]
    world.deploy("d1")
    await world.run()
    status = world.status("d1")
    assert status.failure is not None
    assert (status.failure.reason, status.failure.component) == (Reason.REF_NOT_FOUND, "worker")
    assert world.backend.started == []


async def test_a_tool_without_a_config_is_told_so() -> None:
    world = World(config=None)
    world.deploy("d1")
    await world.run()
    status = world.status("d1")
    assert status.failure is not None
    assert (status.status, status.failure.reason) == (State.FAILED, Reason.CONFIG_MISSING)


async def test_deployments_of_a_tool_wait_for_each_other_in_order() -> None:
    world = World()
    for name in ("d1", "d2", "d3"):
        world.deploy(name)
    await world.reconciler().reconcile("demo")
    positions = {n: world.status(n).queue_position for n in ("d1", "d2", "d3")}
    assert positions == {"d1": 0, "d2": 1, "d3": 2}
    await world.run()
    ends = [world.status(name).finished_at for name in ("d1", "d2", "d3")]
    assert ends == sorted(ends, key=str)
    assert {world.status(n).status for n in ("d1", "d2", "d3")} == {State.SUCCESSFUL}


async def test_cancelling_while_building_stops_the_build_and_touches_no_job() -> None:
    world = World()
    world.deploy("d1")
    await world.run(seconds=2)
    world.cancel("d1")
    await world.run()
    status = world.status("d1")
    assert status.status == State.CANCELLED
    assert [b.state.value for b in await world.backend.builds.list("demo")] == ["cancelled"]
    assert await world.backend.jobs.list("demo") == []


async def test_a_job_whose_component_left_the_config_is_removed() -> None:
    world = two_repositories()
    world.deploy("d1")
    await world.run()
    world.config = builders.config(web=builders.component())
    world.deploy("d2")
    await world.run()
    assert [job.name for job in await world.backend.jobs.list("demo")] == ["web"]
    assert world.status("d2").removed_jobs == ("report", "worker")


async def test_prune_false_keeps_jobs_whose_component_left_the_config() -> None:
    world = two_repositories()
    world.deploy("d1")
    await world.run()
    world.config = builders.config(prune=False, web=builders.component())
    world.deploy("d2")
    await world.run()
    assert len(await world.backend.jobs.list("demo")) == 3


async def test_a_component_that_changes_its_kind_is_removed_and_created() -> None:
    world = World(config=TWO, refs={"main": builders.COMMIT, "worker": "c" * 40})
    world.deploy("d1")
    await world.run()
    assert world.config is not None
    world.config = builders.config(
        web=builders.component(), report=builders.component(), worker=builders.scheduled("web")
    )
    world.deploy("d2")
    await world.run()
    kinds = {job.name: job.kind.value for job in await world.backend.jobs.list("demo")}
    assert world.status("d2").status == State.SUCCESSFUL
    assert kinds == {"web": "continuous", "report": "continuous", "worker": "scheduled"}


async def test_force_run_restarts_everything_once_and_force_build_builds_again() -> None:
    world = World()
    world.deploy("d1")
    await world.run()
    world.deploy("d2", force_run=True)
    world.deploy("d3", force_build=True)
    await world.run()
    assert world.status("d2").runs["web"].change == JobChange.RESTARTED
    assert len(world.backend.restarts) == 1
    assert [request.deployment for request in world.backend.started] == ["d1", "d3"]
    assert world.status("d3").runs["web"].change == JobChange.UNCHANGED


async def test_a_full_build_queue_is_waited_for_and_shown() -> None:
    world = two_repositories()
    world.backend.slots = 1
    world.deploy("d1")
    await world.run(seconds=2)
    assert world.status("d1").reason == Reason.BUILD_QUEUE_FULL
    await world.run()
    assert world.status("d1").status == State.SUCCESSFUL
    assert len(world.backend.started) == 2


async def test_a_deployment_ends_at_its_deadline_with_what_it_was_doing() -> None:
    world = World()
    world.backend.build_time = timedelta(hours=5)
    world.policy = type(world.policy)(
        deployment_timeout=timedelta(minutes=1), build_timeout=timedelta(hours=9)
    )
    world.deploy("d1")
    await world.run(seconds=120)
    status = world.status("d1")
    assert (status.status, status.reason) == (State.TIMED_OUT, Reason.DEADLINE_EXCEEDED)
    assert "building web" in status.long_status
    assert [b.state.value for b in await world.backend.builds.list("demo")] == ["cancelled"]


async def test_the_newest_25_finished_deployments_are_kept() -> None:
    world = World()
    for number in range(27):
        world.deploy(f"d{number:02}")
        await world.run()
    await world.reconciler().reconcile("demo")
    assert sorted(world.deployments) == [f"d{number:02}" for number in range(2, 27)]


async def test_an_undisturbed_deployment_costs_few_writes_however_many_components_it_has() -> None:
    many = {f"c{n}": builders.component() for n in range(20)}
    world = World(config=builders.config(prune=True, **many))
    world.deploy("d1")
    await world.run()
    assert world.status("d1").status == State.SUCCESSFUL
    assert len(world.writes) + len(world.told) <= 6


async def test_while_a_backend_is_away_nothing_is_begun_and_it_goes_on_later() -> None:
    world = World()
    world.backend.away_until = builders.NOW + timedelta(seconds=30)
    world.deploy("d1")
    await world.run(seconds=20)
    status = world.status("d1")
    assert (status.status, status.reason) == (State.RUNNING, Reason.RETRYING)
    assert status.message == "waiting for the platform: the build service does not answer"
    await world.run()
    assert world.status("d1").status == State.SUCCESSFUL


async def test_a_deadline_holds_also_while_a_backend_is_away() -> None:
    world = World()
    world.backend.away_until = builders.NOW + timedelta(hours=9)
    world.policy = replace(world.policy, deployment_timeout=timedelta(minutes=1))
    world.deploy("d1")
    await world.run(seconds=300)
    status = world.status("d1")
    assert status.status == State.TIMED_OUT
    assert status.finished_at is not None
    assert status.finished_at - builders.NOW < timedelta(seconds=120)


async def test_a_cancel_holds_also_while_a_backend_is_away() -> None:
    world = World()
    world.deploy("d1")
    await world.run(seconds=2)
    world.backend.away_until = builders.NOW + timedelta(hours=9)
    world.cancel("d1")
    await world.run(seconds=5)
    assert world.status("d1").status == State.CANCELLING
    await world.run(seconds=60)
    assert world.status("d1").status == State.CANCELLED


class Slow(World):
    """A service that has done what it was asked to long before it answers."""

    def _effect(self, name: str) -> None:
        super()._effect(name)
        if name == "job applied":
            self.now += timedelta(seconds=20)


async def test_a_job_that_was_up_before_a_slow_service_answered_counts_as_up() -> None:
    world = Slow()
    world.deploy("d1")
    await world.run()
    world.refs["main"] = builders.NEWER
    world.deploy("d2")
    await world.run()
    assert {n: world.status(n).status for n in ("d1", "d2")} == {
        "d1": State.SUCCESSFUL,
        "d2": State.SUCCESSFUL,
    }
