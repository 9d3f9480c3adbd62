"""Control planes that are killed: a process that begins one for each folder that it is told.

`python -m tests.faults.keeper` reads folders, one a line, and forks for each, because to import
everything takes longer than a control plane lives here. It prints the new process, which prints
where it listens, and then the number 0 when that process has ended. `Keeper` is its other end.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from controller.local.server import ControlPlane

ROOT = Path(__file__).parents[2]


class Keeper:
    """Begins a control plane, and kills it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._pid = 0

    async def begin(self, folder: Path) -> None:
        """Start one; it is not ready yet."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{folder}\n".encode())
        self._pid = int(await self._line())

    async def ready(self) -> tuple[str, str]:
        """Its address and its token."""
        url, token = (await self._line()).split()
        return url, token

    async def kill(self) -> None:
        """kill -9, and wait until it is dead."""
        os.kill(self._pid, signal.SIGKILL)
        while await self._line() != "0":
            pass
        self._pid = 0

    async def end(self) -> None:
        """Nothing is left."""
        if self._pid:
            await self.kill()
        self._process.kill()
        await self._process.wait()

    async def _line(self) -> str:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the keeper has ended"
        return line.decode().strip()


@asynccontextmanager
async def kept() -> AsyncIterator[Keeper]:
    """A keeper, and its end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.keeper"),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    keeper = Keeper(process)
    try:
        yield keeper
    finally:
        await keeper.end()


async def _serve(folder: Path) -> None:
    async with ControlPlane(folder / "state.db") as plane:
        _say(f"{plane.url} {plane.token}")
        await asyncio.Event().wait()


def _say(line: str) -> None:
    # In one write, whatever PYTHONUNBUFFERED says: half a line would swallow the one after a kill.
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def main() -> None:
    """Until nobody tells a folder any more."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            asyncio.run(_serve(Path(line.strip())))
        _say(str(pid))
        os.waitpid(pid, 0)
        _say("0")


if __name__ == "__main__":
    main()
