"""A root for a local backend, what its component answers, and waiting for what must come."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import psutil

from controller.backends import base
from controller.backends.local.backend import LocalBackend
from controller.models.toolconfig import ContinuousRun
from tests.support import localbackend

T = TypeVar("T")
TOOL = "tool-a"


class Site:
    """One root, the backend on it, and what its component answers."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.port = localbackend.free_port()
        self.image = localbackend.make_image(root)

    def backend(self, *, patience: float | None = None) -> LocalBackend:
        """A ptd on this root; `patience`: seconds for a start, where one is to be given up."""
        settings = localbackend.QUICK
        if patience is not None:
            given = localbackend.seconds(patience)
            settings = replace(settings, health=replace(settings.health, start_timeout=given))
        return LocalBackend(self.root, settings, localbackend.now)

    def serving(self, words: str, **settings: object) -> base.JobSpec:
        """A job `web` that answers `words` on the site's port, with an http health check."""
        settings = {"port": self.port, "health_check_http": "/", **settings}
        command = f"{localbackend.PYTHON} server.py {words}"
        run = ContinuousRun.model_validate({"command": command, **settings})
        return base.JobSpec("web", self.image, run)

    async def ask(self) -> str:
        """What the declared port answers: the component's words, then its pid."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.0 200"), head
            return body.decode()
        finally:
            writer.close()


async def until(probe: Callable[[], Awaitable[T | None]]) -> T:
    """What `probe` answers when it does; the test's own limit ends the waiting."""
    while (found := await probe()) is None:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return found


async def job_that(local: LocalBackend, holds: Callable[[base.Job], bool]) -> base.Job:
    """The only job, when `holds` says yes of it."""

    async def probe() -> base.Job | None:
        return next((job for job in await local.jobs.list(TOOL) if holds(job)), None)

    return await until(probe)


def is_up(job: base.Job) -> bool:
    return job.status.phase is base.JobPhase.UP


def pid_in(answer: str) -> int:
    """The pid at the end of what the server answers."""
    return int(answer.rsplit(maxsplit=1)[-1])


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


async def gone(pid: int) -> None:
    """Until the process has ended."""
    while alive(pid):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def shims_left(root: Path, number: int) -> None:
    """Until no more than so many shims work below a root."""
    while running_in(root) > number:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def running_in(root: Path) -> int:
    """How many shims work below a root."""
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return sum("shim.py" in (line := " ".join(c)) and str(root) in line for c in commands)
