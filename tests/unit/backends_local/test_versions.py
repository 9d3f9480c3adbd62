"""Continuous jobs: the old version serves until the new one is healthy, and suffers nothing."""

import asyncio
import os
import signal
import socket
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from controller.backends import base
from controller.backends.local import bound
from controller.backends.local.backend import LocalBackend
from controller.models.reasons import Reason
from controller.models.toolconfig import ContinuousRun, ScheduledRun
from controller.models.tooldeployment import JobChange
from tests.support import localbackend
from tests.unit.backends_local.site import (
    TOOL,
    Site,
    alive,
    gone,
    is_up,
    job_that,
    pid_in,
    running_in,
    shims_left,
    until,
)


async def test_an_unchanged_spec_keeps_the_process(site: Site, local: LocalBackend) -> None:
    await local.jobs.apply(TOOL, site.serving("one"))
    await job_that(local, is_up)
    before = await site.ask()
    await local.jobs.apply(TOOL, site.serving("one"))
    assert await site.ask() == before


async def test_no_request_fails_while_a_new_version_takes_over(
    site: Site, local: LocalBackend
) -> None:
    await local.jobs.apply(TOOL, site.serving("one slow"))
    await job_that(local, is_up)
    done = asyncio.Event()
    answers: list[str] = []

    async def keep_asking() -> None:
        while not done.is_set():
            answers.append(await site.ask())

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(keep_asking())
        await local.jobs.apply(TOOL, site.serving("two"))
        await job_that(local, lambda job: is_up(job) and job.serving is None)
        done.set()
    assert answers[0].startswith("one")
    assert (await site.ask()).startswith("two")


async def test_a_version_that_never_gets_healthy_leaves_the_old_process_alone(site: Site) -> None:
    good, bad = site.serving("one"), site.serving("two bad")
    async with site.backend() as local:
        await local.jobs.apply(TOOL, good)
        await job_that(local, is_up)
        before = await site.ask()
        await local.close(stop_jobs=False)

    def answered_badly(job: base.Job) -> bool:
        return bool(job.status.trouble) and "GET / answered 500" in job.status.messages[0]

    async with site.backend(patience=2) as local:
        await local.jobs.apply(TOOL, bad)
        job = await job_that(local, answered_badly)
        assert (job.spec, job.serving, job.status.healthy) == (bad, good, False)
        assert job.status.trouble is Reason.HEALTH_CHECK_FAILED
        why = "health check not passed in 2 s: GET / answered 500"
        assert job.status.messages == (why,)
        assert "ready" in job.status.log_tail
        assert await site.ask() == before


async def test_going_back_to_what_serves_drops_the_newer_version(
    site: Site, local: LocalBackend
) -> None:
    good = site.serving("one")
    await local.jobs.apply(TOOL, good)
    await job_that(local, is_up)
    before = await site.ask()
    await local.jobs.apply(TOOL, site.serving("two bad"))
    applied = await local.jobs.apply(TOOL, good)
    job = await job_that(local, is_up)
    assert applied.change is JobChange.UPDATED
    assert (job.spec, job.serving, job.status.trouble) == (good, None, None)
    assert await site.ask() == before
    await shims_left(site.root, 1)


async def test_a_newer_version_has_nothing_to_do_with_a_dropped_one(
    site: Site, local: LocalBackend
) -> None:
    await local.jobs.apply(TOOL, site.serving("one"))
    await job_that(local, is_up)
    stubborn = site.serving("two bad")
    command = f"sh -c 'trap \"\" TERM; exec {stubborn.run.command}'"
    stubborn = replace(stubborn, run=stubborn.run.model_copy(update={"command": command}))
    await local.jobs.apply(TOOL, stubborn)
    while running_in(site.root) < 2:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await local.jobs.apply(TOOL, site.serving("one"))
    await local.jobs.apply(TOOL, site.serving("three"))
    job = await job_that(local, lambda job: is_up(job) and job.serving is None)
    assert job.status.restarts == 0
    assert (await site.ask()).startswith("three")
    await shims_left(site.root, 1)
    assert (await site.ask()).startswith("three")


async def test_a_version_that_crashes_is_a_crash_loop_with_its_last_lines(
    site: Site, local: LocalBackend
) -> None:
    good = site.serving("one")
    await local.jobs.apply(TOOL, good)
    await job_that(local, is_up)
    before = await site.ask()
    crashing = replace(good, run=good.run.model_copy(update={"command": "sh -c 'echo oh; exit 7'"}))
    await local.jobs.apply(TOOL, crashing)
    job = await job_that(local, lambda job: job.status.trouble is not None)
    assert (job.status.phase, job.status.trouble) == (base.JobPhase.DOWN, Reason.CRASH_LOOP)
    assert job.status.restarts >= 3
    assert job.status.messages == ("exited with code 7 (3 times)",)
    assert job.status.outlook.startswith("starts again in ")
    assert job.status.log_tail[:2] == ("oh", "[exited with code 7; starts again in 0.05 s]")
    assert await site.ask() == before


