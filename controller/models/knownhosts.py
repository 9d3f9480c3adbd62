"""Whether a known_hosts file has keys of certain hosts, before ssh is asked to trust it.

Used by `ptd credentials`, so that a missing line is named when the file is given and not at the
first check. The format is that of sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT". Pure.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Iterator
from fnmatch import translate
from re import fullmatch

_REVOKED = "@revoked"
_USUAL = "22"


def missing(text: str, hosts: Iterable[str]) -> tuple[str, ...]:
    """Those of the hosts (`host` or `host:port`) that no line of the file has a key of."""
    lines = tuple(_lines(text))
    return tuple(host for host in hosts if not any(_names(each, called(host)) for each in lines))


def called(host: str) -> str:
    """How known_hosts calls a host: a port of its own stands behind brackets."""
    name, _, port = host.lower().partition(":")
    return name if port in ("", _USUAL) else f"[{name}]:{port}"


def _lines(text: str) -> Iterator[str]:
    """The field of hosts of each line that gives them a key."""
    for line in text.splitlines():
        marker, fields = "", line.split()
        if fields and fields[0].startswith("@"):
            marker, *fields = fields
        if len(fields) >= 3 and not line.startswith("#") and marker != _REVOKED:
            hosts, _, key, *_ = fields
            if _is_key(key):
                yield hosts


def _is_key(word: str) -> bool:
    try:
        return bool(base64.b64decode(word, validate=True))
    except binascii.Error:
        return False


def _names(hosts: str, name: str) -> bool:
    if hosts.startswith("|1|"):
        return _is_hash_of(hosts, name)
    patterns = hosts.lower().split(",")
    if any(_matches(each[1:], name) for each in patterns if each.startswith("!")):
        return False
    return any(_matches(each, name) for each in patterns)


def _matches(pattern: str, name: str) -> bool:
    """Only `*` and `?` are special; brackets belong to ports."""
    return bool(fullmatch(translate(pattern.replace("[", "[[]")), name))


def _is_hash_of(hosts: str, name: str) -> bool:
    """As `HashKnownHosts` writes it: `|1|salt|hash`, for one host."""
    try:
        salt, digest = (base64.b64decode(part, validate=True) for part in hosts.split("|")[2:])
    except ValueError:
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)
