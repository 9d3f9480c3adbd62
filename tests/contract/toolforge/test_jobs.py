"""Jobs by jobs-api: upserts, restarts and what is left of a change that is refused."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from controller.backends.base import JobKind, JobPhase, JobSpec
from controller.errors import Terminal, Transient
from controller.models.reasons import Reason
from controller.models.toolconfig import ContinuousRun, ScheduledRun
from controller.models.tooldeployment import JobChange
from tests.support.toolforge import job_models
from tests.support.toolforge.clock import EPOCH
from tests.support.toolforge.cluster import Cluster
from tests.support.toolforge.faults import Fault
from tests.support.toolforge.job_store import ToolJobs
from tests.support.toolforge.world import Toolforge

TOOL = "demo"
ONE = f"harbor.local/tool-demo/web:latest@sha256:{'1' * 64}"
TWO = f"harbor.local/tool-demo/web:latest@sha256:{'2' * 64}"
WEB = JobSpec("web", ONE, ContinuousRun(command="serve"))
PAIR = JobSpec("web", ONE, ContinuousRun(command="serve", replicas=2))
CRON = JobSpec("cron", ONE, ScheduledRun(command="report", schedule="@daily"))
FORCED = "20261121-222800-aaaaaaaaaa"
TURN = EPOCH + timedelta(seconds=35)


def forced(spec: JobSpec, **changes: Any) -> JobSpec:
    """The same for a deployment with force_run, whose turn began at TURN."""
    return replace(spec, restart_id=FORCED, turn_began=TURN, **changes)


def store(world: Toolforge) -> ToolJobs:
    return world.jobs.tool(TOOL)


def definition(world: Toolforge, name: str) -> dict[str, object]:
    return store(world).stored[name].model_dump(mode="json", exclude_unset=True)


async def apply(world: Toolforge, *specs: JobSpec) -> list[JobChange]:
    """Apply one after the other, ten seconds apart."""
    changes = []
    for spec in specs:
        changes.append((await world.backend.jobs.apply(TOOL, spec)).change)
        world.advance(10)
    return changes


async def phase(world: Toolforge, name: str = "web") -> JobPhase:
    jobs = {job.name: job for job in await world.backend.jobs.list(TOOL)}
    return jobs[name].status.phase


async def test_changes_are_told_as_what_they_were(world: Toolforge) -> None:
    changed = replace(WEB, image=TWO)
    explicit = replace(changed, run=ContinuousRun(command="serve", replicas=1))
    assert await apply(world, WEB, WEB, changed, explicit) == [
        JobChange.CREATED,
        JobChange.UNCHANGED,
        JobChange.UPDATED,
        JobChange.UNCHANGED,
    ]


async def test_the_services_words_are_passed_on(world: Toolforge) -> None:
    applied = await world.backend.jobs.apply(TOOL, WEB)
    assert applied.messages == ("Job web created in storage and runtime",)


async def test_an_unchanged_job_keeps_its_pod(world: Toolforge) -> None:
    await apply(world, WEB)
    before = store(world).cluster.deployments["web"].pods[:]
    await apply(world, WEB)
    assert store(world).cluster.deployments["web"].pods == before


async def test_a_change_of_replicas_is_an_update_that_ends_well(world: Toolforge) -> None:
    await apply(world, WEB)
    changed_at = world.jobs.clock()
    changes = await apply(world, PAIR)
    [job] = await world.backend.jobs.list(TOOL)
    assert (changes, job.status.phase) == ([JobChange.UPDATED], JobPhase.UP)
    assert job.status.since is not None
    assert job.status.since >= changed_at


async def test_a_job_of_another_kind_is_removed_first(world: Toolforge) -> None:
    scheduled = replace(CRON, name="web")
    assert await apply(world, WEB, scheduled) == [JobChange.CREATED] * 2
    [job] = await world.backend.jobs.list(TOOL)
    assert (job.kind, job.status.phase) == (JobKind.SCHEDULED, JobPhase.INSTALLED)


async def test_a_one_off_job_of_the_same_name_is_left_alone(world: Toolforge) -> None:
    body = {"job_type": "one-off", "name": "web", "cmd": "x", "imagename": ONE}
    store(world).create(job_models.parse(body), world.jobs.clock())
    with pytest.raises(Terminal, match="a one-off job named web is in the place") as refusal:
        await world.backend.jobs.apply(TOOL, WEB)
    assert refusal.value.reason == Reason.JOB_REFUSED
    assert list(await world.backend.jobs.list(TOOL)) == []


class TestRestarts:
    """`restart_id` has no home in the service: age and memory stand in for it."""

    async def test_a_forced_restart_happens_once(self, world: Toolforge) -> None:
        await apply(world, WEB)
        world.advance(30)
        again = forced(WEB)
        assert await apply(world, again, again) == [JobChange.RESTARTED, JobChange.UNCHANGED]
        assert store(world).started == {"web": 1}

    async def test_and_not_again_by_a_controller_that_remembers_nothing(
        self, world: Toolforge
    ) -> None:
        await apply(world, WEB)
        world.advance(30)
        await apply(world, forced(WEB))
        async with world.restarted() as backend:
            applied = await backend.jobs.apply(TOOL, forced(WEB))
        assert (applied.change, store(world).started) == (JobChange.UNCHANGED, {"web": 1})

    async def test_but_what_was_started_before_its_turn_is_no_restart_of_its_own(
        self, world: Toolforge
    ) -> None:
        world.advance(30)
        await apply(world, WEB)
        async with world.restarted() as backend:
            applied = await backend.jobs.apply(TOOL, forced(WEB))
        assert (applied.change, store(world).started) == (JobChange.RESTARTED, {"web": 1})

    async def test_an_update_needs_no_restart(self, world: Toolforge) -> None:
        await apply(world, WEB)
        world.advance(30)
        updated = forced(WEB, image=TWO)
        assert await apply(world, updated, updated) == [JobChange.UPDATED, JobChange.UNCHANGED]
        assert store(world).started == {}

    async def test_a_scheduled_job_runs_now_once(self, world: Toolforge) -> None:
        await apply(world, CRON)
        world.advance(30)
        changes = await apply(world, forced(CRON), forced(CRON))
        async with world.restarted() as backend:
            await backend.jobs.apply(TOOL, forced(CRON))
        assert (changes, store(world).started) == (
            [JobChange.RESTARTED, JobChange.UNCHANGED],
            {"cron": 1},
        )

    async def test_a_job_in_a_crash_loop_is_restarted_although_it_crashed_just_now(
        self, world: Toolforge
    ) -> None:
        crashing = replace(WEB, run=ContinuousRun(command="crash"))
        await apply(world, crashing)
        world.advance(30)
        assert await apply(world, forced(crashing)) == [JobChange.RESTARTED]

    async def test_what_was_found_out_is_no_sign_that_a_restart_is_missing(
        self, world: Toolforge
    ) -> None:
        world.advance(40)
        await apply(world, PAIR)
        async with world.restarted() as backend:
            await backend.jobs.list(TOOL)
            applied = await backend.jobs.apply(TOOL, forced(PAIR))
        assert applied.change == JobChange.UNCHANGED


class TestRolling:
    """With several replicas old pods stay until new ones are ready."""

    async def test_a_crash_that_old_pods_hide_is_never_up(self, world: Toolforge) -> None:
        crashing = replace(PAIR, run=ContinuousRun(command="crash", replicas=2))
        await apply(world, PAIR, crashing)
        world.advance(100)
        assert await phase(world) == JobPhase.PENDING

    async def test_putting_back_what_still_runs_changes_nothing_and_is_up(
        self, world: Toolforge
    ) -> None:
        crashing = replace(PAIR, run=ContinuousRun(command="crash", replicas=2))
        changes = await apply(world, PAIR, crashing, PAIR)
        assert changes == [JobChange.CREATED, JobChange.UPDATED, JobChange.UNCHANGED]
        assert (await phase(world), store(world).started) == (JobPhase.UP, {})

    async def test_a_forced_repair_restarts_what_still_runs(self, world: Toolforge) -> None:
        crashing = replace(PAIR, run=ContinuousRun(command="crash", replicas=2))
        await apply(world, PAIR, crashing)
        world.advance(30)
        assert await apply(world, forced(PAIR)) == [JobChange.RESTARTED]

    async def test_what_somebody_else_changed_in_between_is_not_taken_for_ours(
        self, world: Toolforge
    ) -> None:
        await apply(world, PAIR)
        by_hand = definition(world, "web") | {"imagename": TWO}
        store(world).upsert(job_models.parse(by_hand), world.jobs.clock())
        world.advance(10)
        assert await apply(world, PAIR) == [JobChange.UPDATED]

    async def test_without_a_memory_a_restart_makes_it_certain(self, world: Toolforge) -> None:
        crashing = replace(PAIR, run=ContinuousRun(command="crash", replicas=2))
        await apply(world, PAIR, crashing)
        applied_at = world.jobs.clock()
        async with world.restarted() as backend:
            applied = await backend.jobs.apply(TOOL, PAIR)
            world.advance(10)
            [job] = await backend.jobs.list(TOOL)
        assert (applied.change, job.status.phase) == (JobChange.UPDATED, JobPhase.UP)
        assert job.status.since is not None
        assert job.status.since >= applied_at
        assert store(world).started == {"web": 1}

    async def test_that_no_rollout_hangs_is_found_out_without_a_memory(
        self, world: Toolforge
    ) -> None:
        await apply(world, PAIR, CRON)
        async with world.restarted() as backend:
            await backend.jobs.list(TOOL)
            same = await backend.jobs.apply(TOOL, PAIR)
            newer = await backend.jobs.apply(TOOL, replace(PAIR, image=TWO))
        assert [same.change, newer.change] == [JobChange.UNCHANGED, JobChange.UPDATED]
        assert store(world).started == {}

    async def test_an_equal_job_whose_rollout_may_hang_is_restarted_and_is_not_up(
        self, world: Toolforge
    ) -> None:
        crashing = replace(PAIR, run=ContinuousRun(command="crash", replicas=2))
        await apply(world, PAIR, crashing)
        async with world.restarted() as backend:
            await backend.jobs.list(TOOL)
            applied = await backend.jobs.apply(TOOL, crashing)
            world.advance(10)
            [job] = await backend.jobs.list(TOOL)
        assert (applied.change, job.status.phase) == (JobChange.RESTARTED, JobPhase.PENDING)


class TestRefusals:
    """A refused PATCH may have stored what it refused; the last good definition is sent again."""

    async def test_the_good_definition_is_put_back(self, world: Toolforge) -> None:
        await apply(world, WEB)
        good = definition(world, "web")
        world.jobs.registry.tags["tool-demo/web"] = {f"sha256:{'1' * 64}"}
        with pytest.raises(Terminal, match="No such image") as refusal:
            await world.backend.jobs.apply(TOOL, replace(WEB, image=TWO))
        assert refusal.value.reason == Reason.IMAGE_UNAVAILABLE
        assert (definition(world, "web"), await phase(world)) == (good, JobPhase.UP)

    async def test_a_job_that_was_never_there_is_removed(self, world: Toolforge) -> None:
        with pytest.raises(Terminal, match="over maximum allowed") as refusal:
            await apply(world, replace(WEB, run=ContinuousRun(command="x", cpu="50")))
        assert (refusal.value.reason, store(world).stored) == (Reason.QUOTA_EXCEEDED, {})

    async def test_out_of_quota_is_a_refusal_though_it_comes_as_a_500(
        self, world: Toolforge
    ) -> None:
        await apply(world, WEB)
        good = definition(world, "web")
        world.jobs.out_of_quota.add("web")
        with pytest.raises(Terminal, match="Out of quota") as refusal:
            await world.backend.jobs.apply(TOOL, replace(WEB, image=TWO))
        assert refusal.value.reason == Reason.QUOTA_EXCEEDED
        assert definition(world, "web") == good

    async def test_what_was_refused_before_it_was_stored_is_not_sent_again(
        self, world: Toolforge
    ) -> None:
        await apply(world, WEB)
        # What our own models would not let through.
        odd = ContinuousRun(command="x").model_copy(update={"port": 70_000})
        with pytest.raises(Terminal, match=r"^port: Input should be less than or equal to 65535$"):
            await apply(world, replace(WEB, run=odd))
        assert world.jobs.faults.calls("PATCH") == 2

    async def test_a_repair_that_fails_hides_no_refusal(self, world: Toolforge) -> None:
        await apply(world, WEB)
        world.jobs.registry.tags["tool-demo/web"] = set()
        with pytest.raises(Terminal, match="No such image"):
            await apply(world, replace(WEB, image=TWO))
        assert definition(world, "web")["imagename"] == ONE.removeprefix("harbor.local/")


async def test_an_upsert_whose_answer_was_lost_may_be_repeated(world: Toolforge) -> None:
    world.jobs.faults.add(Fault("PATCH", arrives=True))
    with pytest.raises(Transient, match="jobs-api cannot be reached"):
        await apply(world, WEB)
    assert await apply(world, WEB) == [JobChange.UNCHANGED]


@pytest.mark.parametrize("body", ["<html>welcome</html>", "[]", ""])
async def test_a_restart_or_a_deletion_that_somebody_else_answered_is_not_believed(
    world: Toolforge, body: str
) -> None:
    await apply(world, WEB)
    world.jobs.faults.add(Fault("^(POST|DELETE)", status=200, body=body, times=2))
    with pytest.raises(Transient, match="not the service's"):
        await apply(world, replace(WEB, restart_id="20261121-222800-bbbbbbbbbb"))
    with pytest.raises(Transient, match="not the service's"):
        await world.backend.jobs.delete(TOOL, "web")
    assert (dict(store(world).started), definition(world, "web")["cmd"]) == ({}, "serve")


async def test_a_quota_that_strikes_later_is_trouble_while_some_replicas_run(
    world: Toolforge,
) -> None:
    world.jobs.make_cluster = lambda: Cluster(cpu_quota=2.0)
    many = replace(WEB, run=ContinuousRun(command="serve", cpu="1", replicas=3))
    await apply(world, many)
    [job] = await world.backend.jobs.list(TOOL)
    assert job.status.trouble == Reason.QUOTA_EXCEEDED


async def test_a_crash_loop_tells_the_end_of_the_log_and_asks_once_per_restart(
    world: Toolforge,
) -> None:
    world.jobs.logs = {"demo/web": [f"line {n}" for n in range(50)]}
    await apply(world, replace(WEB, run=ContinuousRun(command="crash")))
    jobs = [(await world.backend.jobs.list(TOOL))[0] for _ in range(3)]
    assert jobs[0] == jobs[2]
    assert (jobs[0].status.trouble, jobs[0].status.log_tail) == (
        Reason.CRASH_LOOP,
        tuple(f"line {n}" for n in range(30, 50)),
    )
    assert world.jobs.faults.calls("/logs") == 1


async def test_a_broken_log_store_hides_no_crash_loop(world: Toolforge) -> None:
    world.jobs.logs = None
    await apply(world, replace(WEB, run=ContinuousRun(command="crash")))
    [job] = await world.backend.jobs.list(TOOL)
    assert (job.status.trouble, job.status.log_tail) == (Reason.CRASH_LOOP, ())


async def test_an_update_of_an_old_job_is_not_taken_for_a_failure(world: Toolforge) -> None:
    await apply(world, WEB)
    world.advance(1_000)
    await world.backend.jobs.apply(TOOL, replace(WEB, run=ContinuousRun(command="slow")))
    world.advance(2)
    shown = store(world).shown("web", world.jobs.clock(), unset=True)
    [job] = await world.backend.jobs.list(TOOL)
    assert shown["status"]["short"] == "failed"
    assert (job.status.phase, job.status.trouble) == (JobPhase.PENDING, None)