@pytest.mark.parametrize(
    ("processes", "known"),
    [
        ({}, "there are no process types, as no Procfile names any"),
        ({"web": "sleep 9", "job": "sleep 9"}, "the process types are job, web"),
    ],
)
async def test_a_command_that_is_not_there_says_so_and_what_is(
    site: Site, local: LocalBackend, processes: dict[str, str], known: str
) -> None:
    image = localbackend.make_image(site.root, "short", processes=processes)
    run = ContinuousRun(command="no-such-program --now")
    await local.jobs.apply(TOOL, base.JobSpec("web", image, run))
    job = await job_that(local, lambda job: job.status.trouble is not None)
    said = f"command not found: no-such-program ({known})"
    assert job.status.messages == (f"{said} (3 times)",)
    assert job.status.log_tail[0].startswith(f"[{said}; starts again in ")


async def test_a_killed_process_is_started_again(site: Site, local: LocalBackend) -> None:
    await local.jobs.apply(TOOL, site.serving("one"))
    await job_that(local, is_up)
    first = pid_in(await site.ask())
    os.kill(first, signal.SIGKILL)
    job = await job_that(local, lambda job: is_up(job) and job.status.restarts == 1)
    assert pid_in(await site.ask()) != first
    assert job.status.trouble is None


async def test_a_process_that_hangs_is_started_again(site: Site, local: LocalBackend) -> None:
    await local.jobs.apply(TOOL, site.serving("one"))
    await job_that(local, is_up)
    first = pid_in(await site.ask())
    os.kill(first, signal.SIGSTOP)
    await job_that(local, lambda job: is_up(job) and job.status.restarts > 0)
    await gone(first)


async def test_the_death_of_a_shim_ends_its_process_and_starts_one_new(
    site: Site, local: LocalBackend
) -> None:
    await local.jobs.apply(TOOL, site.serving("one"))
    await job_that(local, is_up)
    first = pid_in(await site.ask())
    place = site.root / "tools" / TOOL / "jobs" / "web" / "instances" / "1-0"
    os.kill(int((place / "pid").read_text()), signal.SIGKILL)
    await job_that(local, lambda job: is_up(job) and job.status.restarts == 1)
    await gone(first)
    assert pid_in(await site.ask()) != first


async def test_replicas_take_turns(site: Site, local: LocalBackend) -> None:
    await local.jobs.apply(TOOL, site.serving("one", replicas=3))
    await job_that(local, is_up)
    assert len({await site.ask() for _ in range(6)}) == 3
    lines = [line async for line in local.jobs.log(TOOL, "web")]
    assert sorted(line.split()[0] for line in lines) == ["[0]", "[1]", "[2]"]


async def test_without_a_port_the_old_process_ends_when_the_new_one_is_up(
    site: Site, local: LocalBackend
) -> None:
    worker = base.JobSpec("web", site.image, ContinuousRun(command="sleep 1000"))
    await local.jobs.apply(TOOL, worker)
    assert (await job_that(local, is_up)).status.healthy is None
    applied = await local.jobs.apply(TOOL, replace(worker, restart_id="again"))
    assert applied.change is JobChange.RESTARTED
    await job_that(local, lambda job: is_up(job) and job.serving is None)
    await shims_left(site.root, 1)


async def test_a_script_decides_about_health(site: Site, local: LocalBackend) -> None:
    flag = site.root / "healthy"
    run = ContinuousRun(command="sleep 1000", health_check_script=f"test -e {flag}")
    await local.jobs.apply(TOOL, base.JobSpec("web", site.image, run))

    def complains(job: base.Job) -> bool:
        return job.status.messages == ("health check: the health check script exited with code 1",)

    assert (await job_that(local, complains)).status.healthy is False
    flag.touch()
    assert (await job_that(local, is_up)).status.healthy is True


async def test_a_script_that_is_not_there_says_so(site: Site, local: LocalBackend) -> None:
    run = ContinuousRun(command="sleep 1000", health_check_script="./no-such-check --all")
    await local.jobs.apply(TOOL, base.JobSpec("web", site.image, run))
    job = await job_that(local, lambda job: bool(job.status.messages))
    expected = "health check: the health check script was not found: ./no-such-check"
    assert job.status.messages == (expected,)


