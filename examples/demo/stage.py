"""What the demo happens with: a folder, a git server, two repositories, and a `ptd local`.

All of it lives in the folder and on loopback, and is gone at the end of the `async with`. `ptd
local` is a process of its own, started and ended as a person would.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from tests.support.githttp import GitServer

EXAMPLES = Path(__file__).resolve().parents[1]
TOOL = "demo"

# Short times, so that the demo ends within a minute; the defaults suit real builds.
_SETTINGS = {
    "PTD_POLL_INTERVAL_MIN": "1s",
    "PTD_SETTLE_TIME": "1s",
    "PTD_START_TIMEOUT": "6s",
}
_PATIENCE_SECONDS = 20.0
_GIT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


class Repository:
    """A tenant's working copy; `push` publishes what changed."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self.address = folder, address

    def push(self, message: str) -> str:
        """Commit everything and push it; answers the commit."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)
        self._git("push", "--quiet", "origin", "HEAD:main")
        return self._git("rev-parse", "HEAD")

    def start(self) -> None:
        """Make the folder a repository whose origin is the git server."""
        self._git("init", "--quiet", "--initial-branch", "main")
        self._git("remote", "add", "origin", self.address)

    def _git(self, *words: str) -> str:
        command = ("git", "-C", str(self.folder), *words)
        done = subprocess.run(
            command, check=True, capture_output=True, text=True, env=os.environ | _GIT, timeout=20
        )
        return done.stdout.strip()


class Stage:
    """The folder and everything in it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.kubeconfig = self.data / "kubeconfig"
        self.log = folder / "ptd-local.log"
        self.page_port = _free_port()
        self._folder = folder
        self._git = GitServer(folder / "git-host")
        self._ptd: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self._git.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop_ptd()
        await self._git.__aexit__(kind, error, trace)

    async def start_ptd(self) -> None:
        """Start `ptd local` and wait until it has written its kubeconfig."""
        command = ("local", "--data", str(self.data), "--port", "0", "--tool", TOOL)
        with self.log.open("wb") as log:
            self._ptd = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "controller", *command),
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | _SETTINGS,
            )
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not self.kubeconfig.is_file():
                if self._ptd.returncode is not None:
                    raise ChildProcessError(f"ptd local ended with {self._ptd.returncode}")
                await asyncio.sleep(0.05)

    async def stop_ptd(self) -> int | None:
        """Interrupt `ptd local` as Ctrl-C does; its exit code, None when it did not run."""
        if self._ptd is None:
            return None
        if self._ptd.returncode is None:
            self._ptd.send_signal(signal.SIGINT)
            try:
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    await self._ptd.wait()
            except TimeoutError:
                self._ptd.kill()
        return await self._ptd.wait()

    async def ptd(self, *words: str) -> str:
        """Run a `ptd` command against this stage; what it printed."""
        command = (sys.executable, "-m", "controller", *words, "--kubeconfig", str(self.kubeconfig))
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = await process.communicate()
        if process.returncode != 0:
            raise ChildProcessError(f"ptd {' '.join(words)} failed: {output.decode().strip()}")
        return output.decode().strip()

    async def publish(self, name: str) -> Repository:
        """Make a repository on the git server from `examples/<name>`, with a first commit."""
        self._git.repository(f"{name}.git")
        copy = self._folder / "work" / name
        await asyncio.to_thread(_copy, EXAMPLES / name, copy)
        repository = Repository(copy, self._git.address(f"{name}.git"))
        await asyncio.to_thread(repository.start)
        await asyncio.to_thread(repository.push, "First version")
        return repository

    def write_config(self, *repositories: Repository) -> Path:
        """The example's config with this stage's addresses, port and a quick poll interval."""
        config = yaml.safe_load((EXAMPLES / "toolforge.yaml").read_text())
        addresses = {repository.folder.name: repository.address for repository in repositories}
        for name, address in addresses.items():
            config["components"][name]["build"]["repository"] = address
        config["components"]["web"]["run"]["port"] = self.page_port
        config["poll_interval"] = "1s"
        path = self._folder / "toolforge.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return path


def last_lines(folder: Path, count: int = 15) -> list[str]:
    """The end of `ptd local`'s log, for a demo that went wrong."""
    log = folder / "ptd-local.log"
    return log.read_text(errors="replace").splitlines()[-count:] if log.is_file() else []


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True)
    for path in source.iterdir():
        if path.is_file():
            (target / path.name).write_bytes(path.read_bytes())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
