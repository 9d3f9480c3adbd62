"""Scheduled jobs: when they run, how often they try, what is remembered.

No test waits for a minute to begin: a run that was due shortly before ptd came is caught up.
"""

import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from controller import errors
from controller.backends import base
from controller.backends.local.backend import LocalBackend
from controller.models.reasons import Reason
from controller.models.toolconfig import ScheduledRun
from controller.models.tooldeployment import JobChange
from tests.support import localbackend
from tests.unit.backends_local.site import TOOL, Site, alive, job_that, until

LONG_AGO = timedelta(hours=2)
SETTINGS = replace(localbackend.QUICK, missed_run_grace=timedelta(minutes=10))


def hourly(site: Site, command: str, **settings: object) -> base.JobSpec:
    """A job that was due in this minute, and is due in an hour again."""
    schedule = f"{localbackend.now().minute} * * * *"
    run = ScheduledRun.model_validate({"command": command, "schedule": schedule, **settings})
    return base.JobSpec("tidy", site.image, run)


@asynccontextmanager
async def due(site: Site, spec: base.JobSpec) -> AsyncIterator[LocalBackend]:
    """A backend that finds the job installed long ago, and its last run missed."""

    def earlier() -> datetime:
        return localbackend.now() - LONG_AGO

    async with LocalBackend(site.root, SETTINGS, earlier) as before:
        await before.jobs.apply(TOOL, spec)
    async with LocalBackend(site.root, SETTINGS, localbackend.now) as local:
        yield local


def last_run(job: base.Job) -> str:
    """How the last run ended, without when; "" before it did."""
    words = [word for word in job.status.messages if word.startswith("last run: ")]
    return words[0].partition(" UTC ")[2] if words else ""


async def printed(local: LocalBackend) -> list[str]:
    return [line.partition(" ")[2] async for line in local.jobs.log(TOOL, "tidy")]


async def test_an_installed_job_says_when_it_runs_next(site: Site, local: LocalBackend) -> None:
    spec = hourly(site, "true", schedule="@hourly")
    await local.jobs.apply(TOOL, spec)
    [job] = await local.jobs.list(TOOL)
    assert (job.status.phase, job.status.trouble) == (base.JobPhase.INSTALLED, None)
    assert job.status.messages[0].startswith("next run: ")


async def test_a_run_that_was_just_missed_is_caught_up_once(site: Site) -> None:
    spec = hourly(site, "echo tidied")
    async with due(site, spec) as local:
        job = await job_that(local, lambda job: last_run(job) != "")
        assert last_run(job) == "exited with code 0 (try 1)"
        assert await printed(local) == ["tidied", "[exited with code 0]"]
    async with LocalBackend(site.root, localbackend.QUICK, localbackend.now) as local:
        assert await printed(local) == ["tidied", "[exited with code 0]"]


async def test_a_run_that_fails_is_tried_again_so_often(site: Site) -> None:
    again = re.compile(r" in [0-9.]+ s")
    async with due(site, hourly(site, "sh -c 'echo tried; exit 4'", retry=2)) as local:
        job = await job_that(local, lambda job: last_run(job) != "")
        assert last_run(job) == "exited with code 4 (try 3)"
        assert [again.sub("", line) for line in await printed(local)] == [
            "tried",
            "[exited with code 4; tried again]",
            "tried",
            "[exited with code 4; tried again]",
            "tried",
            "[exited with code 4]",
        ]


async def test_a_run_that_takes_too_long_is_ended(site: Site) -> None:
    async with due(site, hourly(site, "sleep 1000", timeout=1)) as local:
        job = await job_that(local, lambda job: last_run(job) != "")
        assert last_run(job) == "ran longer than it may and was stopped (try 1)"


async def test_a_run_that_kills_its_shim_is_a_try_that_failed(site: Site) -> None:
    async with due(site, hourly(site, "sh -c 'kill -9 $PPID'", retry=1)) as local:
        job = await job_that(local, lambda job: last_run(job) != "")
        assert last_run(job) == "was killed together with its shim (try 2)"


async def test_a_run_that_is_going_outlives_ptd_and_an_update(site: Site) -> None:
    spec = hourly(site, "sh -c 'echo $$; exec sleep 1000'")
    async with due(site, spec) as local:

        async def begun() -> int | None:
            return next((int(line) for line in await printed(local)), None)

        pid = await until(begun)
        changed = hourly(site, "echo other")
        assert (await local.jobs.apply(TOOL, changed)).change is JobChange.UPDATED
        await local.close(stop_jobs=False)
    assert alive(pid)
    async with LocalBackend(site.root, SETTINGS, localbackend.now) as local:
        [job] = await local.jobs.list(TOOL)
        assert job.spec == changed
        os.kill(pid, signal.SIGTERM)
        job = await job_that(local, lambda job: last_run(job) != "")
        assert last_run(job) == "was killed by SIGTERM (try 1)"


async def test_deleting_a_job_ends_its_run(site: Site) -> None:
    async with due(site, hourly(site, "sh -c 'echo $$; exec sleep 1000'")) as local:

        async def begun() -> int | None:
            return next((int(line) for line in await printed(local)), None)

        pid = await until(begun)
        await local.jobs.delete(TOOL, "tidy")

        async def ended() -> bool | None:
            return None if alive(pid) else True

        assert await until(ended)


async def test_a_missing_image_is_named_and_ends_the_run(site: Site) -> None:
    spec = replace(hourly(site, "true"), image=f"local/{TOOL}/web@sha256:{'0' * 64}")
    async with due(site, spec) as local:
        job = await job_that(local, lambda job: last_run(job) != "")
        assert job.status.trouble is Reason.IMAGE_UNAVAILABLE
        assert last_run(job) == "the image was not on this machine (try 1)"


async def test_a_schedule_that_is_wrong_is_refused(site: Site, local: LocalBackend) -> None:
    with pytest.raises(errors.Terminal) as refused:
        await local.jobs.apply(TOOL, hourly(site, "true", schedule="0 0 31 2 *"))
    assert (refused.value.reason, refused.value.message) == (
        Reason.JOB_REFUSED,
        "schedule: there is no such day: '0 0 31 2 *'",
    )
    assert list(await local.jobs.list(TOOL)) == []


async def test_only_the_newest_runs_are_remembered(site: Site) -> None:
    async with due(site, hourly(site, "true")) as local:
        await job_that(local, lambda job: last_run(job) != "")
        file = site.root / "tools" / TOOL / "jobs" / "tidy" / "runs.json"
        assert len(json.loads(file.read_text())["finished"]) == 1
