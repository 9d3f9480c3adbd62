"""Hostile HTTP: arbitrary bytes for every route, endless bodies, bombs, drips, floods of headers.

The API is served in this process and asked over raw sockets. Whatever comes, it answers with a
named refusal or closes the connection within seconds, keeps its memory, and goes on serving others.
"""

import asyncio
import gzip
import logging
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
from yarl import URL

from controller.api import reading
from controller.api.routes import ROUTES
from tests.api.service import CONFIG, Service, serving
from tests.faults import trials
from tests.faults.conftest import Tried
from tests.faults.test_fuzz import SEED, text
from tests.support import controlplane

pytestmark = pytest.mark.timeout(1800 if trials.WHOLE else 60)
COUNT = 10_000 if trials.WHOLE else 400
MOST = 32 * 2**20  # bytes that the process may grow by
SECONDS = 12.0
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW", "\x00", "")
HEADERS = (
    *("Content-Type", "Content-Length", "Content-Encoding", "Transfer-Encoding", "Host"),
    *("Authorization", "Idempotency-Key", "If-None-Match", "Accept", "Expect", "Upgrade"),
    *("Connection", "X-Hub-Signature-256", "X-Gitlab-Token", "X-GitHub-Event", "Cookie", "Range"),
)
VALUES = (
    *("application/json", "application/json; charset=utf-7", "multipart/form-data", "text/plain"),
    *("gzip", "br", "deflate", "zstd", "identity", "chunked", "chunked, chunked", "100-continue"),
    *("0", "-1", "1", "99999999999999999999", "1e3", "websocket", "close", "keep-alive", "h2c"),
    *(
        "Bearer",
        "Bearer \xff",
        "Basic eA==",
        "sha256=00",
        "*/*",
        "application/x-ndjson",
        "bytes=0-",
    ),
)
BODIES = (
    b"",
    b"{}",
    b"[" * 5_000,
    b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
    b"\xff\xfe\x00",
    b'{"components": {"web": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}}",
    b"5\r\nhello\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    gzip.compress(b"{}"),
    b'{"commits": {"web": "' + b"a" * 40 + b'"}}',
    b'{"description": "\\ud800\\u0000"}',
    b'{"a": 1e999, "b": NaN, "a": 2}',
)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """The API on an embedded control plane, with a config and a deployment."""
    async with controlplane.embedded(tmp_path) as access, serving(access) as ready:
        await ready.ask("POST", "config", CONFIG)
        await ready.ask("POST", "deployment")
        yield ready


def port(service: Service) -> int:
    found = service.client.server.port
    assert found is not None
    return found


