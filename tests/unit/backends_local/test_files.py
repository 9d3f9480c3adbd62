"""Files that are written whole or not at all, also when the disk is full."""

import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller import errors
from controller.backends import base
from controller.backends.local import files
from controller.backends.local.backend import LocalBackend
from controller.models.reasons import Reason
from controller.models.tooldeployment import JobChange
from tests.unit.backends_local.site import TOOL, Site, is_up, job_that, pid_in


@contextmanager
def no_room() -> Iterator[None]:
    """No file of this process may grow, as on a full disk."""
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)


def test_what_was_written_is_read_and_private(tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    files.write_json(path, {"a": 1}, durable=True)
    assert files.read_json(path) == {"a": 1}
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", None])
def test_what_is_not_there_or_not_whole_is_nothing(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "it.json").write_text(text)
    assert files.read_json(tmp_path / "it.json") == {}


def test_a_write_without_room_says_so_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "it.json"
    files.write_json(path, {"a": 1})
    with no_room(), pytest.raises(errors.Transient) as refused:
        files.write_json(path, {"a": 2}, durable=True)
    assert refused.value.reason == Reason.PLATFORM_UNAVAILABLE
    assert refused.value.message == (
        f"File too large: could not write {path}. "
        "What was stored before is kept; it is tried again."
    )
    assert files.read_json(path) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["it.json"]


def test_a_full_disk_is_called_that() -> None:
    error = files.unwritable(OSError(28, "No space left on device"), Path("/x"))
    assert error.message.startswith("disk full: could not write /x.")


def test_a_lock_is_held_by_one_only(tmp_path: Path) -> None:
    with files.try_lock(tmp_path / "lock") as first, files.try_lock(tmp_path / "lock") as second:
        assert (first, second) == (True, False)
    with files.try_lock(tmp_path / "lock") as again:
        assert again


def test_a_read_only_tree_can_be_removed(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "a").mkdir(parents=True)
    (tree / "a" / "b").write_text("c")
    for path in (tree / "a", tree):
        path.chmod(0o500)
    files.remove_tree(tree)
    files.remove_tree(tree)
    assert not tree.exists()


def test_a_tree_that_nobody_may_look_into_can_be_removed() -> None:
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)  # root may look into everything
    try:
        with tempfile.TemporaryDirectory() as root:
            tree, elsewhere = Path(root, "tree"), Path(root, "elsewhere")
            (tree / "a" / "b").mkdir(parents=True)
            elsewhere.mkdir(mode=0o500)
            (tree / "link").symlink_to(elsewhere)
            for path in (tree / "a" / "b", tree / "a", tree):
                path.chmod(0)
            files.remove_tree(tree)
            assert not tree.exists()
            assert elsewhere.stat().st_mode & 0o777 == 0o500
    finally:
        os.seteuid(before)


def test_a_directory_is_moved_beside_those_that_were_before(tmp_path: Path) -> None:
    folder = tmp_path / "removed"
    (folder / "web.0").mkdir(parents=True)
    (tmp_path / "web").mkdir()
    assert files.move_into(tmp_path / "web", folder) == folder / "web.1"
    assert (folder / "web.1").is_dir()


def test_a_directory_that_cannot_be_moved_says_so(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "removed").write_text("no folder")
    with pytest.raises(errors.Transient):
        files.move_into(tmp_path / "web", tmp_path / "removed")
    assert (tmp_path / "web").is_dir()


async def test_a_job_whose_directory_somebody_deleted_can_be_removed(
    site: Site, local: LocalBackend
) -> None:
    await local.jobs.apply(TOOL, site.serving("one"))
    await job_that(local, is_up)
    pid = pid_in(await site.ask())
    shutil.rmtree(site.root / "tools" / TOOL / "jobs" / "web")
    await local.jobs.delete(TOOL, "web")
    assert list(await local.jobs.list(TOOL)) == []
    os.kill(pid, signal.SIGKILL)


async def test_a_job_that_cannot_be_stored_stays_what_it_was(
    site: Site, local: LocalBackend
) -> None:
    spec = site.serving("one")
    await local.jobs.apply(TOOL, spec)
    before = await job_that(local, is_up)
    answer = await site.ask()
    with no_room(), pytest.raises(errors.Transient):
        await local.jobs.apply(TOOL, site.serving("two"))
    assert list(await local.jobs.list(TOOL)) == [before]
    assert await site.ask() == answer
    with no_room(), pytest.raises(errors.Transient):
        await local.jobs.apply("tool-b", spec)
    assert list(await local.jobs.list("tool-b")) == []


async def test_a_job_that_could_not_be_begun_is_begun_by_the_next_try(
    site: Site, local: LocalBackend
) -> None:
    spec = site.serving("one")
    in_the_way = site.root / "tools" / TOOL / "jobs" / "web" / "logs"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("no folder")
    with pytest.raises(errors.Transient):
        await local.jobs.apply(TOOL, spec)
    in_the_way.unlink()
    assert (await local.jobs.apply(TOOL, spec)).change is JobChange.CREATED
    await job_that(local, is_up)


async def test_an_instance_without_a_place_is_begun_when_there_is_one(
    site: Site, local: LocalBackend
) -> None:
    in_the_way = site.root / "tools" / TOOL / "jobs" / "web" / "instances"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("no folder")
    await local.jobs.apply(TOOL, site.serving("one"))
    await job_that(local, lambda job: "could not write" in "".join(job.status.messages))
    in_the_way.unlink()
    await job_that(local, is_up)


async def test_a_build_that_cannot_be_stored_did_not_begin(local: LocalBackend) -> None:
    request = base.BuildRequest("web", "file:///x", "main", "0" * 40, base.BuildOptions(), "first")
    with no_room(), pytest.raises(errors.Transient):
        await local.builds.start(TOOL, request)
    assert list(await local.builds.list(TOOL)) == []


@pytest.mark.parametrize("name", ["..", "a/b", "", "-x", "A", "a" * 64, "a..b", "a\n"])
async def test_a_name_that_could_leave_its_directory_is_refused(
    site: Site, local: LocalBackend, name: str
) -> None:
    spec = site.serving("one")
    with pytest.raises(errors.Terminal):
        await local.jobs.apply(name, spec)
    with pytest.raises(errors.Terminal):
        await local.jobs.apply(TOOL, base.JobSpec(name, spec.image, spec.run))
