"""Health checks of one instance: http, script, or that its port answers.

Made by `instance` for each start. A check answers "" when it passes, else why it does not; it never
raises and always ends within the timeout.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta

import aiohttp

from controller.backends.local import bound
from controller.backends.local.launch import Launch, split
from controller.models.toolconfig import ContinuousRun

Check = Callable[[], Awaitable[str]]

_HEARD = 16 * 1024
_TOLD = 200
_NOBODY = "nothing listens on the port that PORT names"


def check_for(
    run: ContinuousRun, port: int | None, launch: Launch, host: str, timeout: timedelta
) -> Check | None:
    """The check that `run` asks for; without one, a tcp port must answer; else there is none."""
    seconds = timeout.total_seconds()
    if run.health_check_script is not None:
        script = run.health_check_script
        return lambda: _script(script, launch, seconds)
    if port is None or run.port_protocol == "udp":
        return None
    if run.health_check_http is not None:
        path = "/" + run.health_check_http.lstrip("/")  # it may never name another host
        return lambda: _http(f"http://{host}:{port}{path}", path, seconds)
    return lambda: _connect(host, port, seconds)


async def _http(url: str, path: str, seconds: float) -> str:
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            passed = 200 <= response.status < 400
            return "" if passed else f"GET {path} answered {response.status}"
    except TimeoutError:
        return f"GET {path} did not answer within {seconds:g} s"
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return f"GET {path} failed: {_words(error)}"


def _words(error: Exception) -> str:
    """What went wrong, for who wrote the component: the client's own text is about the client."""
    match error:
        case aiohttp.ClientConnectorError():
            return _NOBODY
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return "the connection was closed without an answer"
        case aiohttp.ClientResponseError():
            return "what answers on the port does not speak HTTP"
        case aiohttp.InvalidURL() | ValueError():
            return "that is no valid path"
    return f"the answer broke off ({type(error).__name__})"


async def _connect(host: str, port: int, seconds: float) -> str:
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return _NOBODY
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return ""


async def _script(script: str, launch: Launch, seconds: float) -> str:
    with _listening() as (printed, writing):
        why = await _run_script(script, launch, seconds, writing)
    said = _last_line(bytes(printed))
    return f"{why}: {said}" if why and said else why


async def _run_script(script: str, launch: Launch, seconds: float, output: int) -> str:
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", bound.__file__, *split(script)),
            cwd=launch.cwd,
            env=dict(launch.env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except OSError as error:
        return f"the health check script could not be started: {error.strerror}"
    try:
        async with asyncio.timeout(seconds):
            code = await process.wait()
    except TimeoutError:
        return f"the health check script did not end within {seconds:g} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if code == bound.NOT_FOUND:
        return f"the health check script was not found: {split(script)[0]}"
    return "" if code == 0 else f"the health check script exited with code {code}"


@contextlib.contextmanager
def _listening() -> Iterator[tuple[bytearray, int]]:
    """The end of what is written to the descriptor, which is read without a stop.

    A pipe of our own: what a script leaves behind may hold the other end for as long as it likes.
    """
    printed, (reading, writing) = bytearray(), os.pipe()
    os.set_blocking(reading, False)

    def read() -> None:
        with contextlib.suppress(BlockingIOError):
            printed.extend(os.read(reading, _HEARD))
            del printed[:-_HEARD]

    loop = asyncio.get_running_loop()
    loop.add_reader(reading, read)
    try:
        yield printed, writing
    finally:
        loop.remove_reader(reading)
        os.close(writing)
        read()
        os.close(reading)


def _last_line(printed: bytes) -> str:
    """The last line that says anything, as far as a message has room."""
    lines = printed.decode(errors="replace").splitlines()
    words = ["".join(c for c in line if c.isprintable()).strip() for line in lines]
    return next((line[:_TOLD] for line in reversed(words) if line), "")
