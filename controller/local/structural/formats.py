"""The string formats that are checked, by their OpenAPI name; other formats are not checked.

Called by checking. The set and its strictness follow k8s.io/kube-openapi/pkg/validation/strfmt;
docs of the embedded control plane list it.
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Final
from urllib.parse import urlsplit

_TIME = re.compile(r"(\d\d):(\d\d):(\d\d)(\.\d+)?(z|[+-]\d\d:\d\d)", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII).fullmatch
_DURATION = re.compile(r"[+-]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_LAST_HOUR, _LAST_MINUTE = 23, 59


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return bool(_DATE(text))


def _is_date_time(text: str) -> bool:
    day, _, rest = text.lower().partition("t")
    found = _TIME.fullmatch(rest)
    if not found or not _is_date(day):
        return False
    hour, minute, second = (int(part) for part in found.groups()[:3])
    return hour <= _LAST_HOUR and minute <= _LAST_MINUTE and second <= _LAST_MINUTE


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _is_uri(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme or text.startswith("/")) and " " not in text


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return holds


def _is_network(text: str) -> bool:
    return "/" in text and _parses(lambda t: ipaddress.ip_network(t, strict=False))(text)


def _matches(pattern: str) -> Callable[[str], bool]:
    found = re.compile(pattern, re.ASCII).fullmatch
    return lambda text: found(text) is not None


_HEX = "[0-9a-fA-F]"


def _uuid(version: str) -> Callable[[str], bool]:
    return _matches(f"{_HEX}{{8}}-?{_HEX}{{4}}-?{version}{_HEX}{{3}}-?{_HEX}{{4}}-?{_HEX}{{12}}")


FORMATS: Final[Mapping[str, Callable[[str], bool]]] = {
    "date": _is_date,
    "date-time": _is_date_time,
    "datetime": _is_date_time,
    "duration": lambda text: _DURATION.fullmatch(text) is not None,
    "byte": _is_base64,
    "uri": _is_uri,
    "email": _matches(rf"[^@\s]+@{_LABEL}(?:\.{_LABEL})*"),
    "hostname": _matches(rf"{_LABEL}(?:\.{_LABEL})*"),
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "cidr": _is_network,
    "mac": _matches(rf"{_HEX}{{2}}(?:[:-]{_HEX}{{2}}){{5}}"),
    "uuid": _uuid(_HEX),
    "uuid3": _uuid("3"),
    "uuid4": _uuid("4"),
    "uuid5": _uuid("5"),
    "hexcolor": _matches(rf"#?(?:{_HEX}{{3}}|{_HEX}{{6}})"),
}


def holds(name: str, text: str) -> bool:
    """Whether ``text`` has the format; a format that is not known holds always."""
    check = FORMATS.get(name)
    return check is None or check(text)
