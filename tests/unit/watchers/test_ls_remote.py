"""How git's output, words and trace are read, and that a git process keeps its limits."""

import asyncio
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from controller import errors
from controller.models.reasons import Reason
from tests.support.githttp import Fault, GitServer
from tests.support.gitrepo import BareRepository
from watchers.git import ls_remote, transport
from watchers.git.addresses import Address, Guard, Policy
from watchers.git.process import Ended, GitProcesses, Limits, TimedOut, TooMuch
from watchers.git.repositories import Repositories
from watchers.git.resolution import RefFound, RefKind, Resolved

HOST = Address("https://git.example.org/a", "https", "git.example.org", 443, ("203.0.114.7",))
A, B = b"a" * 40, b"b" * 40


def test_only_exact_names_are_taken_and_tags_are_peeled() -> None:
    output = b"".join(
        b"%s\t%s\n" % line
        for line in [
            (A, b"refs/heads/feature/main"),
            (B, b"refs/heads/main"),
            (A, b"refs/tags/v1"),
            (B, b"refs/tags/v1^{}"),
            (A, b"refs/tags/x\xff"),
        ]
    )
    names = ["refs/heads/main", "refs/tags/v1", "refs/tags/main"]

    assert ls_remote.exactly(names, output + b"junk\nzz\trefs/tags/main\n") == {
        "refs/heads/main": RefFound("b" * 40),
        "refs/tags/v1": RefFound("a" * 40, "b" * 40),
    }


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("fatal: '/x' does not appear to be a git repository", Reason.REPOSITORY_NOT_FOUND),
        (
            "fatal: remote error: access denied or repository not exported: /x",
            Reason.REPOSITORY_NOT_FOUND,
        ),
        ("fatal: Out of memory, malloc failed", Reason.REPOSITORY_REFUSED),
        (
            "fatal: unable to access: server certificate verification failed",
            Reason.REPOSITORY_UNREACHABLE,
        ),
        ("fatal: unable to access: Failed to connect to x", Reason.REPOSITORY_UNREACHABLE),
        ("remote: fatal: not found", Reason.REPOSITORY_UNREACHABLE),
    ],
)
def test_gits_words_count_where_there_is_no_http_answer(words: str, reason: Reason) -> None:
    error = ls_remote.failure(Ended(128, b"", words), HOST)

    assert isinstance(error, errors.EdgeError)
    assert error.reason == reason
    assert "git.example.org" in error.message


def test_the_last_http_answer_in_gits_trace_counts() -> None:
    trace = (
        "22:52:30.619174 http.c:684              <= Recv header: HTTP/1.1 301 Moved\r\n"
        "22:52:30.619174 http.c:684              <= Recv header: Location: /b\r\n"
        "22:52:30.619174 http.c:672              <= Recv header, 0000000032 bytes (0x00000020)\n"
        "22:52:30.619174 http.c:684              <= Recv header: HTTP/2 429\n"
        "22:52:30.619174 http.c:684              <= Recv header: Retry-After: 7\n"
        "22:52:30.619174 http.c:684              <= Recv header:\n"
        "fatal: unable to access\n"
    )

    assert ls_remote.last_answer(trace) == (429, {"retry-after": "7"})
    assert ls_remote.last_answer("fatal: x") == (0, {})


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("120", "", 120),
        ("0", "", 0),
        ("99999999", "", 3600),
        ("Wed, 21 Oct 2026 07:30:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 120),
        ("Wed, 21 Oct 2026 07:20:00 GMT", "Wed, 21 Oct 2026 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2026 07:30:00 GMT", "", None),
        ("soon", "", None),
        ("", "", None),
        ("-5", "", None),
        ("9" * 400, "", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_never_long(
    value: str, date: str, seconds: int | None
) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)

    assert transport.retry_after(value, date) == expected


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b.git/info/refs?service=git-upload-pack", "https://git.example.org/b.git"),
        ("https://other.org/b/info/refs?service=git-upload-pack", "https://other.org/b"),
        ("https://other.org/b/git-upload-pack", "https://other.org/b"),
        ("https://other.org/login?next=/b", None),
        ("https://[other/info/refs?service=git-upload-pack", None),
        ("", None),
    ],
)
def test_a_redirect_leads_to_a_repository_or_nowhere(location: str, target: str | None) -> None:
    assert transport.moved_to(HOST.url, location) == target


async def test_files_are_read_in_local_mode(tmp_path: Path) -> None:
    tip = BareRepository.create(tmp_path / "a.git").commit({"a": "1"})
    processes = GitProcesses(1)
    local = Repositories(Guard(Policy(allow_file=True)), ls_remote.LsRemote(processes))

    assert await local.resolve_one(f"{tmp_path}/a.git", "main") == Resolved(tip, RefKind.BRANCH)
    with pytest.raises(errors.Terminal) as raised:
        await local.resolve_one(f"{tmp_path}/none.git", "main")
    assert raised.value.reason == Reason.REPOSITORY_NOT_FOUND
    assert raised.value.message == "this machine has no git repository in that directory"
    processes.close()


async def test_git_does_not_read_the_users_config_nor_a_repositorys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".gitconfig").write_text("[user]\nname = stranger\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(Path(__file__).parent)
    processes = GitProcesses(1)

    ended = await processes.run(["config", "--list"], {"a.b": "c"}, {}, _limits())

    assert ended == Ended(0, b"a.b=c\n", "")
    processes.close()


@pytest.mark.parametrize("cancelled", [False, True], ids=["the time is over", "it is cancelled"])
async def test_no_process_of_the_group_is_left_when(cancelled: bool, tmp_path: Path) -> None:
    async with GitServer(tmp_path) as server:
        server.faults["a.git"] = Fault(hang=True)
        processes = GitProcesses(1)
        asking = asyncio.ensure_future(
            processes.run(["ls-remote", server.address("a.git")], {}, {}, _limits())
        )
        await _until(lambda: bool(server.seen))
        assert len(_gits()) >= 2
        if cancelled:
            asking.cancel()
        with pytest.raises((TimedOut, asyncio.CancelledError)):
            await asking
        await _until(lambda: not _gits())
        processes.close()


async def test_more_output_than_allowed_ends_the_process() -> None:
    processes = GitProcesses(1)

    with pytest.raises(TooMuch):
        await processes.run(["help", "-a"], {}, {}, Limits(timedelta(seconds=5), 100))
    processes.close()


async def test_endless_refs_do_not_take_endless_memory(tmp_path: Path) -> None:
    async with GitServer(tmp_path) as server:
        server.faults["a.git"] = Fault(endless=True)
        processes = GitProcesses(1)
        limits = Limits(timedelta(seconds=50), 1000, memory=64 * 1024 * 1024)
        ended = asyncio.ensure_future(
            processes.run(["ls-remote", server.address("a.git")], {}, {}, limits)
        )
        largest = 0
        while not ended.done():
            largest = max([largest, *(_memory(each) for each in _gits())])
            await asyncio.sleep(0.05)

    assert (await ended).code == 128
    assert largest < 64 * 1024 * 1024
    processes.close()


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def _limits() -> Limits:
    return Limits(timedelta(seconds=0.6), 1000)


def _gits() -> list[psutil.Process]:
    children = psutil.Process(os.getpid()).children(recursive=True)
    return [
        each for each in children if "ls-remote" in _words(each) or "remote-http" in _words(each)
    ]


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
