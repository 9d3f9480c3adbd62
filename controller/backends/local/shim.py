"""The shim: one small process that stays with one command, whatever happens to ptd.

Started by `shims.start` as `python -I -S shim.py DIRECTORY`, once for every run of a replica and
for every build. It holds DIRECTORY/lock (so nothing ever runs there twice), starts the command of
spec.json in its own process group, writes its output with time stamps to a rotated log, ends it on
SIGTERM, at its time limit, and when no ptd has held the root's lock for `linger` seconds, and says
in exit.json how it ended. Stands alone: nothing but the standard library and `logfile`.
"""

# It starts in milliseconds, so no pathlib.
# ruff: noqa: PTH105, PTH108, PTH110, PTH112, PTH123

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from typing import Any

if __name__ == "__main__":  # by its path, without site-packages: where this package is
    sys.path.append(__file__.rsplit(os.sep, 4)[0])

from controller.backends.local import logfile

LOCK_TAKEN = 75
_LOCK_WAIT = 2.0  # ptd holds the lock for moments, when it looks or cleans up
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def main(directory: str) -> int:
    """Run the command of `directory` unless it runs or has ended already."""
    with contextlib.suppress(PermissionError):  # already the leader of a session
        os.setsid()
    try:
        os.chdir(directory)
        lock = _take_lock("lock")
    except FileNotFoundError:
        return 0  # removed before we came
    if lock is None:
        return LOCK_TAKEN
    spec = _read("spec.json")
    if not spec or _read("exit.json").get("run") == spec["run"]:
        return 0
    Shim(spec).run()
    return 0


class Shim:
    """One command from start to end."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        log = spec["log"]
        self._log = logfile.Log(log["path"], log["max_bytes"], log["files"])
        self._keeper = Keeper(spec["keeper"], spec["linger"])
        self._reason = ""  # why we ended it; "" when it ended by itself
        self._kill_at: float | None = None
        self._status: int | None = None
        self._child = 0
        self._poller = selectors.DefaultSelector()
        self._wake, wake_end = _pipe()
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._deadline = time.monotonic() + spec["timeout"] if spec["timeout"] else None

    def run(self) -> None:
        """Start it, stay with it, tell how it ended."""
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)  # what it leaves behind becomes ours to end
        _write("pid", str(os.getpid()))
        started, error = time.time(), ""
        try:
            output = self._start()
        except (OSError, ValueError, subprocess.SubprocessError) as failure:
            error = _start_error(self._spec, failure)
            self._status = 127 << 8
        else:
            self._stay(output)
            self._end_rest()
            self._drain(output)
        self._log.close()
        self._tell(started, error)
        with contextlib.suppress(FileNotFoundError):
            os.unlink("pid")  # what is left by an unclean end tells ptd to look for orphans

    def _start(self) -> int:
        reading, writing = _pipe()
        os.set_blocking(writing, True)
        parent, limits = os.getpid(), self._spec["limits"]
        process = subprocess.Popen(
            self._spec["argv"],
            cwd=self._spec["cwd"],
            env={**self._spec["env"], "PTD_RUN": self._spec["run"]},
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            preexec_fn=lambda: _become_child(parent, limits),  # noqa: PLW1509  (no threads here)
        )
        process.returncode = 0  # reaped below together with adopted orphans, not by Popen
        os.close(writing)
        self._child = process.pid
        return reading

    def _stay(self, output: int) -> None:
        self._poller.register(output, selectors.EVENT_READ)
        self._poller.register(self._wake, selectors.EVENT_READ)
        while self._status is None:
            for key, _ in self._poller.select(self._next_timer()):
                if key.fd == self._wake:
                    self._on_signals(os.read(self._wake, 512))
                elif not self._log.copy(output):
                    self._poller.unregister(output)
            self._reap()
            self._on_timers()

    def _on_signals(self, numbers: bytes) -> None:
        if signal.SIGTERM in numbers or signal.SIGINT in numbers:
            self._stop("stopped")

    def _next_timer(self) -> float:
        timers = [self._keeper.next_look, self._deadline, self._kill_at]
        return max(0.0, min(t for t in timers if t is not None) - time.monotonic())

    def _on_timers(self) -> None:
        now = time.monotonic()
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            self._stop("timeout")
        if self._keeper.gone(now):
            self._stop("linger")
        if self._kill_at is not None and now >= self._kill_at:
            self._kill_at = now + 1
            self._signal(signal.SIGKILL)

    def _stop(self, reason: str) -> None:
        if not self._reason and self._status is None:
            self._reason = reason
            self._kill_at = time.monotonic() + self._spec["grace"]
            self._signal(signal.SIGTERM)

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._child, number)

    def _reap(self) -> bool:
        """Collect whoever ended; False when there is no child left at all."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._child:
                self._status = status

    def _end_rest(self) -> None:
        """The command is over: whatever it started is over too, as in a container."""
        deadline = time.monotonic() + 5
        self._signal(signal.SIGKILL)
        while self._reap() and time.monotonic() < deadline:
            for pid in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)

    def _drain(self, output: int) -> None:
        while self._log.copy(output):
            if not _readable(output):
                break
        os.close(output)

    def _tell(self, started: float, error: str) -> None:
        code = os.waitstatus_to_exitcode(self._status or 0)
        story = {
            "run": self._spec["run"],
            "code": max(code, 0) if code >= 0 else None,
            "signal": -code if code < 0 else None,
            "reason": self._reason,
            "error": error,
            "started": started,
            "ended": time.time(),
        }
        for _ in range(60):  # a full disk may pass; without this file it counts as a crash
            with contextlib.suppress(OSError):
                _write("exit.json", json.dumps(story), durable=True)
                return
            if not os.path.exists("lock"):
                return  # our directory is gone, and with it whoever wants to know
            time.sleep(1)


class Keeper:
    """Whether a ptd still looks after this root: it holds an flock for as long as it lives."""

    def __init__(self, path: str, linger: float) -> None:
        self._path, self._linger = path, linger
        self._every = min(5.0, max(0.1, linger / 4))
        self._last_seen = time.monotonic()
        self.next_look = self._last_seen + self._every

    def gone(self, now: float) -> bool:
        """Whether nobody has held it for longer than the linger time."""
        if now >= self.next_look:
            self.next_look = now + self._every
            if self._held():
                self._last_seen = now
        return now - self._last_seen > self._linger

    def _held(self) -> bool:
        try:
            file = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False


def _become_child(parent: int, limits: dict[str, int]) -> None:
    """Between fork and exec: own process group, own limits, and no life after the shim's."""
    os.setpgid(0, 0)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    for name, value in limits.items():
        _, hard = resource.getrlimit(getattr(resource, name))
        soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(getattr(resource, name), (soft, hard))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def _readable(descriptor: int) -> bool:
    with selectors.DefaultSelector() as poller:
        poller.register(descriptor, selectors.EVENT_READ)
        return bool(poller.select(0))


def _pipe() -> tuple[int, int]:
    pair = os.pipe()
    for end in pair:
        os.set_blocking(end, False)
    return pair


def _start_error(spec: dict[str, Any], failure: Exception) -> str:
    if isinstance(failure, FileNotFoundError) and os.path.isdir(spec["cwd"]):
        return f"command not found: {spec['argv'][0]}"
    return f"could not start {spec['argv'][0]}: {failure}"


def _take_lock(path: str) -> int | None:
    deadline = time.monotonic() + _LOCK_WAIT
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                return None
            time.sleep(0.02)
        else:
            return file


def _read(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _write(path: str, text: str, *, durable: bool = False) -> None:
    with open(f".{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    os.replace(f".{path}.new", path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