async def test_a_script_does_not_outlive_ptd(tmp_path: Path) -> None:
    started = tmp_path / "pid"
    script = (sys.executable, bound.__file__, "sh", "-c", f"echo $$ > {started}; exec sleep 1000")
    code = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(1000)"
    ptd = await asyncio.create_subprocess_exec(sys.executable, "-c", code, *script)

    async def pid_of_script() -> int | None:
        return int(started.read_text() or 0) or None if started.exists() else None

    pid = await until(pid_of_script)
    ptd.kill()
    await ptd.wait()
    await gone(pid)


async def test_a_port_that_another_program_has_is_named_until_it_is_free(
    site: Site, local: LocalBackend
) -> None:
    other = socket.create_server(("127.0.0.1", site.port))
    await local.jobs.apply(TOOL, site.serving("one"))
    job = await job_that(local, lambda job: job.status.trouble is not None)
    assert (job.status.phase, job.status.trouble) == (base.JobPhase.PENDING, Reason.JOB_REFUSED)
    assert job.status.messages[0] == (
        f"port {site.port} is taken by another program on this machine: end it, or change `port`"
    )
    other.close()
    assert (await job_that(local, is_up)).status.trouble is None
    assert (await site.ask()).startswith("one")


async def test_two_jobs_on_one_port_are_told_of_each_other(site: Site, local: LocalBackend) -> None:
    await local.jobs.apply(TOOL, site.serving("one"))
    await job_that(local, is_up)
    await local.jobs.apply(TOOL, replace(site.serving("two"), name="other"))
    blocked = await job_that(local, lambda job: job.name == "other" and bool(job.status.messages))
    assert blocked.status.messages[0] == (
        f"port {site.port} is used by tool-a/web: give one of them another `port`"
    )
    assert (await site.ask()).startswith("one")


async def test_after_a_restart_the_port_is_again_that_of_the_job_that_served(site: Site) -> None:
    async with site.backend() as local:
        await local.jobs.apply(TOOL, site.serving("one"))
        await job_that(local, is_up)
        await local.jobs.apply(TOOL, replace(site.serving("two"), name="another"))
        await job_that(local, lambda job: job.name == "another" and bool(job.status.messages))
    async with site.backend() as local:
        await job_that(local, lambda job: job.name == "web" and is_up(job))
        assert (await site.ask()).startswith("one")
        blocked = await job_that(local, lambda job: job.name == "another")
        assert "is used by tool-a/web" in blocked.status.messages[0]


async def test_an_image_that_is_gone_is_named(site: Site, local: LocalBackend) -> None:
    missing = f"local/{TOOL}/web@sha256:{'0' * 64}"
    await local.jobs.apply(TOOL, replace(site.serving("one"), image=missing))
    job = await job_that(local, lambda job: job.status.trouble is not None)
    assert (job.status.trouble, job.status.phase) == (
        Reason.IMAGE_UNAVAILABLE,
        base.JobPhase.DOWN,
    )


async def test_a_deleted_job_leaves_no_process_and_no_port(site: Site, local: LocalBackend) -> None:
    await local.jobs.apply(TOOL, site.serving("one", replicas=2))
    await job_that(local, is_up)
    await local.jobs.delete(TOOL, "web")
    with socket.create_server(("127.0.0.1", site.port)):
        await shims_left(site.root, 0)

    async def cleared() -> bool | None:
        left = [*site.root.glob("tools/*/jobs/*"), *site.root.glob("tools/*/removed/*")]
        return True if not left else None

    await until(cleared)


async def test_a_job_may_change_its_kind(site: Site, local: LocalBackend) -> None:
    await local.jobs.apply(TOOL, site.serving("one"))
    await job_that(local, is_up)
    nightly = ScheduledRun(command="true", schedule="@daily")
    applied = await local.jobs.apply(TOOL, base.JobSpec("web", site.image, nightly))
    [job] = await local.jobs.list(TOOL)
    assert (applied.change, job.kind) == (JobChange.UPDATED, base.JobKind.SCHEDULED)
    await shims_left(site.root, 0)
    await local.jobs.apply(TOOL, site.serving("two"))
    await job_that(local, is_up)
    assert (await site.ask()).startswith("two")


async def test_closing_ends_every_process_and_stops_what_ignores_it(site: Site) -> None:
    stubborn = f"""sh -c 'trap "" TERM; echo ready; exec {localbackend.PYTHON} server.py one'"""
    spec = site.serving("one")
    spec = replace(spec, run=spec.run.model_copy(update={"command": stubborn}))
    async with site.backend() as local:
        await local.jobs.apply(TOOL, spec)
        await job_that(local, is_up)
        pid = pid_in(await site.ask())
    assert not alive(pid)
    assert running_in(site.root) == 0
