"""Files that survive a kill at any moment: written whole or not at all, locked while in use.

Used by everything in this package but the shim (which stands alone). Knows nothing of builds and
jobs. A full or broken disk becomes `Transient`: what was there before is still there.
"""

import contextlib
import errno
import fcntl
import itertools
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from controller import errors
from controller.models.reasons import Reason


def write_json(path: Path, data: object, *, durable: bool = False) -> None:
    """Replace `path` by `data` in one step; `durable` also waits until the disk has it.

    Readable by the owner alone, because environments hold secrets. Raises Transient.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(data, file)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
        if durable:
            _sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise unwritable(error, path) from error


def read_json(path: Path) -> dict[str, Any]:
    """What `write_json` wrote; {} when there is nothing (or nothing whole)."""
    try:
        data = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def make_directory(path: Path) -> None:
    """Create a private directory and its parents. Raises Transient."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(error, path) from error


def remove_tree(path: Path) -> None:
    """Remove a directory, and what is read-only or closed inside it; a missing one is no error.

    What cannot be removed stays.
    """
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    _open_up(path)
    for directory, names, _ in os.walk(path):
        for name in names:  # before the walk goes there
            _open_up(Path(directory, name))
    shutil.rmtree(path, ignore_errors=True)


def size(tree: Path) -> int:
    """Bytes of the files in a directory; what goes meanwhile does not count."""
    found = 0
    for directory, _, names in os.walk(tree):
        for name in names:
            with contextlib.suppress(OSError):
                found += Path(directory, name).lstat().st_size
    return found


def move_into(source: Path, folder: Path) -> Path:
    """Move a directory into `folder` in one step, and answer its new path, which ends in a number.

    One that is not there any more needs no moving. Raises Transient.
    """
    numbered = (folder / f"{source.name}.{number}" for number in itertools.count())
    target = next(path for path in numbered if not path.exists())
    try:
        source.rename(target)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise unwritable(error, target) from error
    return target


def unwritable(error: OSError, path: Path) -> errors.Transient:
    """The error that a failed write is to everybody else."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        why = "disk full"
    else:
        why = error.strerror or str(error)
    message = f"{why}: could not write {path}. What was stored before is kept; it is tried again."
    return errors.Transient(Reason.PLATFORM_UNAVAILABLE, message)


@contextmanager
def try_lock(path: Path) -> Iterator[bool]:
    """Hold the flock of `path` for the block; yields whether it was free. Never waits.

    A directory that is gone counts as free: nobody can run there.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        yield True
        return
    except OSError as error:
        raise unwritable(error, path) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _open_up(directory: Path) -> None:
    if not directory.is_symlink():
        with contextlib.suppress(OSError):
            directory.chmod(stat.S_IRWXU)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
