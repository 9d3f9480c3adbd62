"""One bounded git process: GitPython starts it, and it cannot outlive, outgrow or prompt.

A time limit, a limit on what is read from it, a memory limit on it and its children, a process
group of its own that is killed as a whole. It sees no user or system config and no credentials.
Used by `ls_remote` only; what the arguments mean is decided there.
"""

import asyncio
import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import cast

import git

MAX_MEMORY_BYTES = 192 * 1024 * 1024
MAX_COMPLAINT_BYTES = 256 * 1024
_CHUNK = 64 * 1024


class TimedOut(Exception):
    """The process did not end in time and was killed."""


class TooMuch(Exception):
    """The process said more than it may and was killed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that ended by itself."""

    code: int
    output: bytes
    complaint: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How long it may take, and how many bytes it may print and each of its processes may have."""

    time: timedelta
    output: int
    memory: int = MAX_MEMORY_BYTES


class GitProcesses:
    """Runs git in threads, at most `workers` at once."""

    def __init__(self, workers: int = 16) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="git")

    async def run(
        self,
        arguments: Sequence[str],
        config: Mapping[str, str],
        variables: Mapping[str, str],
        limits: Limits,
    ) -> Ended:
        """Run `git <arguments>` with git config `config` and environment `variables`.

        Raises TimedOut or TooMuch. Cancelling kills the process.
        """
        env = environment(config) | dict(variables)
        running = _Running(("git", *arguments), env, limits)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, running.finish)
        except asyncio.CancelledError:
            running.kill()
            raise

    def close(self) -> None:
        """Take no more work. Running processes end by their own time limit."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def environment(config: Mapping[str, str]) -> dict[str, str]:
    """The variables that shut out everything but `config`, which is git config as key → value."""
    settings = {
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": str(len(config)),
        # A directory that is no repository: the working directory's config must not count.
        "GIT_DIR": os.devnull,
        "HOME": "/nonexistent",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
    }
    for number, (key, value) in enumerate(config.items()):
        settings |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return settings


class _Running:
    """A process and the thread that reads it."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], limits: Limits) -> None:
        self._command = command
        self._env = env
        self._limits = limits
        self._killed = False
        self._pid: int | None = None

    def finish(self) -> Ended:
        """Start it and read it to its end. Runs in a worker thread."""
        deadline = time.monotonic() + self._limits.time.total_seconds()
        # GitPython's wrapper ends the process when it is dropped, so it is held to the end.
        wrapper = git.cmd.Git("/").execute(
            limited(self._command, self._limits.memory),
            env=self._env,
            as_process=True,
            start_new_session=True,
        )
        process = cast("subprocess.Popen[bytes]", wrapper.proc)
        self._pid = process.pid
        if self._killed:
            self.kill()
        with process:
            try:
                output, complaint = self._read(process, deadline)
                code = process.wait(max(0.1, deadline - time.monotonic()))
                return Ended(code, output, complaint.decode("utf-8", "replace"))
            except subprocess.TimeoutExpired:
                raise TimedOut from None
            finally:
                if process.returncode is None:
                    self.kill()
                    process.wait()
                self._pid = None

    def kill(self) -> None:
        """End the whole process group. Safe to call from another thread, and more than once."""
        self._killed = True
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)

    def _read(self, process: "subprocess.Popen[bytes]", deadline: float) -> tuple[bytes, bytes]:
        """Both streams to their ends. Complaints beyond the limit are dropped, not an error."""
        output, complaint = bytearray(), bytearray()
        with selectors.DefaultSelector() as selector:
            for stream, collected in ((process.stdout, output), (process.stderr, complaint)):
                if stream is not None:
                    selector.register(stream, selectors.EVENT_READ, collected)
            while selector.get_map():
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready or time.monotonic() > deadline:
                    raise TimedOut
                for key, _ in ready:
                    chunk = os.read(key.fd, _CHUNK)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    key.data.extend(chunk)
                del complaint[MAX_COMPLAINT_BYTES:]
                if len(output) > self._limits.output:
                    raise TooMuch
        return bytes(output), bytes(complaint)


def limited(command: Sequence[str], memory: int) -> list[str]:
    """The command with a limit on the memory of it and of each process that it starts.

    By a program of util-linux, which every Linux has, before git begins: set from here afterwards,
    the limit would miss a child that git has started meanwhile, and code between fork and exec is
    not safe in a program with threads. Elsewhere time and output are limited, memory is not.
    """
    prlimit = shutil.which("prlimit")
    return [prlimit, f"--as={memory}", *command] if prlimit else list(command)