async def sent(service: Service, *parts: bytes, within: float = SECONDS) -> bytes:
    """What comes back for these bytes until the connection ends, or for a moment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(service))
    try:
        async with asyncio.timeout(within):
            try:
                for part in parts:
                    writer.write(part)
                    await writer.drain()
                return await reader.read(65_536)
            except ConnectionError:
                return b""
    finally:
        writer.close()


def a_request(chance: random.Random, service: Service) -> bytes:
    """A request line, headers and a body, of which any may be nonsense."""
    route = chance.choice([route for route in ROUTES if route.answers != "Events"])
    path = route.path.replace("{toolname}", service.tool).replace("{deployment_id}", "latest")
    if chance.random() < 0.2:
        path += "?" + text(chance, 2).replace("\n", "").replace(" ", "+")
    if path.endswith("/wait"):
        path += "?timeout=0"
    method = route.method if chance.random() < 0.8 else chance.choice(METHODS)
    lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close"]
    if chance.random() < 0.8:
        lines.append(f"x-toolforge-tool: {service.tool}")
    lines += [
        f"{chance.choice(HEADERS)}: {chance.choice(VALUES)}" for _ in range(chance.randint(0, 3))
    ]
    body = chance.choice(BODIES) if chance.random() < 0.8 else chance.randbytes(60)
    if chance.random() < 0.8:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines) + "\r\n\r\n"
    if chance.random() < 0.1:
        head = head[: chance.randint(1, len(head))] + text(chance, 2)
    return head.encode("latin-1", errors="replace") + body


async def test_whatever_bytes_come_the_answer_is_a_refusal_or_none(
    service: Service, tried: Tried, caplog: pytest.LogCaptureFixture
) -> None:
    # pytest would keep a record with its traceback of each; `controller.logs` drops them.
    caplog.set_level(logging.CRITICAL, "aiohttp.server")
    process, before = psutil.Process(), 0
    for number in range(COUNT):
        if number == COUNT // 4:
            before = process.memory_info().rss
        chance = random.Random(SEED + number)
        raw = a_request(chance, service)
        began = time.perf_counter()
        try:
            answer = await sent(service, raw, within=0.1)
        except TimeoutError:
            continue  # the rest of the body is waited for
        assert time.perf_counter() - began < 1, f"seed {SEED + number}: {raw[:300]!r}"
        status = answer[9:12]
        assert not status.startswith(b"5") or status in (b"501", b"505"), (
            f"seed {SEED + number}: {raw[:300]!r} {answer[:500]!r}"
        )
        assert b"Traceback" not in answer
    assert process.memory_info().rss - before < MOST
    assert (await service.ask("GET", "config")).status in (200, 404), "one of them deletes it"
    await service.ask("POST", "config", CONFIG)
    assert (await service.ask("GET", "config")).data["components"].keys() == {"web"}
    assert (await service.ask("GET", "deployment")).status == 200
    tried("bad HTTP requests", COUNT)


# ------------------------------------------------------------------ floods


def head(service: Service, *more: str) -> bytes:
    lines = [
        f"POST /v1/tool/{service.tool}/config HTTP/1.1",
        "Host: x",
        f"x-toolforge-tool: {service.tool}",
        "Content-Type: application/json",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def flooded(service: Service, start: bytes, piece: bytes, count: int) -> tuple[bytes, int]:
    """Send a piece again and again until something comes back; what, and how many were taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(service))
    writer.write(start)
    answer = asyncio.create_task(reader.read(4096))
    taken = 0
    try:
        async with asyncio.timeout(SECONDS):
            while taken < count and not answer.done():
                writer.write(piece)
                await writer.drain()
                taken += 1
            return await answer, taken
    except ConnectionError:
        return (answer.result() if answer.done() and not answer.exception() else b""), taken
    finally:
        answer.cancel()
        await asyncio.wait([answer])
        writer.close()


async def test_a_gigabyte_is_refused_before_it_is_read(service: Service) -> None:
    process = psutil.Process()
    before = process.memory_info().rss
    size = 2**30
    answer, taken = await flooded(
        service, head(service, f"Content-Length: {size}"), b"x" * 65_536, size // 65_536
    )
    assert b" 413 " in answer
    assert taken < 200, "it was read"
    chunk = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    answer, taken = await flooded(
        service, head(service, "Transfer-Encoding: chunked"), chunk, size // 65_536
    )
    assert b" 413 " in answer
    assert taken < 200, "it was read"
    assert process.memory_info().rss - before < MOST


async def test_a_bomb_is_not_unpacked(service: Service) -> None:
    process = psutil.Process()
    bomb = gzip.compress(b" " * (64 * 2**20))
    before = process.memory_info().rss
    more = (f"Content-Length: {len(bomb)}", "Content-Encoding: gzip")
    answer = await sent(service, head(service, *more), bomb)
    assert answer[9:12] == b"422", answer[:200]
    assert b"The body must not be compressed" in answer
    assert process.memory_info().rss - before < MOST


async def test_a_hundred_thousand_headers_are_refused(service: Service) -> None:
    start = head(service)[:-2]
    answer, _ = await flooded(service, start, b"x-a: b\r\n" * 100, 1_000)
    assert b" 400 " in answer[:40]


