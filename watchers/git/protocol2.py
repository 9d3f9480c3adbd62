"""The cheap transport: one POST of git's protocol version 2 on a kept-alive connection.

`ls-refs` with `ref-prefix` asks for the followed refs only, however many the repository has
(gitprotocol-v2(5)). What this transport is not sure of (another version, a redirect, a refusal) it
leaves to `ls_remote`, which speaks to every server: it raises Unsupported. Answers are read with a
limit; connections go to the checked IP addresses only.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import timedelta

import aiohttp
from dulwich.errors import GitProtocolError
from dulwich.protocol import PktLineParser, pkt_line

from controller.models.credentials import HttpLogin
from watchers.git import transport
from watchers.git.addresses import Address
from watchers.git.pinned import Pinned
from watchers.git.recent import Recent
from watchers.git.resolution import RefFound

_DELIMITER = b"0001"
_OBJECT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_RESULT = "application/x-git-upload-pack-result"
_BUSY = frozenset({429, 502, 503, 504})
# Each host has a few at most, and hosts that hold on to theirs must not take those of others.
_CONNECTIONS = 1000
_LONG_ANSWER = 64 * 1024
_IDLE_SECONDS = 75.0
# Checks; at the usual interval most of an hour. One odd answer of a proxy is not for ever.
_AGAIN = 100


class Protocol2:
    """Asks http and https servers. Use `close` at the end."""

    def __init__(
        self,
        timeout: timedelta = transport.TIMEOUT,
        user_agent: str = transport.USER_AGENT,
    ) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout.total_seconds())
        self._user_agent = user_agent
        self._pins = Pinned()
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """End all connections."""
        if self._session is not None:
            await self._session.close()

    async def refs(self, address: Address, wanted: Sequence[str]) -> Mapping[str, RefFound]:
        """See `transport.Transport.refs`."""
        if address.scheme not in ("http", "https"):
            raise transport.Unsupported
        self._pins.admit(address)
        try:
            content = await self._ask(address, request(wanted, self._user_agent))
            # A long list is read beside the event loop.
            long = len(content) > _LONG_ANSWER
            listed = await asyncio.to_thread(parse, content) if long else parse(content)
        except TimeoutError:
            seconds = int(self._timeout.total or 0)
            raise transport.unreachable(address, f"did not answer within {seconds} s") from None
        except aiohttp.ClientConnectorCertificateError:
            raise transport.bad_certificate(address) from None
        except (aiohttp.ClientError, OSError):
            raise transport.unreachable(address, "could not be reached") from None
        return transport.of_names(wanted, listed)

    async def _ask(self, address: Address, body: bytes) -> bytes:
        try:
            return await self._post(address, body)
        except aiohttp.ServerDisconnectedError:
            # The host ended a kept connection at the moment when it was used again.
            return await self._post(address, body)

    async def _post(self, address: Address, body: bytes) -> bytes:
        async with self._opened().post(
            address.url + "/git-upload-pack",
            data=body,
            headers=_login(address),
            allow_redirects=False,
        ) as answer:
            if answer.status in _BUSY:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                raise transport.answer_of(answer.status, headers, address)
            if answer.status != 200 or answer.content_type != _RESULT:
                raise transport.Unsupported
            content = bytearray()
            async for chunk in answer.content.iter_any():
                content += chunk
                if len(content) > transport.MAX_ANSWER_BYTES:
                    raise transport.too_large(address)
            return bytes(content)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=self._pins,
                    use_dns_cache=False,
                    limit=_CONNECTIONS,
                    keepalive_timeout=_IDLE_SECONDS,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={
                    "User-Agent": self._user_agent,
                    "Git-Protocol": "version=2",
                    "Content-Type": "application/x-git-upload-pack-request",
                    "Accept": _RESULT,
                },
                timeout=self._timeout,
                trust_env=False,
            )
        return self._session


def _login(address: Address) -> dict[str, str]:
    """The header that shows who asks; it goes to this host only, and no redirect is followed."""
    credential = address.credential
    if credential is None or not isinstance(credential.login, HttpLogin):
        return {}
    return {"Authorization": credential.login.authorization}


def request(wanted: Sequence[str], agent: str) -> bytes:
    """The body that asks for refs which begin with these names."""
    names = (name.removesuffix("*").encode() for name in wanted)
    prefixes = (b"ref-prefix " + name + b"\n" for name in names)
    return b"".join(
        [
            pkt_line(b"command=ls-refs\n"),
            pkt_line(b"agent=" + agent.encode() + b"\n"),
            _DELIMITER,
            pkt_line(b"peel\n"),
            *map(pkt_line, prefixes),
            pkt_line(None),
        ]
    )


def parse(content: bytes) -> dict[str, RefFound]:
    """The refs in an answer. Unsupported for one that is not version 2, or not complete."""
    packets: list[bytes | None] = []
    parser = PktLineParser(packets.append)
    try:
        parser.parse(content)
    except GitProtocolError:
        raise transport.Unsupported from None
    if not packets or packets[-1] is not None or parser.get_tail():
        raise transport.Unsupported
    listed = {}
    for packet in packets[:-1]:
        words = (packet or b"").decode("utf-8", "replace").rstrip("\n").split(" ")
        if words[0] == "ERR" or len(words) < 2:
            raise transport.Unsupported
        peeled = [word.removeprefix("peeled:") for word in words[2:] if word.startswith("peeled:")]
        if not all(map(_OBJECT.fullmatch, (words[0], *peeled))):
            raise transport.Unsupported
        listed[words[1]] = RefFound(words[0], peeled[0] if peeled else None)
    return listed


class Cheapest:
    """Protocol version 2 where that works, else git itself; remembered for each repository."""

    def __init__(
        self, cheap: transport.Transport, general: transport.Transport, again: int = _AGAIN
    ) -> None:
        self._cheap = cheap
        self._general = general
        self._again = again
        # How often git itself is asked before the cheap way is tried once more.
        self._left: Recent[int] = Recent()

    async def refs(self, address: Address, wanted: Sequence[str]) -> Mapping[str, RefFound]:
        """See `transport.Transport.refs`."""
        left = self._left.get(address.url, 0)
        if not left:
            try:
                return await self._cheap.refs(address, wanted)
            except transport.Unsupported:
                left = self._again
        found = await self._general.refs(address, wanted)
        # Only now is it sure that the repository is there and that it was the transport's fault.
        self._left[address.url] = left - 1
        return found
