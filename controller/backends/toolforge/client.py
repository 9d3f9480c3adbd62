"""The HTTP client that `builds` and `jobs` share: one session, one gateway, time limits on all.

It carries requests and turns what happens on the way into `Transient`; what a status code means is
decided in `errors`. Nothing is retried here: the queue calls again, with backoff and jitter.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any, Literal
from urllib.parse import quote

import aiohttp

from controller.backends.toolforge.errors import Answer
from controller.errors import Transient
from controller.models import terminal
from controller.models.reasons import Reason

Service = Literal["builds", "jobs"]
Record = Callable[[str, str, int | str, float], None]
"""Called after each request: service, verb, status code or "timeout" or "error", seconds."""

_LARGEST_ANSWER = 16 * 2**20
_LONGEST_LINE = 2**16
TAIL, _TAIL_WIDTH = 20, 500
_FOLLOWING = timedelta(minutes=15)  # builds-api waits up to ten minutes for a build to begin


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where the services are and how we show who we are.

    In production `url` is the API gateway, which knows us by our client certificate and sets the
    tool's header itself. `tool_header` sends that header from here: only for services that are
    reached without a gateway (tests, lima-kilo), where `builds_url` and `jobs_url` name each.
    """

    url: str = ""
    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None
    verify: bool = True
    tool_header: bool = False
    builds_url: str = ""
    jobs_url: str = ""
    timeout: timedelta = timedelta(seconds=20)
    connections: int = 20
    user_agent: str = "push-to-deploy"

    def base(self, service: Service) -> str:
        """The root of a service's routes, without a slash at its end."""
        own = self.builds_url if service == "builds" else self.jobs_url
        return (own or f"{self.url.rstrip('/')}/{service}").rstrip("/")


def nothing(_service: str, _verb: str, _code: int | str, _seconds: float) -> None:
    """Records nothing."""


@asynccontextmanager
async def opened(gateway: Gateway, record: Record = nothing) -> AsyncIterator["Client"]:
    """A client with its own connections, closed at the end."""
    connector = aiohttp.TCPConnector(limit=gateway.connections, ssl=_tls(gateway))
    async with aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": gateway.user_agent},
        cookie_jar=aiohttp.DummyCookieJar(),
    ) as session:
        yield Client(gateway, session, record)


@dataclass(frozen=True, slots=True)
class Client:
    """Requests to the services; made by `opened`, once per process."""

    gateway: Gateway
    session: aiohttp.ClientSession
    record: Record

    async def ask(
        self,
        service: Service,
        verb: str,
        tool: str,
        path: str,
        *,
        send: Any = None,
        timeout: timedelta | None = None,
    ) -> Answer:
        """One request below the tool's root; any status is an answer.

        `path` is quoted by the caller (see `part`). Raises Transient when no answer came.
        """
        limit = aiohttp.ClientTimeout(total=(timeout or self.gateway.timeout).total_seconds())
        begun, code = perf_counter(), "error"  # type: float, int | str
        try:
            async with self._request(service, verb, tool, path, limit, send=send) as response:
                body = await _whole(response)
                code = response.status
                return Answer(response.status, body, _retry_after(response.headers))
        except TimeoutError:
            code = "timeout"
            text = f"{service}-api did not answer within {limit.total:.0f} s"
            raise Transient(Reason.PLATFORM_UNAVAILABLE, text) from None
        except aiohttp.ClientError as error:
            raise _broken(service, error) from None
        finally:
            self.record(service, verb, code, perf_counter() - begun)

    async def lines(
        self, service: Service, tool: str, path: str, *, follow: bool
    ) -> AsyncIterator[Answer | str]:
        """The lines of a streamed answer as they come; a refusal comes as an Answer instead."""
        seconds = (_FOLLOWING if follow else self.gateway.timeout).total_seconds()
        limit = aiohttp.ClientTimeout(sock_read=seconds, sock_connect=seconds)
        try:
            async with self._request(service, "GET", tool, path, limit) as response:
                if response.status != 200:
                    yield Answer(response.status, await _whole(response))
                    return
                async for line in _lines(response):
                    yield line
        except TimeoutError:
            text = f"{service}-api sent nothing more of the log for {seconds:.0f} s"
            raise Transient(Reason.PLATFORM_UNAVAILABLE, text) from None
        except aiohttp.ClientError as error:
            raise _broken(service, error) from None

    def _request(
        self,
        service: Service,
        verb: str,
        tool: str,
        path: str,
        limit: aiohttp.ClientTimeout,
        *,
        send: Any = None,
    ) -> Any:
        url = f"{self.gateway.base(service)}/v1/tool/{part(tool)}{path}"
        headers = {"X-Toolforge-Tool": tool} if self.gateway.tool_header else {}
        return self.session.request(
            verb, url, json=send, headers=headers, timeout=limit, allow_redirects=False
        )


async def tail(lines: AsyncIterator[str], within: timedelta) -> tuple[str, ...]:
    """The last lines of a log, none of them endless: they are kept in a status.

    Raises Transient where the log takes longer: a service that sends little by little may hold up
    nobody for long.
    """
    last: deque[str] = deque(maxlen=TAIL)
    try:
        async with asyncio.timeout(within.total_seconds()):
            async for line in lines:
                last.append(line)
    except TimeoutError:
        text = f"the log did not end within {within.total_seconds():g} s"
        raise Transient(Reason.PLATFORM_UNAVAILABLE, text) from None
    return tuple(terminal.last_shown(line)[:_TAIL_WIDTH] for line in last)


def part(name: str) -> str:
    """A name as one part of a path, whatever it holds."""
    return quote(name, safe="")


def _tls(gateway: Gateway) -> ssl.SSLContext | bool:
    if gateway.certificate is None and gateway.authority is None:
        return gateway.verify
    context = ssl.create_default_context(cafile=gateway.authority)
    if not gateway.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if gateway.certificate is not None:
        context.load_cert_chain(gateway.certificate, gateway.key)
    return context


def _broken(service: Service, error: aiohttp.ClientError) -> Transient:
    # The error's own text may hold the URL, which is the operator's business, not the user's.
    text = f"{service}-api cannot be reached ({type(error).__name__})"
    return Transient(Reason.PLATFORM_UNAVAILABLE, text)


async def _whole(response: aiohttp.ClientResponse) -> str:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _LARGEST_ANSWER:
            raise aiohttp.ClientPayloadError("the answer is too large")
    return body.decode(errors="replace")


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[str]:
    rest = b""
    async for chunk in response.content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")
        rest = rest[:_LONGEST_LINE]
    if rest:
        yield rest.decode(errors="replace")


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    value = headers.get("Retry-After", "")
    return timedelta(seconds=min(int(value), 3_600)) if value.isdecimal() else None
