"""The shim: one command, its output, its end, whatever happens."""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from controller import errors
from controller.backends.local import files, logs, shims
from controller.backends.local.logfile import Log
from tests.support.localbackend import seconds
from tests.unit.backends_local.site import alive, gone


class Place:
    """A directory to run in, below a root that a ptd looks after."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.directory = root / "place"
        self.log = root / "logs" / "1-0.log"
        self.directory.mkdir()
        self.log.parent.mkdir()

    def command(
        self,
        *argv: str,
        linger: float = 30,
        timeout: timedelta = timedelta(),
        max_bytes: int = 1_000_000,
        limits: dict[str, int] | None = None,
    ) -> shims.Command:
        return shims.Command(
            argv=argv,
            cwd=str(self.root),
            env={"PATH": os.defpath, "SECRET": "hush"},
            log=shims.LogFile("../logs/1-0.log", max_bytes, 3),
            keeper=str(self.root / "ptd.lock"),
            linger=seconds(linger),
            grace=seconds(0.2),
            timeout=timeout,
            limits=limits or {},
        )

    async def run(self, *argv: str, **settings: object) -> shims.Exit:
        shim = await shims.start(self.directory, self.command(*argv, **settings))  # type: ignore[arg-type]
        story = await shim.wait()
        assert story is not None
        return story

    def printed(self) -> list[str]:
        return list(logs.without_stamps(logs.tail(self.log, 1000)))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with files.try_lock(tmp_path / "ptd.lock"):
        yield Place(tmp_path)


async def test_it_tells_the_code_and_keeps_both_outputs(place: Place) -> None:
    story = await place.run("sh", "-c", "echo out; echo err >&2; printf rest; exit 3")
    assert (story.code, story.signal, story.reason) == (3, None, "")
    assert (story.text, story.succeeded, story.by_itself) == ("exited with code 3", False, True)
    assert place.printed() == ["out", "err", "rest"]


async def test_a_good_end_is_a_success(place: Place) -> None:
    assert (await place.run("true")).succeeded


async def test_a_signal_is_named(place: Place) -> None:
    assert (await place.run("sh", "-c", "kill -9 $$")).text == "was killed by SIGKILL"


async def test_a_command_that_is_not_there_is_named(place: Place) -> None:
    story = await place.run("no-such-program")
    assert (story.code, story.text) == (127, "command not found: no-such-program")
    assert place.printed() == []


async def test_a_command_that_no_program_can_have_is_named(place: Place) -> None:
    story = await place.run("true", "a\0b")
    assert (story.code, story.text) == (127, "could not start true: embedded null byte")


async def test_a_time_limit_ends_the_whole_group(place: Place) -> None:
    story = await place.run("sh", "-c", "sleep 100 & sleep 100", timeout=seconds(0.1))
    assert (story.reason, story.text) == ("timeout", "ran longer than it may and was stopped")


async def test_what_a_command_leaves_behind_ends_with_it(place: Place) -> None:
    await place.run("sh", "-c", "setsid sleep 100 & echo $!; setsid sleep 100 & echo $!")
    assert [alive(int(pid)) for pid in place.printed()] == [False, False]


async def test_stopping_is_gentle_first_and_then_not(place: Place) -> None:
    command = place.command(
        "sh", "-c", "trap 'echo asked' TERM; echo begun; while :; do sleep 0.05; done"
    )
    await shims.start(place.directory, command)
    await _prints(place, "begun")
    await shims.stop(place.directory)
    story = shims.last_exit(place.directory)
    assert story is not None
    assert (story.signal, story.reason) == (signal.SIGKILL, "stopped")
    assert "asked" in place.printed()


async def test_a_second_start_joins_the_first(place: Place) -> None:
    first = await shims.start(place.directory, place.command("sleep", "100"))
    await _has_begun(place)
    second = await shims.start(place.directory, place.command("sleep", "200"))
    assert second.pid == first.pid
    await shims.stop(place.directory)


async def test_two_shims_started_at_once_are_one_process(place: Place) -> None:
    command = place.command("sh", "-c", "echo begun; exec sleep 100")
    started = [await shims.start(place.directory, command) for _ in range(5)]
    await _prints(place, "begun")
    await shims.stop(place.directory)
    for shim in started:
        await gone(shim.pid)
    assert place.printed() == ["begun"]


async def test_what_is_stopped_before_it_began_does_not_begin(place: Place) -> None:
    shim = await shims.start(place.directory, place.command("sh", "-c", "echo begun"))
    await shims.stop(place.directory)
    await gone(shim.pid)
    assert not (place.directory / "pid").exists()


async def test_a_shim_that_cannot_be_started_may_be_later(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "executable", "/no/such/python")
        with pytest.raises(errors.Transient) as refused:
            await shims.start(place.directory, place.command("true"))
    assert refused.value.message == "no process could be started: No such file or directory"
    assert (await place.run("true")).succeeded


async def test_nobody_is_stopped_who_has_the_pid_of_a_shim_that_was_killed(place: Place) -> None:
    stranger = await asyncio.create_subprocess_exec("sleep", "100")
    (place.directory / "pid").write_text(str(stranger.pid))
    first, _ = await asyncio.gather(
        shims.start(place.directory, place.command("true")), shims.end(place.directory)
    )
    await first.wait()
    assert stranger.returncode is None
    stranger.kill()
    assert await stranger.wait() == -signal.SIGKILL


async def test_a_log_goes_on_where_no_new_file_can_be_opened(tmp_path: Path) -> None:
    log = Log(str(tmp_path / "1-0.log"), 100, 3)
    reading, writing = os.pipe()

    def printed(number: int) -> None:
        os.write(writing, b"line %d\n" % number)
        log.copy(reading)

    for number in range(9):
        printed(number)
    before = sorted((path.name, path.read_bytes()) for path in tmp_path.iterdir())
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        for number in range(9, 13):
            printed(number)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert sorted((path.name, path.read_bytes()) for path in tmp_path.iterdir()) == before
    printed(13)
    log.close()
    os.close(reading)
    os.close(writing)
    newest = logs.without_stamps(logs.tail(tmp_path / "1-0.log", 3))
    assert newest == ("line 8", "[4 lines were lost: the disk was full]", "line 13")


async def test_a_removed_directory_stays_removed(place: Place) -> None:
    shim = await shims.start(place.directory, place.command("sleep", "100"))
    await shims.remove(place.directory)
    await gone(shim.pid)
    assert not place.directory.exists()


async def test_nobody_sees_the_environment_in_a_command_line(place: Place) -> None:
    shim = await shims.start(place.directory, place.command("sleep", "100"))
    await _has_begun(place)
    line = Path(f"/proc/{shim.pid}/cmdline").read_text()
    environment = Path(f"/proc/{shim.pid}/environ").read_text()
    await shims.stop(place.directory)
    assert "hush" not in line + environment
    assert (place.directory / "spec.json").stat().st_mode & 0o077 == 0
    assert "hush" not in repr(place.command("true"))


async def test_it_ends_when_no_ptd_looks_after_it(tmp_path: Path) -> None:
    place = Place(tmp_path)
    story = await place.run("sleep", "100", linger=0.3)
    assert story.reason == "linger"


async def test_a_limit_holds_for_the_command(place: Place) -> None:
    story = await place.run(
        "sh", "-c", "head -c 100000 /dev/zero > big", limits={"RLIMIT_FSIZE": 1000}
    )
    assert not story.succeeded
    assert (place.root / "big").stat().st_size == 1000


async def test_a_log_is_rotated_and_read_across_its_files(place: Place) -> None:
    count = "import sys\nfor n in range(300): print(f'line {n}', flush=True)"
    await place.run(sys.executable, "-S", "-c", count, max_bytes=2000)
    printed = place.printed()
    assert printed == [f"line {n}" for n in range(300 - len(printed), 300)]
    assert 50 < len(printed) < 300
    assert sorted(path.name for path in place.log.parent.iterdir()) == [
        "1-0.log",
        "1-0.log.1",
        "1-0.log.2",
    ]


async def test_a_line_without_end_is_cut(place: Place) -> None:
    await place.run("sh", "-c", "head -c 40000 /dev/zero | tr '\\0' x; echo; echo next")
    lengths = [len(line) for line in place.printed()]
    assert (sum(lengths), max(lengths), lengths[-1]) == (40004, 16384, 4)


async def _has_begun(place: Place) -> None:
    while not (place.directory / "pid").exists():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


async def _prints(place: Place, word: str) -> None:
    while word not in place.printed():  # noqa: ASYNC110
        await asyncio.sleep(0.005)
