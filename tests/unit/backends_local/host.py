"""A ptd that can be killed: hosts a local backend on a directory, as a program of its own.

`python -m tests.unit.backends_local.host ROOT LINGER` reads one request per line from its input
(`{"job": …}` or `{"build": …}`), carries it out, and writes a line when the job is up or the build
runs. It ends with SIGKILL only.
"""

import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from controller import errors
from controller.backends import base
from controller.backends.local.backend import LocalBackend
from tests.support import localbackend
from tests.unit.backends_local.site import TOOL, is_up, job_that, until

JOB = TypeAdapter(base.JobSpec)
BUILD = TypeAdapter(base.BuildRequest)


async def host(root: Path, linger: float) -> None:
    settings = replace(localbackend.QUICK, linger=localbackend.seconds(linger))
    async with LocalBackend(root, settings, localbackend.now) as local:
        say("here")
        while line := await asyncio.to_thread(sys.stdin.readline):
            request = json.loads(line)
            if "job" in request:
                await local.jobs.apply(TOOL, JOB.validate_python(request["job"]))
                await job_that(local, lambda job: is_up(job) and job.serving is None)
            else:
                await local.builds.start(TOOL, BUILD.validate_python(request["build"]))
                await until(lambda: _builder_prints(root))
            say("done")


async def _builder_prints(root: Path) -> bool | None:
    return any(log.stat().st_size for log in root.glob("tools/*/builds/*/logs/*")) or None


def say(word: str) -> None:
    sys.stdout.write(word + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        asyncio.run(host(Path(sys.argv[1]), float(sys.argv[2])))
    except errors.Terminal as refused:
        say(f"refused: {refused.message}")
