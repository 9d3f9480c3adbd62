"""Fetches a config from its source_url, as a stranger's address deserves.

Implements `configs.Sources` on aiohttp. The host is looked up once, by the guard that also admits
repositories; the connection goes to the addresses that it found and to no others, at every
redirect. Size, time and kind of the answer are limited, and no part of it gets into an error.
"""

import asyncio
import re
from datetime import timedelta
from typing import Final
from urllib.parse import urldefrag, urljoin

import aiohttp
from yarl import URL

from controller.api.configs import SourceError
from controller.config.documents import MAX_BYTES
from controller.errors import EdgeError
from watchers.git.addresses import Address, Guard
from watchers.git.pinned import Pinned
from watchers.git.transport import USER_AGENT

LIMIT = timedelta(seconds=10)
"""For everything together: the Toolforge client waits 20 s for an answer."""

_REDIRECTS = 5
_AT_ONCE = 8
_MOVED: Final = (301, 302, 303, 307, 308)
_PRINTABLE = re.compile("[!-~]+")
_PAGES = ("text/html", "application/xhtml+xml")
_HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity", "Accept": "*/*"}


class Fetcher:
    """Fetches texts; a few at a time. `guard` says which hosts may be asked."""

    def __init__(self, guard: Guard, limit: timedelta = LIMIT) -> None:
        self._guard = guard
        self._limit = limit
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def fetch(self, url: str) -> str:
        """The text at an http(s) address; raises SourceError with a sentence for its owner."""
        try:
            async with asyncio.timeout(self._limit.total_seconds()), self._places:
                return await self._follow(url)
        except TimeoutError:
            seconds = self._limit.total_seconds()
            raise SourceError(f"it did not answer within {seconds:g} s") from None

    async def _follow(self, url: str) -> str:
        for _ in range(_REDIRECTS + 1):
            url = urldefrag(url).url
            if not _PRINTABLE.fullmatch(url):
                raise SourceError("it has characters that no address has")
            found = await self._ask(await self._admitted(url), url)
            if isinstance(found, str):
                return found
            url = urljoin(url, found.location)
        raise SourceError(f"it redirects more than {_REDIRECTS} times")

    async def _admitted(self, url: str) -> Address:
        """The host with the addresses that it may be asked at. Only its path has a query."""
        try:
            return await self._guard.admit(url.partition("?")[0])
        except EdgeError as error:
            raise SourceError(_about_us(error.message)) from None

    async def _ask(self, address: Address, url: str) -> "str | _Moved":
        resolver = Pinned()
        resolver.admit(address)
        connector = aiohttp.TCPConnector(resolver=resolver, force_close=True)
        session = aiohttp.ClientSession(
            connector=connector,
            headers=_HEADERS,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        try:
            exactly = URL(url, encoded=True)
            async with session, session.get(exactly, allow_redirects=False) as response:
                return await _read(response)
        except (aiohttp.ClientError, OSError) as error:
            raise SourceError(f"no connection to {address.host}: {_kind(error)}") from None
        except ValueError:
            raise SourceError("it is not a valid address") from None


class _Moved:
    """The host says that it is elsewhere; checked anew before anything is sent there."""

    def __init__(self, location: str) -> None:
        self.location = location


async def _read(response: aiohttp.ClientResponse) -> str | _Moved:
    if response.status in _MOVED and "Location" in response.headers:
        return _Moved(response.headers["Location"])
    if response.status != 200:
        raise SourceError(f"it answers HTTP {response.status}")
    if response.content_type in _PAGES:
        raise SourceError("it is a web page; use the address of the raw file")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise SourceError("it is compressed")
    if (response.content_length or 0) > MAX_BYTES:
        raise _too_large()
    raw = bytearray()
    async for chunk in response.content.iter_any():
        raw += chunk
        if len(raw) > MAX_BYTES:
            raise _too_large()
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise SourceError("it is no text in UTF-8") from None


def _too_large() -> SourceError:
    return SourceError(f"it is larger than {MAX_BYTES // 1024} KiB")


def _about_us(message: str) -> str:
    """The guard's sentence, which speaks of repositories, about this address."""
    return message.replace("the repository's address is refused: ", "it is refused: ")


def _kind(error: Exception) -> str:
    """What went wrong, without anything that the other side said."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return "its certificate is not valid"
        case aiohttp.ClientConnectorError() | OSError():
            return "it does not answer"
        case _:
            return "it does not speak HTTP"