@pytest.mark.skipif(not trials.WHOLE, reason="takes ten seconds; test_listening has a short one")
async def test_heads_that_drip_are_refused_within_ten_seconds(tmp_path: Path) -> None:
    """Two thousand at the listener that all roles have; others are served meanwhile."""
    process = psutil.Process()
    async with controlplane.embedded(tmp_path) as access:
        address = URL(access.url)
        start = b"GET /api/v1/namespaces HTTP/1.1\r\nHost: x\r\na: "
        before = process.memory_info().rss

        async def drip() -> tuple[bytes, float]:
            reader, writer = await asyncio.open_connection(address.host, address.port)
            began = time.perf_counter()
            writer.write(start)
            answer = asyncio.create_task(reader.read())
            while not answer.done():
                writer.write(b"x")
                await asyncio.wait([answer], timeout=2)
            writer.close()
            return answer.result(), time.perf_counter() - began

        dripping = asyncio.gather(*(drip() for _ in range(2_000)))
        await asyncio.sleep(5)
        assert (await access.ask("GET", "/api/v1/namespaces")).status == 200
        grown = process.memory_info().rss - before
        ends = await dripping
    assert {answer[9:12] for answer, _ in ends} == {b"408"}
    assert max(seconds for _, seconds in ends) < SECONDS
    assert grown < 2_000 * 48 * 1024, "client and server are in this process"


async def test_pipelined_requests_are_answered_one_after_the_other(service: Service) -> None:
    one = f"GET /v1/healthz HTTP/1.1\r\nHost: x\r\nx-toolforge-tool: {service.tool}\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port(service))
    writer.write(one.encode() * 500)
    answers = b""
    async with asyncio.timeout(SECONDS):
        while answers.count(b"HTTP/1.1 ") < 500:
            answers += await reader.read(65_536)
    writer.close()
    assert answers.count(b"HTTP/1.1 200") == 500


async def test_strangers_who_drip_take_little_memory_and_no_room_from_others(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The webhook has to read a body to know whose it is; 200 KiB of each come, and no more."""
    monkeypatch.setattr(reading, "BODY_WITHIN", reading.BODY_WITHIN / 5)
    most = 2_000 if trials.WHOLE else 200
    lines = [
        f"POST /v1/tool/{service.tool}/webhook HTTP/1.1",
        "Host: x",
        f"X-Hub-Signature-256: sha256={'0' * 64}",
        "Content-Length: 262000",
    ]
    process = psutil.Process()
    before = grown = process.memory_info().rss
    start, body = ("\r\n".join(lines) + "\r\n\r\n").encode(), b"x" * 200 * 1024
    slow = [asyncio.create_task(sent(service, start, body)) for _ in range(most)]
    while not all(each.done() for each in slow):
        await asyncio.wait(slow, timeout=0.2)
        grown = max(grown, process.memory_info().rss)
        began = time.perf_counter()
        assert (await service.ask("GET", "config")).status == 200
        assert time.perf_counter() - began < 6, "with two thousand clients in this process"
    answers = [each.result() for each in slow]
    # Where two thousand send at once, some are cut before they have read why.
    assert {b"408", b"429"} <= {answer[9:12] for answer in answers} <= {b"408", b"429", b""}
    assert grown - before < MOST + most * 24 * 1024, "client and server are in this process"


async def test_who_drips_does_not_keep_others_waiting(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred bodies that never come; everybody else is served, and they are sent away."""
    monkeypatch.setattr(reading, "BODY_WITHIN", reading.BODY_WITHIN / 10)
    slow = [
        asyncio.create_task(sent(service, head(service, "Content-Length: 100"), b"{"))
        for _ in range(100)
    ]
    await asyncio.sleep(0.2)
    began = time.perf_counter()
    assert (await service.ask("GET", "config")).status == 200
    assert time.perf_counter() - began < 1
    answers = await asyncio.gather(*slow)
    assert {answer[9:12] for answer in answers} == {b"408"}
    assert b"did not arrive within" in answers[0]
