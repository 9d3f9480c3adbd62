"""Which repository addresses may be asked, and at which IP address: the SSRF guard.

`parse` checks the text of an address (pure); `Guard.admit` adds the host's DNS answer, asked once
and handed to the transport as the only addresses that it may connect to: a second, different answer
changes nothing. Addresses come from strangers. Called by `watchers.git.repositories` for the
configured address and again for each redirect. No git and no HTTP here.
"""

import asyncio
import fnmatch
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import SplitResult, urlsplit

from controller import errors
from controller.models.credentials import ANY_USER, PORTS, Credential, Target
from controller.models.reasons import EXPLANATIONS, Reason
from controller.models.sources import SCP
from watchers.git.recent import Recent

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]

MAX_ADDRESS_LENGTH = 2048
DNS_TIMEOUT_SECONDS = 5.0
# Python's is_global calls these global; each can lead to an internal host (reliability.md 4).
_SPECIAL: tuple[IPNetwork, ...] = tuple(
    ipaddress.ip_network(network)
    for network in (
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "192.88.99.0/24",
        "5f00::/16",
        "3fff::/20",
        "fec0::/10",
    )
)
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\<>\"'`{}|^$]|%(?:[01][0-9a-f]|7f)", re.IGNORECASE)
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})?(\.[a-z0-9_]([a-z0-9_-]{0,62})?)*")
_BRACKETS = re.compile(r"^([^\[\]]*@)?\[[0-9a-f:.]+\](:[0-9]*)?$", re.IGNORECASE)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_INTERNAL_NAMES = ("localhost", "local", "internal", "localdomain", "arpa", "cluster", "svc")


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator allows.

    `allow` wins over `deny`, and `deny` over everything else. Both hold patterns of hosts
    (`*.example.org`, optionally with `:port`); an allowed host may also have private addresses.
    `deny=("*",)` leaves the allowed hosts only. `denied_networks` are refused although they look
    public (the cluster's service and pod ranges). `allow_private` and `allow_file` are for one
    person's own machine.
    """

    schemes: frozenset[str] = frozenset(PORTS)
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    denied_networks: tuple[IPNetwork, ...] = ()
    allow_private: bool = False
    allow_file: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """What may be asked, at `ips` only. `url` is normalised: it identifies the repository.

    `credential` is what to show there; it has been checked that it is for this host.
    """

    url: str
    scheme: str
    host: str = ""
    port: int = 0
    ips: tuple[str, ...] = ()
    credential: Credential | None = None

    @property
    def target(self) -> Target:
        """Where what is sent arrives."""
        loopback = bool(self.ips) and all(_unwrapped(ip).is_loopback for ip in self.ips)
        return Target(self.scheme, self.host, self.port, loopback)


def parse(text: str, policy: Policy) -> Address:
    """The address as far as its text tells. Raises Terminal(REPOSITORY_REFUSED)."""
    if not text or len(text) > MAX_ADDRESS_LENGTH or _UNSAFE.search(text) or not text.isprintable():
        raise refused("it is empty, too long, or has characters that no address needs")
    if policy.allow_file and text.startswith(("/", "file:///")):
        return Address("file://" + text.removeprefix("file://"), "file")
    if (short := SCP.fullmatch(text)) is not None:
        return _of_short_form(short, policy)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise refused("it is not a URL") from None
    scheme = parts.scheme.lower()
    if scheme not in policy.schemes or scheme not in PORTS or not parts.netloc:
        raise refused(f"it does not begin with {_or(sorted(policy.schemes))}")
    if "%" in parts.netloc or ("[" in parts.netloc and not _BRACKETS.search(parts.netloc)):
        raise refused("its host name is not valid")
    if "@" in parts.netloc and not (scheme == "ssh" and _USER.fullmatch(_user(parts))):
        raise refused("it holds a user name or password")
    if parts.query or parts.fragment or text.endswith(("?", "#")):
        raise refused("it holds a query (`?...`) or a fragment (`#...`)")
    host = _host(parts.hostname or "")
    address = Address("", scheme, host, port or PORTS[scheme])
    _check_host(address, policy)
    return replace(address, url=_normalised(address, parts))


class Guard:
    """The policy together with DNS."""

    def __init__(self, policy: Policy, lookup: Lookup | None = None) -> None:
        self._policy = policy
        self._lookup = lookup or system_lookup
        self._parsed: Recent[Address] = Recent()

    def parse(self, text: str) -> Address:
        """See `parse`: the address without its IP addresses. Good ones are remembered."""
        known = self._parsed.get(text)
        if known is None:
            known = self._parsed[text] = parse(text, self._policy)
        return known

    async def admit(self, text: str) -> Address:
        """The address with the IP addresses that it may be asked at.

        Raises Terminal(REPOSITORY_REFUSED, REPOSITORY_NOT_FOUND for a host that does not exist) or
        Transient(REPOSITORY_UNREACHABLE) when DNS does not answer.
        """
        address = self.parse(text)
        if address.scheme == "file":
            return address
        try:
            async with asyncio.timeout(DNS_TIMEOUT_SECONDS):
                found = await self._lookup(address.host, address.port)
        except socket.gaierror as error:
            raise _no_such_host(address.host, error) from None
        except (TimeoutError, OSError):
            raise _dns_silent(address.host) from None
        ips = tuple(dict.fromkeys(found))
        if not ips:
            raise _dns_silent(address.host)
        forbidden = [ip for ip in ips if not _reachable(ip, address, self._policy)]
        if forbidden:
            # One bad answer among good ones is how rebinding begins, so it spoils all of them.
            raise refused(f"its host {address.host} is inside this platform or a private network")
        return replace(address, ips=ips)


async def system_lookup(host: str, port: int) -> Sequence[str]:
    """All IP addresses that the system's resolver has for a host."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def is_public(text: str) -> bool:
    """Whether an IP address is one that a stranger may make us connect to."""
    ip = _unwrapped(text)
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _SPECIAL)


