"""The general transport: `git ls-remote` through GitPython, for every protocol and server.

All wanted refs of a repository in one call. Hardened as reliability.md 4 measured: one protocol
allowed, no redirects, the checked IP addresses pinned, `--` before the address. git's own trace of
the HTTP headers tells status, Location and Retry-After, which its messages do not.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from controller import gitauth
from watchers.git import transport
from watchers.git.addresses import Address
from watchers.git.process import Ended, GitProcesses, Limits, TimedOut, TooMuch
from watchers.git.resolution import RefFound

# Names in one call: together far below the kernel's limit on arguments.
_NAMES_PER_CALL = 300
_HEADER = re.compile(r"^[0-9:.]+ \S+ +<= Recv header: (.*?)\r?$", re.MULTILINE)
_STATUS = re.compile(r"HTTP/[0-9.]+ ([0-9]{3})\b")
_LINE = re.compile(rb"([0-9a-f]{40}|[0-9a-f]{64})\t([^\n]+)")
_PEELED = "^{}"
_TELLING = ("fatal:", "error:", "ERROR:")  # the last is what the hosts' own ssh servers say
_NO_REPOSITORY = (
    "does not appear to be a git repository",
    "not a git repository",
    "does not exist",
    "not exported",
    "is this a git repository",
    "not valid: could not determine hash algorithm",
    "not found",
    "could not be found",
)
_TLS = ("certificate", "SSL", "TLS", "gnutls")


class LsRemote:
    """Asks by running git."""

    def __init__(
        self,
        processes: GitProcesses,
        timeout: timedelta = transport.TIMEOUT,
        user_agent: str = transport.USER_AGENT,
    ) -> None:
        self._processes = processes
        self._limits = Limits(timeout, transport.MAX_ANSWER_BYTES)
        self._user_agent = user_agent

    async def refs(self, address: Address, wanted: Sequence[str]) -> Mapping[str, RefFound]:
        """See `transport.Transport.refs`."""
        found: dict[str, RefFound] = {}
        for start in range(0, len(wanted), _NAMES_PER_CALL):
            names = wanted[start : start + _NAMES_PER_CALL]
            output = await self._ask(address, names)
            found |= await asyncio.to_thread(exactly, names, output)
        return found

    async def _ask(self, address: Address, names: Sequence[str]) -> bytes:
        # git's own `*` takes everything to the end of a name, the mark of a peeled tag included.
        patterns = [
            pattern
            for name in names
            for pattern in ((name,) if name.endswith("*") else (name, name + _PEELED))
        ]
        ip = address.ips[0] if address.ips else ""
        try:
            with gitauth.given(address.credential, address.target, ip) as login:
                ended = await self._processes.run(
                    ["ls-remote", "--quiet", "--", _pinned_url(address), *patterns],
                    {**_config(address, self._user_agent), **login.config},
                    {"GIT_ALLOW_PROTOCOL": address.scheme, **_TRACE, **login.variables},
                    self._limits,
                )
        except TimedOut:
            seconds = int(self._limits.time.total_seconds())
            raise transport.unreachable(address, f"did not answer within {seconds} s") from None
        except TooMuch:
            raise transport.too_large(address) from None
        if ended.code != 0 or is_web_page(ended):
            raise failure(ended, address)
        return ended.output


_TRACE = {"GIT_TRACE_CURL": "1", "GIT_TRACE_CURL_NO_DATA": "1"}


def _config(address: Address, user_agent: str) -> dict[str, str]:
    """git's settings for this one call."""
    settings = {
        "protocol.version": "2",
        "http.followRedirects": "false",
        # "" switches proxies off: through a proxy the pinned address would not count.
        "http.proxy": "",
        "http.lowSpeedLimit": "1000",
        "http.lowSpeedTime": "10",
        "http.userAgent": user_agent,
        "credential.helper": "",
    }
    if address.scheme in ("http", "https"):
        settings["http.curloptResolve"] = f"{address.host}:{address.port}:{','.join(address.ips)}"
    return settings


def _pinned_url(address: Address) -> str:
    """git:// has no setting for the IP address, so it takes the place of the host's name."""
    if address.scheme != "git":
        return address.url
    ip = address.ips[0]
    host = f"[{ip}]" if ":" in ip else ip
    path = "/" + address.url.removeprefix("git://").partition("/")[2]
    return f"git://{host}:{address.port}{path}"


def exactly(names: Sequence[str], output: bytes) -> dict[str, RefFound]:
    """The refs of these names in the output of ls-remote, whose patterns match ends of names."""
    listed = {match[2].decode("utf-8", "replace"): match[1].decode() for match in _lines(output)}
    refs = {
        name: RefFound(target, listed.get(name + _PEELED))
        for name, target in listed.items()
        if not name.endswith(_PEELED)
    }
    return transport.of_names(names, refs)


def _lines(output: bytes) -> Iterator[re.Match[bytes]]:
    matches = (_LINE.fullmatch(line) for line in output.split(b"\n"))
    return (match for match in matches if match)


def failure(ended: Ended, address: Address) -> Exception:
    """What a git that failed means: by the HTTP answer where there was one, else by its words."""
    status, headers = last_answer(ended.complaint)
    if status not in (0, 200):
        return transport.answer_of(status, headers, address)
    if is_web_page(ended):
        return transport.not_found(address, "it is a web page")
    if address.scheme == "ssh" and address.credential is not None:
        refused = gitauth.refusal(address.credential, address.host, ended.complaint)
        if refused is not None:
            return refused
    said = " ".join(line for line in ended.complaint.splitlines() if line.startswith(_TELLING))
    if "out of memory" in said.lower():
        return transport.too_large(address)
    if any(phrase in said for phrase in _NO_REPOSITORY):
        return transport.not_found(address, "git says that there is none")
    if any(word in said for word in _TLS):
        return transport.bad_certificate(address)
    return transport.unreachable(address, "could not be reached, or does not answer as git does")


def is_web_page(ended: Ended) -> bool:
    """Whether git took a page for a repository of the oldest kind of server, one without refs."""
    content_type = last_answer(ended.complaint)[1].get("content-type", "")
    return not ended.output and content_type.startswith("text/html")


def last_answer(trace: str) -> tuple[int, dict[str, str]]:
    """Status and headers of the last HTTP answer in git's trace; status 0 when there was none."""
    status = 0
    headers: dict[str, str] = {}
    for line in _HEADER.findall(trace):
        if match := _STATUS.match(line):
            status, headers = int(match[1]), {}
        elif ":" in line:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
    return status, headers
