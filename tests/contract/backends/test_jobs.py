"""The contract of `base.Jobs`, for every backend."""

import asyncio
from dataclasses import replace

from controller.backends import base
from controller.models.reasons import Reason
from controller.models.tooldeployment import JobChange
from tests.contract.backends.worlds import DEPLOYMENT, OTHER_TOOL, TOOL, World, job_that, until


def is_up(job: base.Job) -> bool:
    return job.status.phase is base.JobPhase.UP and job.serving is None


async def test_a_tool_without_jobs_has_none(world: World) -> None:
    assert list(await world.jobs.list(TOOL)) == []


async def test_a_new_job_is_created_and_comes_up(world: World) -> None:
    spec = world.steady_job()
    applied = await world.jobs.apply(TOOL, spec)
    job = await job_that(world, is_up)
    assert applied.change is JobChange.CREATED
    assert (job.name, job.kind) == ("web", base.JobKind.CONTINUOUS)
    assert job.spec in (spec, None)
    assert (job.status.restarts, job.status.trouble) == (0, None)


async def test_an_equal_spec_changes_nothing(world: World) -> None:
    spec = world.steady_job()
    await world.jobs.apply(TOOL, spec)
    before = await job_that(world, is_up)
    applied = await world.jobs.apply(TOOL, spec)
    [after] = await world.jobs.list(TOOL)
    assert (applied.change, after) == (JobChange.UNCHANGED, before)


async def test_a_changed_setting_updates_the_job(world: World) -> None:
    spec = world.steady_job()
    await world.jobs.apply(TOOL, spec)
    await job_that(world, is_up)
    changed = replace(spec, run=spec.run.model_copy(update={"replicas": 2}))
    applied = await world.jobs.apply(TOOL, changed)
    job = await job_that(world, is_up)
    assert applied.change is JobChange.UPDATED
    assert job.spec in (changed, None)


async def test_another_image_updates_the_job(world: World) -> None:
    spec = world.steady_job()
    await world.jobs.apply(TOOL, spec)
    await job_that(world, is_up)
    applied = await world.jobs.apply(TOOL, replace(spec, image=world.other_image()))
    await job_that(world, is_up)
    assert applied.change is JobChange.UPDATED


async def test_another_restart_id_restarts_the_job_once(world: World) -> None:
    spec = world.steady_job()
    await world.jobs.apply(TOOL, spec)
    await job_that(world, is_up)
    again = replace(spec, restart_id=DEPLOYMENT)
    changes = [(await world.jobs.apply(TOOL, again)).change for _ in range(2)]
    await job_that(world, is_up)
    assert changes == [JobChange.RESTARTED, JobChange.UNCHANGED]


async def test_a_job_that_fails_again_and_again_says_so_with_its_last_lines(world: World) -> None:
    await world.jobs.apply(TOOL, world.crashing_job())
    job = await job_that(world, lambda job: job.status.trouble is not None)
    assert job.status.trouble is Reason.CRASH_LOOP
    assert job.status.restarts >= 1
    assert world.last_words in "\n".join(job.status.log_tail)


async def test_a_scheduled_job_is_installed(world: World) -> None:
    spec = world.scheduled_job()
    applied = await world.jobs.apply(TOOL, spec)
    job = await job_that(world, lambda job: job.status.phase is base.JobPhase.INSTALLED)
    again = await world.jobs.apply(TOOL, spec)
    assert (applied.change, again.change) == (JobChange.CREATED, JobChange.UNCHANGED)
    assert (job.name, job.kind, job.status.trouble) == ("nightly", base.JobKind.SCHEDULED, None)


async def test_a_deleted_job_is_gone_and_its_name_is_free(world: World) -> None:
    spec = world.steady_job()
    await world.jobs.apply(TOOL, spec)
    await world.jobs.delete(TOOL, "web")

    async def gone() -> bool | None:
        return True if not await world.jobs.list(TOOL) else None

    await until(world, gone)
    applied = await world.jobs.apply(TOOL, spec)
    await job_that(world, is_up)
    assert applied.change is JobChange.CREATED


async def test_deleting_a_job_that_is_not_there_is_no_error(world: World) -> None:
    await world.jobs.delete(TOOL, "nothing")
    await world.jobs.delete("no-such-tool", "nothing")


async def test_a_tool_sees_its_own_jobs_only(world: World) -> None:
    await world.jobs.apply(TOOL, world.steady_job())
    assert list(await world.jobs.list(OTHER_TOOL)) == []
    await world.jobs.delete(OTHER_TOOL, "web")
    assert [job.name for job in await world.jobs.list(TOOL)] == ["web"]


async def test_the_log_has_what_the_job_printed(world: World) -> None:
    await world.jobs.apply(TOOL, world.steady_job())

    async def printed() -> bool | None:
        return [line async for line in world.jobs.log(TOOL, "web")] != [] or None

    assert await until(world, printed)


async def test_a_followed_log_goes_on_while_the_job_does(world: World) -> None:
    await world.jobs.apply(TOOL, world.steady_job())
    async with asyncio.timeout(20):
        async for line in world.jobs.log(TOOL, "web", follow=True):
            assert line
            break
