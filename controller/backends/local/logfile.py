"""A log file that stays small: time stamps, rotation, and nothing that a full disk could break.

Written by `shim` with the output of its command, read by `logs`. Stands alone as the shim does:
standard library only, nothing of ours may be imported.
"""

# It is part of what starts in milliseconds, so no pathlib.
# ruff: noqa: PTH105

import contextlib
import os
import time

_LONGEST_LINE = 16 * 1024


class Log:
    """Lines with time stamps in PATH, older ones in PATH.1, PATH.2 …; never raises on a full disk.

    A line longer than 16 KiB becomes several.
    """

    def __init__(self, path: str, max_bytes: int, files: int) -> None:
        self._path, self._max_bytes, self._files = path, max_bytes, files
        self._rest = b""
        self._lost = 0
        self._file, self._size = -1, 0
        with contextlib.suppress(OSError):
            self._open()

    def copy(self, descriptor: int) -> bool:
        """Move what can be read now; False at the end of the stream."""
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return True
        if data:
            *lines, self._rest = (self._rest + data).split(b"\n")
            if len(self._rest) > _LONGEST_LINE:
                lines, self._rest = [*lines, self._rest], b""
            self._append([part for line in lines for part in _cut(line)])
        return bool(data)

    def close(self) -> None:
        """Write what came without a newline."""
        if self._rest:
            self._append([self._rest])
        if self._file >= 0:
            os.close(self._file)

    def _append(self, lines: list[bytes]) -> None:
        if len(lines) > 1 and sum(map(len, lines)) + 25 * len(lines) > self._max_bytes:
            half = len(lines) // 2  # no file may grow past its limit
            self._append(lines[:half])
            self._append(lines[half:])
            return
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)).encode()
        stamp += b".%03dZ " % int(now % 1 * 1000)
        if self._lost:
            lines = [b"[%d lines were lost: the disk was full]" % self._lost, *lines]
        text = b"".join(stamp + line.rstrip(b"\r") + b"\n" for line in lines)
        try:
            if self._file < 0:
                self._open()
            if self._size and self._size + len(text) > self._max_bytes:
                self._rotate()
            self._write(text)
            self._lost = 0
        except OSError:
            self._lost += len(lines) - bool(self._lost)
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)  # no half lines

    def _write(self, text: bytes) -> None:
        view = memoryview(text)
        while view:
            view = view[os.write(self._file, view) :]
        self._size += len(text)

    def _open(self) -> None:
        self._file = _opened(self._path)
        self._size = os.fstat(self._file).st_size

    def _rotate(self) -> None:
        fresh = _opened(f"{self._path}.new")  # first: without room nothing is moved away
        names = [self._path, *(f"{self._path}.{n}" for n in range(1, self._files))]
        for older, newer in zip(reversed(names[1:]), reversed(names[:-1]), strict=True):
            with contextlib.suppress(FileNotFoundError):
                os.replace(newer, older)
        os.replace(f"{self._path}.new", self._path)
        os.close(self._file)
        self._file, self._size = fresh, 0


def _opened(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _cut(line: bytes) -> list[bytes]:
    starts = range(0, len(line) or 1, _LONGEST_LINE)
    return [line[start : start + _LONGEST_LINE] for start in starts]
