"""What a failed health check says to who wrote the component: never the client's own words."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from controller.backends.local import health
from controller.backends.local.launch import Launch
from controller.models.toolconfig import ContinuousRun

HOST = "127.0.0.1"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def answering(raw: bytes) -> AsyncIterator[int]:
    """A server that answers every connection with these bytes, and closes it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


async def said(port: int, path: str = "/up", seconds: float = 5) -> str:
    run = ContinuousRun(command="web", port=port, health_check_http=path)
    launch = Launch(("web",), Path("/"), {}, {})
    check = health.check_for(run, port, launch, HOST, timedelta(seconds=seconds))
    assert check is not None
    return await check()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
        (REDIRECT, ""),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "GET /up answered 503"),
        (b"", "GET /up failed: the connection was closed without an answer"),
        (b"220 mail.example\r\n", "GET /up failed: what answers on the port does not speak HTTP"),
    ],
)
async def test_an_answer_is_judged_in_plain_words(answer: bytes, expected: str) -> None:
    async with answering(answer) as port:
        assert await said(port) == expected


async def test_nobody_listens() -> None:
    expected = "GET /up failed: nothing listens on the port that PORT names"
    assert await said(free_port()) == expected


async def test_no_answer_in_time() -> None:
    with socket.create_server((HOST, 0)) as silent:
        port = silent.getsockname()[1]
        assert await said(port, seconds=0.1) == "GET /up did not answer within 0.1 s"


async def asked(script: str, directory: Path, seconds: float = 5) -> str:
    run = ContinuousRun(command="web", health_check_script=script)
    launch = Launch(("web",), directory, {"PATH": os.defpath}, {})
    check = health.check_for(run, None, launch, HOST, timedelta(seconds=seconds))
    assert check is not None
    return await check()


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("true", ""),
        ("echo it is well", ""),
        ("false", "the health check script exited with code 1"),
        (
            "sh -c 'echo first; echo the queue is full >&2; echo; exit 3'",
            "the health check script exited with code 3: the queue is full",
        ),
        (
            r"""sh -c "printf '\\033[31mcaf\\351\n'; exit 3" """,
            "the health check script exited with code 3: [31mcaf\ufffd",
        ),
        ("no-such-program", "the health check script was not found: no-such-program"),
    ],
)
async def test_a_script_that_fails_is_told_with_its_last_line(
    script: str, expected: str, tmp_path: Path
) -> None:
    assert await asked(script, tmp_path) == expected


async def test_a_script_that_prints_without_end_is_told_by_its_end(tmp_path: Path) -> None:
    script = "sh -c 'yes | head -c 1000000; echo full; exit 3'"
    assert await asked(script, tmp_path) == "the health check script exited with code 3: full"


async def test_a_script_that_hangs_is_told_with_its_last_line(tmp_path: Path) -> None:
    why = await asked("sh -c 'echo waiting for the database; sleep 60'", tmp_path, seconds=0.5)
    expected = "the health check script did not end within 0.5 s: waiting for the database"
    assert why == expected
