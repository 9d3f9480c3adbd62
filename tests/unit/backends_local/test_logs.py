"""Reading logs: the last lines, several files in the order of time, following across rotation."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from controller.backends.local import logs
from tests.unit.backends_local.site import until


def stamp(second: int) -> str:
    return f"2026-11-21T23:01:{second:02}.000Z "


def write(path: Path, *seconds_and_words: tuple[int, str]) -> Path:
    with path.open("a") as file:
        file.writelines(f"{stamp(second)}{word}\n" for second, word in seconds_and_words)
    return path


def test_the_last_lines_come_from_as_many_files_as_it_takes(tmp_path: Path) -> None:
    write(tmp_path / "1-0.log.2", (1, "a"), (2, "b"))
    write(tmp_path / "1-0.log.1", (3, "c"), (4, "d"))
    log = write(tmp_path / "1-0.log", (5, "e"))
    assert logs.without_stamps(logs.tail(log, 4)) == ("b", "c", "d", "e")
    assert logs.tail(log, 0) == []
    assert len(logs.tail(log, 100)) == 5


def test_half_a_line_is_not_there_yet(tmp_path: Path) -> None:
    log = write(tmp_path / "1-0.log", (1, "whole"))
    with log.open("a") as file:
        file.write(stamp(2) + "hal")
    assert logs.without_stamps(logs.tail(log, 10)) == ("whole",)


NOW = datetime(2026, 11, 22, 5, 31, 36, 209_900, tzinfo=UTC)


def test_a_line_of_our_own_has_its_time_and_brackets(tmp_path: Path) -> None:
    log = tmp_path / "1-0.log"
    logs.note(log, "exited with code 7", NOW)
    assert logs.tail(log, 9) == ["2026-11-22T05:31:36.209Z [exited with code 7]"]


def test_a_line_that_finds_no_place_is_left_out(tmp_path: Path) -> None:
    logs.note(tmp_path / "gone" / "1-0.log", "exited with code 7", NOW)
    assert list(tmp_path.iterdir()) == []


def test_long_logs_are_read_from_their_end(tmp_path: Path) -> None:
    log = write(tmp_path / "1-0.log", *((n % 60, f"line {n} " + "x" * 500) for n in range(1000)))
    assert [line.split()[2] for line in logs.tail(log, 300)] == [str(n) for n in range(700, 1000)]


def test_several_files_come_in_the_order_of_time(tmp_path: Path) -> None:
    first = write(tmp_path / "1-0.log", (1, "a"), (3, "c"))
    second = write(tmp_path / "1-1.log", (2, "b"), (4, "d"))
    merged = logs.merged_tail([first, second], 3, lambda path: f"[{path.stem[-1]}] ")
    assert merged == [f"[1] {stamp(2)}b", f"[0] {stamp(3)}c", f"[1] {stamp(4)}d"]


def test_old_generations_are_forgotten_in_order(tmp_path: Path) -> None:
    for generation in (2, 9, 10, 11):
        write(tmp_path / f"{generation}-0.log", (1, "x"))
        write(tmp_path / f"{generation}-0.log.1", (1, "x"))
    logs.forget(tmp_path)
    left = sorted(path.name for path in tmp_path.glob("*.log"))
    assert left == ["10-0.log", "11-0.log", "9-0.log"]
    assert [path.name for path in logs.files_in(tmp_path)] == ["9-0.log", "10-0.log", "11-0.log"]


async def test_a_line_that_comes_between_the_last_and_the_new_is_shown_once(
    tmp_path: Path,
) -> None:
    log = write(tmp_path / "1-0.log", (1, "old"))
    asked = 0

    def sources() -> Iterator[Path]:
        nonlocal asked
        asked += 1
        yield log
        if asked == 1:  # it has just been opened
            write(log, (2, "between"))

    shown = [line async for line in logs.follow(sources, 10, lambda _: "", lambda: False)]
    assert logs.without_stamps(shown) == ("old", "between")


async def test_a_line_of_which_half_was_there_is_shown_whole(tmp_path: Path) -> None:
    log = write(tmp_path / "1-0.log", (1, "old"))
    asked = 0

    def sources() -> Iterator[Path]:
        nonlocal asked
        asked += 1
        with log.open("a") as file:
            file.write(["", stamp(2) + "ha", "lf\n"][asked])
        yield log

    shown = [line async for line in logs.follow(sources, 10, lambda _: "", lambda: False)]
    assert logs.without_stamps(shown) == ("old", "half")


async def test_following_goes_on_after_rotation_and_in_new_files(tmp_path: Path) -> None:
    log = write(tmp_path / "1-0.log", (1, "old"), (2, "last"))
    going = True
    seen: list[str] = []

    async def read() -> None:
        sources: Callable[[], list[Path]] = lambda: logs.files_in(tmp_path)  # noqa: E731
        async for line in logs.follow(sources, 1, lambda _: "", lambda: going):
            seen.append(line[len(stamp(0)) :])

    reading = asyncio.create_task(read())

    async def seeing(count: int) -> bool | None:
        return True if len(seen) >= count else None

    await until(lambda: seeing(1))
    write(log, (3, "more"))
    log.rename(tmp_path / "1-0.log.1")
    write(log, (4, "after rotation"))
    await until(lambda: seeing(3))
    write(tmp_path / "2-0.log", (5, "a newer version"))
    await until(lambda: seeing(4))
    write(log, (6, "the end"))
    going = False
    await reading
    assert seen == ["last", "more", "after rotation", "a newer version", "the end"]


async def test_what_is_not_there_has_no_lines(tmp_path: Path) -> None:
    found = logs.follow(lambda: logs.files_in(tmp_path / "x"), 9, lambda _: "", lambda: False)
    assert [line async for line in found] == []
