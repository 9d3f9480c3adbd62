"""Start, find again, wait for and stop shims: ptd's side of `shim.py`.

Called by the build service and by the instances of jobs. What is true is read from the directory
(lock, pid, exit.json), never remembered, so that it is the same after a kill of ptd.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from controller import errors
from controller.backends.local import files
from controller.models.reasons import Reason

NOT_FOUND = "command not found: "  # how the shim begins to say so
_PROGRAM = Path(__file__).with_name("shim.py")
_SHORTLY = 0.02
_AGAIN = 0.25
_OVERTIME = 10.0  # what a shim gets on top of its grace before it is killed itself


@dataclass(frozen=True, slots=True)
class LogFile:
    """Where the output goes (relative to the shim's directory), and how much of it is kept."""

    path: str
    max_bytes: int
    files: int


@dataclass(frozen=True, slots=True)
class Command:
    """What a shim is to run. `limits`: names of `resource` and bytes; `timeout` zero: none."""

    argv: tuple[str, ...]
    cwd: str
    env: Mapping[str, str] = field(repr=False)  # may hold secrets
    log: LogFile
    keeper: str
    linger: timedelta
    grace: timedelta
    timeout: timedelta = timedelta()
    limits: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Exit:
    """How a command ended. `reason`: "" by itself, else `stopped`, `timeout` or `linger`."""

    code: int | None
    signal: int | None
    reason: str
    error: str
    ended: datetime

    @property
    def succeeded(self) -> bool:
        """Whether it ended by itself and well."""
        return self.code == 0 and not self.reason and not self.error

    @property
    def by_itself(self) -> bool:
        """Whether nobody made it end."""
        return self.reason == ""

    @property
    def text(self) -> str:
        """How it ended, for people."""
        if self.error:
            return self.error
        if self.reason == "timeout":
            return "ran longer than it may and was stopped"
        if self.signal is not None:
            with contextlib.suppress(ValueError):
                return f"was killed by {signal.Signals(self.signal).name}"
            return f"was killed by signal {self.signal}"
        return f"exited with code {self.code}"


@dataclass(frozen=True, slots=True)
class Shim:
    """A shim that runs, whoever started it."""

    directory: Path
    pid: int

    async def wait(self) -> Exit | None:
        """Until it has ended; None when it was killed and could not say how the command ended."""
        await _gone(self.pid)
        _collect(self.pid)
        successor = await find(self.directory)  # another one held the lock, or took it since
        return await successor.wait() if successor else last_exit(self.directory)

    def terminate(self) -> None:
        """Ask it to end its command: SIGTERM, grace, SIGKILL."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)


async def start(directory: Path, command: Command) -> Shim:
    """Run `command` in `directory`, or join what runs there already. Raises Transient."""
    while True:
        with files.try_lock(directory / "lock") as free:
            if free:
                await _end_orphans(directory)
                files.write_json(directory / "spec.json", _spec(command))
        if free:
            return Shim(directory, _spawn(directory))
        if running := await find(directory):
            return running


async def find(directory: Path) -> Shim | None:
    """The shim that runs in `directory`, whoever started it."""
    while True:
        with files.try_lock(directory / "lock") as free:
            if free:
                return None
        with contextlib.suppress(OSError, ValueError):
            return Shim(directory, int((directory / "pid").read_text()))
        await asyncio.sleep(_SHORTLY)  # between its lock and its pid, or just another look


async def end(directory: Path) -> Shim | None:
    """Ask what runs in `directory` to end; None when nothing does, nor is about to."""
    while True:
        if shim := await find(directory):
            shim.terminate()
            return shim
        with files.try_lock(directory / "lock") as free:
            if free:
                await _end_orphans(directory)
                _call_off(directory)
                return None


async def stop(directory: Path) -> None:
    """Return when nothing runs in `directory` any more."""
    grace = float(files.read_json(directory / "spec.json").get("grace", 0))
    while shim := await end(directory):
        try:
            async with asyncio.timeout(grace + _OVERTIME):
                await shim.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.kill(shim.pid, signal.SIGKILL)


async def remove(directory: Path) -> None:
    """End what runs in `directory` and delete it; nothing can be started there meanwhile."""
    while directory.exists():
        await stop(directory)
        with files.try_lock(directory / "lock") as free:
            if free:
                await asyncio.to_thread(files.remove_tree, directory)
        if directory.exists():
            await asyncio.sleep(_AGAIN)


def never_began(why: str) -> Exit:
    """The end of a command that could not be started."""
    return Exit(None, None, "", why, datetime.now(UTC))


def lost() -> Exit:
    """The end of a command whose shim was killed, so that nobody saw it."""
    return never_began("was killed together with its shim")


def last_exit(directory: Path) -> Exit | None:
    """How the newest run ended, if its shim could say so."""
    run = files.read_json(directory / "spec.json").get("run")
    story = files.read_json(directory / "exit.json")
    if run is None or story.get("run") != run:
        return None
    return Exit(
        story["code"],
        story["signal"],
        story["reason"],
        story["error"],
        datetime.fromtimestamp(story["ended"], UTC),
    )


def _spec(command: Command) -> dict[str, Any]:
    """What is written down for the shim: a new run of the command."""
    return {
        **asdict(command),
        "run": secrets.token_hex(8),
        "linger": command.linger.total_seconds(),
        "grace": command.grace.total_seconds(),
        "timeout": command.timeout.total_seconds(),
    }


def _call_off(directory: Path) -> None:
    """Say that the newest run is over: a shim that was started and not yet there will not begin."""
    run = files.read_json(directory / "spec.json").get("run")
    if run is None or files.read_json(directory / "exit.json").get("run") == run:
        return
    story = {"run": run, "code": None, "signal": None, "reason": "stopped", "error": ""}
    now = datetime.now(UTC).timestamp()
    files.write_json(directory / "exit.json", {**story, "started": now, "ended": now})


def _spawn(directory: Path) -> int:
    quiet = [(os.POSIX_SPAWN_OPEN, end, os.devnull, os.O_RDWR, 0) for end in (0, 1, 2)]
    argv = [sys.executable, "-I", "-S", str(_PROGRAM), str(directory)]
    try:
        return os.posix_spawn(
            sys.executable,
            argv,
            {"LANG": "C.UTF-8"},  # nothing of ours reaches the command
            file_actions=quiet,
            setsigmask=(),
            setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGCHLD),
        )
    except OSError as error:  # too many processes, no memory, our Python is being replaced
        message = f"no process could be started: {error.strerror}"
        raise errors.Transient(Reason.PLATFORM_UNAVAILABLE, message) from error


async def _gone(pid: int) -> None:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # not Linux, or a kernel before 5.3
        await _gone_by_looking(pid)
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def _gone_by_looking(pid: int) -> None:
    while psutil.pid_exists(pid) and not _is_zombie(pid):  # noqa: ASYNC110
        await asyncio.sleep(0.25)  # there is nothing here that could set an event


def _collect(pid: int) -> None:
    """Take the status of a process that has ended, so that no child of ours stays a zombie."""
    with contextlib.suppress(ChildProcessError):  # an earlier ptd's
        os.waitpid(pid, os.WNOHANG)


def _is_zombie(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return True


async def _end_orphans(directory: Path) -> None:
    """End what a killed shim left behind. A shim that ended in order removed its pid file.

    The pid may be a stranger's by now, so it is put out of sight before anything else.
    """
    killed = directory / "killed"
    with contextlib.suppress(FileNotFoundError):
        (directory / "pid").replace(killed)
    if not killed.exists():
        return
    run = files.read_json(directory / "spec.json").get("run")
    await asyncio.to_thread(_kill_run, run)
    killed.unlink(missing_ok=True)


def _kill_run(run: str | None) -> None:
    """Kill every process that carries the run's mark in its environment."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if run is not None and process.environ().get("PTD_RUN") == run:
                process.kill()
