"""The SQLite file under the embedded control plane: the current objects and the last version.

Called by `objects.Objects` alone, which keeps everything in memory and hands batches of changes
down. A batch is one transaction with `synchronous=FULL`: when `commit` has returned, the batch
survives `kill -9` and a power cut. No Kubernetes rules may be put here.

Every call runs on one thread of its own, because SQLite waits for the disk.
"""

import asyncio
import concurrent.futures
import pathlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar, TypeVarTuple, Unpack

_T = TypeVar("_T")
_Arguments = TypeVarTuple("_Arguments")

FORMAT = 1
"""Version of the file's layout, kept in `PRAGMA user_version`."""

APPLICATION = 0x70746421
"""`PRAGMA application_id`: tells our file from any other SQLite file."""

_SCHEMA = """
CREATE TABLE object (
    resource TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (resource, key)
);
CREATE TABLE version (id INTEGER PRIMARY KEY CHECK (id = 1), last INTEGER NOT NULL);
INSERT INTO version VALUES (1, 1);
"""


class StorageError(Exception):
    """The file cannot be used; the message says which, why, and what to do. Nothing was changed."""


class Row(NamedTuple):
    """One object as it is stored. `body` is None when the object is deleted."""

    resource: str
    key: str
    version: int
    body: bytes | None


class Storage:
    """One open file. Only one process may hold it; a second one is refused."""

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "control-plane-storage")
        self._connection: sqlite3.Connection | None = None
        self._closed = False

    async def open(self) -> tuple[int, list[Row]]:
        """Open or create the file, check it, and return the last version and every object."""
        try:
            return await self._run(self._open)
        except (sqlite3.Error, OSError) as error:
            await self.close()
            raise StorageError(_explain(self.path, error)) from error
        except StorageError:
            await self.close()
            raise

    async def commit(self, rows: Sequence[Row], last: int) -> None:
        """Write a batch; when this returns it is on the disk. Raises StorageError."""
        try:
            await self._run(self._commit, rows, last)
        except sqlite3.Error as error:
            raise StorageError(_explain(self.path, error)) from error

    async def limit(self, pages: int) -> None:
        """Let the file grow to no more than so many pages of 4 KiB; 0 is no limit."""
        await self._run(self._limit, pages or 1 << 30)

    async def close(self) -> None:
        """Close the file and end the thread. May be called twice."""
        if not self._closed:
            self._closed = True
            await self._run(self._close)
            self._thread.shutdown()

    async def _run(self, call: Callable[[Unpack[_Arguments]], _T], *args: *_Arguments) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call, *args)

    def _open(self) -> tuple[int, list[Row]]:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        connection = sqlite3.connect(
            self.path, timeout=0.5, isolation_level=None, check_same_thread=False
        )
        self._connection = connection
        self.path.chmod(0o600)
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        self._check(connection)
        last = int(connection.execute("SELECT last FROM version").fetchone()[0])
        rows = [
            Row(*row)
            for row in connection.execute("SELECT resource, key, version, body FROM object")
        ]
        connection.execute("COMMIT")
        return last, rows

    def _check(self, connection: sqlite3.Connection) -> None:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if application == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            for statement in filter(str.strip, _SCHEMA.split(";")):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id={APPLICATION}")
            connection.execute(f"PRAGMA user_version={FORMAT}")
            return
        if application != APPLICATION:
            raise StorageError(
                f"{self.path} is a SQLite file, but not one of the embedded control plane. "
                "It was left as it is; name another path."
            )
        if version > FORMAT:
            raise StorageError(
                f"{self.path} was written by a newer version (format {version}, this one knows "
                f"{FORMAT}). It was left as it is; use the newer version or another path."
            )
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise sqlite3.DatabaseError(found)

    def _commit(self, rows: Sequence[Row], last: int) -> None:
        connection = self._connection
        if connection is None:
            raise sqlite3.ProgrammingError("the file is closed")
        connection.execute("BEGIN IMMEDIATE")
        try:
            for row in rows:
                if row.body is None:
                    connection.execute(
                        "DELETE FROM object WHERE resource = ? AND key = ?",
                        (row.resource, row.key),
                    )
                else:
                    connection.execute("INSERT OR REPLACE INTO object VALUES (?, ?, ?, ?)", row)
            connection.execute("UPDATE version SET last = ?", (last,))
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _limit(self, pages: int) -> None:
        if self._connection is not None:
            self._connection.execute(f"PRAGMA max_page_count={pages}")

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _explain(path: pathlib.Path, error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        return f"{path} cannot be used ({error.strerror}). Name another path."
    code = getattr(error, "sqlite_errorname", "")
    if code.startswith(("SQLITE_FULL", "SQLITE_IOERR")):
        return (
            f"the disk under {path} is full or failing ({error}). What was stored before is kept; "
            "free space, then try again."
        )
    if code.startswith("SQLITE_BUSY"):
        return f"{path} is in use by another process. Stop that one, or name another path."
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or not code:
        return (
            f"{path} is damaged ({error}). It was left as it is; restore a copy, rescue what is "
            f"readable with `sqlite3 {path} .recover`, or name another path to begin empty."
        )
    return f"{path} cannot be used ({error}). It was left as it is."