def refused(why: str) -> errors.Terminal:
    """The refusal of an address, saying why, without the address (it may hold a password)."""
    hint = EXPLANATIONS[Reason.REPOSITORY_REFUSED].hint
    return errors.Terminal(
        Reason.REPOSITORY_REFUSED, f"the repository's address is refused: {why}", hint
    )


def _of_short_form(short: re.Match[str], policy: Policy) -> Address:
    """`git@host:path`. A path that begins with `/` is that of an ssh:// address; others are not."""
    if "ssh" not in policy.schemes:
        raise refused(f"it does not begin with {_or(sorted(policy.schemes))}")
    host = _host(short["host"].strip("[]"))
    shown = f"[{host}]" if ":" in host else host
    place = f"{short['user']}@{shown}"
    path = short["path"]
    url = f"ssh://{place}{path}" if path.startswith("/") else f"{place}:{path}"
    address = Address(url, "ssh", host, PORTS["ssh"])
    _check_host(address, policy)
    return address


def _user(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[0]


def _host(text: str) -> str:
    """The host in lower case, ASCII, without a final dot; an IPv6 address without brackets."""
    name = text.removesuffix(".")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        name = name.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise refused("its host name is not valid") from None
    if not _HOST.fullmatch(name):
        raise refused("its host name is not valid")
    if _NUMERIC.fullmatch(name.rsplit(".", 1)[-1]):
        # 2130706433, 0x7f.1 and 0177.0.0.1 all mean 127.0.0.1 to some resolvers.
        raise refused("its host is a number that is not a plain IP address")
    return name


def _check_host(address: Address, policy: Policy) -> None:
    if _listed(address, policy.allow):
        return
    if _listed(address, policy.deny):
        raise refused(f"the operators do not allow the host {address.host}")
    if policy.allow_private:
        return
    if address.port != PORTS[address.scheme]:
        raise refused(f"port {address.port} is not the usual one of {address.scheme}")
    labels = address.host.split(".")
    if ":" not in address.host and (len(labels) == 1 or labels[-1] in _INTERNAL_NAMES):
        raise refused(f"the host {address.host} is not a public name")


def _reachable(ip: str, address: Address, policy: Policy) -> bool:
    if _listed(address, policy.allow) or policy.allow_private:
        return True
    unwrapped = _unwrapped(ip)
    return is_public(ip) and not any(unwrapped in network for network in policy.denied_networks)


def _unwrapped(text: str) -> IPAddress:
    """The address itself, where an IPv6 address only wraps an IPv4 one (::ffff:127.0.0.1)."""
    ip = ipaddress.ip_address(text)
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip


def _listed(address: Address, patterns: Sequence[str]) -> bool:
    """Whether a pattern names the host; without a port it stands for the scheme's usual one."""
    usual = address.port == PORTS[address.scheme]
    names = [f"{address.host}:{address.port}"] + ([address.host] if usual else [])
    return any(fnmatch.fnmatchcase(name, each.lower()) for each in patterns for name in names)


def _normalised(address: Address, parts: SplitResult) -> str:
    """One spelling for each repository: scheme and host in lower case, the path as it is."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    port = "" if address.port == PORTS[address.scheme] else f":{address.port}"
    user = f"{_user(parts) or ANY_USER}@" if address.scheme == "ssh" else ""
    return f"{address.scheme}://{user}{host}{port}{parts.path}"


def _no_such_host(host: str, error: socket.gaierror) -> errors.EdgeError:
    if error.errno not in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
        return _dns_silent(host)
    return errors.Terminal(
        Reason.REPOSITORY_NOT_FOUND,
        f"there is no host called {host}",
        "Check the spelling of the repository's address.",
    )


def _dns_silent(host: str) -> errors.Transient:
    return errors.Transient(
        Reason.REPOSITORY_UNREACHABLE, f"the address of the host {host} could not be looked up"
    )


def _or(words: Sequence[str]) -> str:
    return " or ".join(f"{word}://" for word in words)
