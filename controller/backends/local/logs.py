"""Read what shims wrote: the last lines, and what follows, across rotation and several files.

Used for builds and for jobs. Lines begin with a UTC time stamp, which is what puts the lines of
several files in order. `note` adds how a process ended, which no process can print itself.
"""

import asyncio
import contextlib
import heapq
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

POLL = timedelta(seconds=0.25)
_BLOCK = 64 * 1024
_NO_ENDS: Mapping[Path, int] = MappingProxyType({})
_STAMP = len("2026-11-21T23:01:49.059Z ")


def note(path: Path, text: str, now: datetime) -> None:
    """Add a line of our own, in brackets, to the log of a process that has ended.

    What finds no room on the disk is left out: the record of the end does not depend on it.
    """
    stamp = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z"
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, f"{stamp} [{text}]\n".encode())
        finally:
            os.close(file)


def tail(path: Path, lines: int, until: int | None = None) -> list[str]:
    """The last lines of a log file and of its rotated predecessors, oldest first.

    `until`: of the file itself only so many bytes count.
    """
    found: list[str] = []
    for part in _parts(path):
        if len(found) >= lines:
            break
        try:
            with part.open("rb") as file:
                end = _whole_lines(file, until if part == path else None)
                found = _last_lines(file, end, lines - len(found)) + found
        except FileNotFoundError:
            break
    return found


def without_stamps(lines: list[str]) -> tuple[str, ...]:
    """The lines as the command wrote them."""
    return tuple(line[_STAMP:] for line in lines)


def files_in(directory: Path) -> list[Path]:
    """The log files of a directory, oldest generation first; rotated ones are left out."""
    return sorted(directory.glob("*.log"), key=lambda path: (generation_of(path), path.name))


def forget(directory: Path, keep: int = 3) -> None:
    """Delete the logs of all but the newest generations (`<generation>-<replica>.log`)."""
    generations = sorted({generation_of(path) for path in files_in(directory)})
    for generation in generations[:-keep]:
        for path in directory.glob(f"{generation}-*"):
            path.unlink(missing_ok=True)


def generation_of(path: Path) -> int:
    """The generation of a job's log file or instance directory."""
    return int(path.name.partition("-")[0])


def merged_tail(
    paths: Sequence[Path],
    lines: int,
    label: Callable[[Path], str],
    until: Mapping[Path, int] = _NO_ENDS,
) -> list[str]:
    """The last lines of several files together, in the order of time; `until`: see `tail`."""
    sources = [
        [label(path) + line for line in tail(path, lines, until.get(path))] for path in paths
    ]
    widths = {path: len(label(path)) for path in paths}
    keyed = (
        [(line[widths[path] : widths[path] + _STAMP], line) for line in source]
        for path, source in zip(paths, sources, strict=True)
    )
    merged = [line for _, line in heapq.merge(*keyed, key=lambda pair: pair[0])]
    return merged[-lines:] if lines else []


async def follow(
    sources: Callable[[], Iterable[Path]],
    lines: int,
    label: Callable[[Path], str],
    alive: Callable[[], bool],
) -> AsyncIterator[str]:
    """The last `lines` lines, then what is added to any source, until `alive` says no.

    `sources` is asked again and again, so that files of a newer version join in.
    """
    with ExitStack() as stack:
        readers = {path: stack.enter_context(_Follower(path)) for path in sources()}
        begins = {path: reader.begin for path, reader in readers.items()}
        # Tens of MiB, perhaps: beside the event loop.
        for line in await asyncio.to_thread(merged_tail, list(readers), lines, label, begins):
            yield line
        while True:
            ending = not alive()  # asked before the last reading, so that nothing is missed
            for path in sources():
                if path not in readers:
                    readers[path] = stack.enter_context(_Follower(path, from_start=True))
            for path, reader in readers.items():
                for line in reader.added():
                    yield label(path) + line
            if ending:
                return
            await asyncio.sleep(POLL.total_seconds())


class _Follower:
    """Reads what is added to one file; goes on in the next one when it is rotated."""

    def __init__(self, path: Path, *, from_start: bool = False) -> None:
        self._path = path
        self._rest = b""
        self._file = self._open()
        self.begin = 0  # what comes before is for others to show
        if self._file and not from_start:
            self.begin = self._file.seek(_whole_lines(self._file))

    def __enter__(self) -> "_Follower":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def added(self) -> Iterator[str]:
        """The whole lines since the last call."""
        while True:
            yield from self._read()
            if not self._rotated():
                return
            yield from self._read()  # what came between the reading and the rotation
            if self._file:
                self._file.close()
            self._file = self._open()

    def _read(self) -> Iterator[str]:
        while self._file and (data := self._file.read(_BLOCK)):
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                yield line.decode("utf-8", "replace")

    def _rotated(self) -> bool:
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        return self._file is None or now.st_ino != os.fstat(self._file.fileno()).st_ino

    def _open(self) -> BinaryIO | None:
        try:
            return self._path.open("rb")
        except FileNotFoundError:
            return None


def _parts(path: Path) -> Iterator[Path]:
    yield path
    number = 1
    while True:
        yield path.with_name(f"{path.name}.{number}")
        number += 1


def _whole_lines(file: BinaryIO, until: int | None = None) -> int:
    """Where the last whole line ends; behind that there is nothing yet."""
    position = file.seek(0, os.SEEK_END)
    position = position if until is None else min(position, until)
    while position > 0:
        step = min(_BLOCK, position)
        file.seek(position - step)
        newline = file.read(step).rfind(b"\n")
        if newline >= 0:
            return position - step + newline + 1
        position -= step
    return 0


def _last_lines(file: BinaryIO, end: int, lines: int) -> list[str]:
    position, data = end, b""
    while position > 0 and data.count(b"\n") <= lines:
        step = min(_BLOCK, position)
        position -= step
        file.seek(position)
        data = file.read(step) + data
    whole = data.decode("utf-8", "replace").split("\n")[:-1]
    return whole[-lines:] if lines > 0 else []
