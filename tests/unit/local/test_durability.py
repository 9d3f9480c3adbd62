"""What is stored outlives the process; a file that cannot be used is left alone and named.

kill -9 in the middle of writes: `tests/faults/test_storage.py`.
"""

import asyncio
import json
import pathlib
import sqlite3

import pytest

from controller.local import objects, server, storage
from tests.support import controlplane


async def _read(path: pathlib.Path) -> tuple[int, dict[str, objects.Object]]:
    file = storage.Storage(path)
    last, rows = await file.open()
    await file.close()
    return last, {row.key: json.loads(row.body) for row in rows if row.body}


async def test_a_restart_keeps_objects_token_and_the_order_of_versions(
    tmp_path: pathlib.Path,
) -> None:
    async with controlplane.embedded(tmp_path) as access:
        widgets = await controlplane.Widgets.made(access)
        before = await widgets.create("one", size=7)
        await widgets.create("two")
        await access.ask("DELETE", f"{widgets.path}/two")
        newest = int((await widgets.list())["metadata"]["resourceVersion"])
        token = access.token
    async with controlplane.embedded(tmp_path) as access:
        assert access.token == token
        again = controlplane.Widgets(access, widgets.group, widgets.namespace)
        listed = await again.list()
        assert listed["items"] == [before]
        assert int(listed["metadata"]["resourceVersion"]) >= newest
        after = await again.create("three")
        assert int(after["metadata"]["resourceVersion"]) > newest


async def test_a_version_from_before_the_restart_is_known_or_expired(
    tmp_path: pathlib.Path,
) -> None:
    async with controlplane.embedded(tmp_path) as access:
        widgets = await controlplane.Widgets.made(access)
        old = (await widgets.list())["metadata"]["resourceVersion"]
        await widgets.create("one")
        now = (await widgets.list())["metadata"]["resourceVersion"]
    async with controlplane.embedded(tmp_path) as access:
        path = f"{widgets.path}?watch=1&timeoutSeconds=1&resourceVersion="
        async with access.watch(path + now) as events:
            assert await events.rest() == []
        async with access.watch(path + old) as events:
            (event,) = await events.rest()
        assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


async def test_a_watcher_that_the_log_has_left_behind_is_told_so(tmp_path: pathlib.Path) -> None:
    async with controlplane.embedded(tmp_path, history=10) as access:
        widgets = await controlplane.Widgets.made(access)
        old = (await widgets.list())["metadata"]["resourceVersion"]
        first = await widgets.list("?limit=1")
        for number in range(40):
            await widgets.create(f"w{number}")
        path = f"{widgets.path}?watch=1&timeoutSeconds=1&resourceVersion={old}"
        async with access.watch(path) as events:
            (event,) = await events.rest()
        assert (event["type"], event["object"]["reason"]) == ("ERROR", "Expired")
        exact = f"{widgets.path}?resourceVersion={old}&resourceVersionMatch=Exact"
        assert (await access.ask("GET", exact)).status == 410
        assert first["items"] == []


async def test_a_page_that_the_log_has_left_behind_is_told_so(tmp_path: pathlib.Path) -> None:
    async with controlplane.embedded(tmp_path, history=10) as access:
        widgets = await controlplane.Widgets.made(access)
        for number in range(3):
            await widgets.create(f"w{number}")
        token = (await widgets.list("?limit=1"))["metadata"]["continue"]
        for _ in range(3):
            for number in range(10):
                await widgets.patch("w0", {"spec": {"size": number + 1}})
        answer = await access.ask("GET", f"{widgets.path}?limit=1&continue={token}")
        assert (answer.status, answer.body["reason"]) == (410, "Expired")


async def test_a_damaged_file_is_refused_and_left_as_it_was(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "state.db"
    path.write_bytes(b"this is not a database, but somebody's letters" * 100)
    before = path.read_bytes()
    with pytest.raises(storage.StorageError, match=r"state\.db is damaged .* left as it is"):
        async with server.ControlPlane(path):
            pass
    assert path.read_bytes() == before


async def test_a_file_damaged_in_the_middle_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "state.db"
    async with controlplane.embedded(tmp_path) as access:
        widgets = await controlplane.Widgets.made(access)
        for number in range(50):
            await widgets.create(f"w{number}", note="x" * 2000)
    raw = bytearray(path.read_bytes())
    raw[8192:40960] = b"\xff" * (40960 - 8192)
    path.write_bytes(raw)
    with pytest.raises(storage.StorageError, match="damaged"):
        async with server.ControlPlane(path):
            pass
    assert path.read_bytes() == bytes(raw)


async def test_a_place_where_no_file_can_be_is_refused(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").write_text("no folder")
    path = tmp_path / "file" / "state.db"
    with pytest.raises(
        storage.StorageError, match=r"file/state\.db cannot be used \(File exists\)"
    ):
        await storage.Storage(path).open()


async def test_a_file_may_be_closed_twice(tmp_path: pathlib.Path) -> None:
    file = storage.Storage(tmp_path / "state.db")
    await file.open()
    await file.close()
    await file.close()


async def test_another_programs_file_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "state.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE letters (text)")
    connection.close()
    with pytest.raises(storage.StorageError, match="not one of the embedded control plane"):
        async with server.ControlPlane(path):
            pass


async def test_a_newer_format_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "state.db"
    async with server.ControlPlane(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(storage.StorageError, match="written by a newer version"):
        async with server.ControlPlane(path):
            pass


async def test_a_second_process_on_the_same_file_is_refused(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "state.db"
    async with server.ControlPlane(path):
        with pytest.raises(storage.StorageError, match="in use by another process"):
            async with server.ControlPlane(path):
                pass


async def test_a_full_disk_refuses_the_write_and_keeps_the_rest(tmp_path: pathlib.Path) -> None:
    file = storage.Storage(tmp_path / "state.db")
    await file.open()
    await file.commit([storage.Row("things", "old", 2, b"{}")], 2)
    await file.limit(64)
    with pytest.raises(storage.StorageError, match="full or failing"):
        await file.commit([storage.Row("things", "new", 3, b"x" * 1_000_000)], 3)
    await file.close()
    last, found = await _read(tmp_path / "state.db")
    assert (last, list(found)) == (2, ["old"])


async def test_a_refused_write_takes_along_what_was_decided_on_top_of_it(
    tmp_path: pathlib.Path,
) -> None:
    file = storage.Storage(tmp_path / "state.db")
    store = objects.Objects(file)
    await store.open()
    writer = asyncio.create_task(store.run())
    await store.put("things", "a", {"metadata": {}}).done()
    await file.limit(64)
    large = store.put("things", "b", {"metadata": {}, "text": "x" * 1_000_000})
    small = store.put("things", "a", {"metadata": {}, "second": True})
    for write in (large, small):
        with pytest.raises(storage.StorageError):
            await write.done()
    kept = store.latest("things", "a")
    assert kept is not None
    assert "second" not in kept.object()
    assert store.latest("things", "b") is None
    await file.limit(1_000_000)
    after = await store.put("things", "c", {"metadata": {}}).done()
    assert after.version == store.version
    writer.cancel()
    await asyncio.gather(writer, return_exceptions=True)
    await file.close()


async def test_the_kubeconfig_and_the_token_are_for_their_owner_alone(
    tmp_path: pathlib.Path,
) -> None:
    async with server.ControlPlane(tmp_path / "state.db") as plane:
        plane.write_kubeconfig(tmp_path / "config")
    for name in ("config", "state.token", "state.pem", "state.db"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600, name
