"""The functions that Kubernetes adds to CEL, for the rules of CRDs.

Called by rules, which registers them with the CEL library. Semantics as in
k8s.io/apiserver/pkg/cel/library. A quantity, URL, IP address or network is a map with one marked
entry: the library has no opaque types. Left out are regular-expression and authorizer functions
that are not for CRDs, and comprehensions with two variables (docs name the limits).
"""

import ipaddress
import itertools
import re
from collections.abc import Callable, Sequence
from decimal import Context, Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from cel_expr_python import cel

_ANY, _BOOL, _INT, _TEXT = cel.Type.DYN, cel.Type.BOOL, cel.Type.INT, cel.Type.STRING
_LIST = cel.Type.List(_ANY)
_TEXTS = cel.Type.List(_TEXT)
_OPAQUE = cel.Type.Map(_TEXT, _ANY)

_SUFFIXES: Final = {
    **{s: Decimal(1024) ** (i + 1) for i, s in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))},
    **{s: Decimal(1000) ** (i - 3) for i, s in enumerate(("n", "u", "m", "", "k", "M", "G"))},
    **{s: Decimal(1000) ** (i + 4) for i, s in enumerate(("T", "P", "E"))},
}
_EXACT = Context(prec=400)
"""Enough for sums and products of what _number lets in."""
_LONGEST, _GREATEST_EXPONENT = 100, 100
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([eE][+-]?\d+|[KMGTPE]i|[numkMGTPE])?", re.ASCII)


def _number(text: str) -> Decimal:
    found = _QUANTITY.fullmatch(text) if len(text) <= _LONGEST else None
    if not found:
        raise ValueError(
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    digits, suffix = found[1], found[2] or ""
    if suffix[:1] in ("e", "E") and len(suffix) > 1:
        if abs(int(suffix[1:])) > _GREATEST_EXPONENT:
            raise ValueError(f"the exponent of {text} is out of range")
        return Decimal(digits + suffix)
    return _EXACT.multiply(Decimal(digits), _SUFFIXES[suffix])


def _quantity(text: str) -> dict[str, Any]:
    return _as_quantity(_number(text))


def _as_quantity(number: Decimal) -> dict[str, Any]:
    # One spelling per amount, so that == compares amounts.
    plain = f"{number:f}"
    return {"quantity": plain.rstrip("0").rstrip(".") if "." in plain else plain}


def _amount(value: Any) -> Decimal:
    return Decimal(value["quantity"]) if isinstance(value, dict) else Decimal(value)


def _as_integer(value: Any) -> int:
    amount = _amount(value)
    if amount != amount.to_integral_value():
        raise ValueError("cannot convert value to integer")
    return int(amount)


def _holds(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, InvalidOperation):
            return False
        return True

    return holds


def _url(text: str) -> dict[str, Any]:
    parts = urlsplit(text)
    if not (parts.scheme and (parts.netloc or parts.path)) and not text.startswith("/"):
        raise ValueError(f'URL parse error during conversion from string: parse "{text}"')
    host = parts.hostname or ""
    return {
        "url": text,
        "scheme": parts.scheme,
        "host": parts.netloc.rpartition("@")[2],
        "hostname": f"[{host}]" if ":" in host else host,
        "port": str(parts.port or ""),
        "path": parts.path,
        "query": parse_qs(parts.query, keep_blank_values=True),
    }


def _ip(text: str) -> dict[str, Any]:
    found = ipaddress.ip_address(text)
    if "%" in text or getattr(found, "ipv4_mapped", None) is not None:
        raise ValueError(f"{text} has a zone, or is an IPv4 address in the form of IPv6")
    return {"ip": str(found)}


def _cidr(text: str) -> dict[str, Any]:
    address, _, length = text.partition("/")
    if not (length.isascii() and length.isdigit()):
        raise ValueError(f"network address parse error: {text}")
    _ip(address)
    return {"cidr": str(ipaddress.ip_interface(text))}


def _address(value: Any) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(value["ip"] if isinstance(value, dict) else value)


def _interface(value: Any) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    return ipaddress.ip_interface(value["cidr"] if isinstance(value, dict) else value)


def _contains_cidr(outer: Any, inner: Any) -> bool:
    one, other = _interface(outer).network, _interface(inner).network
    return one.version == other.version and one.supernet_of(other)  # type: ignore[arg-type]


def _is_sorted(items: Sequence[Any]) -> bool:
    return all(a <= b for a, b in itertools.pairwise(items))


def _index_of(items: Sequence[Any], item: Any) -> int:
    return items.index(item) if item in items else -1


def _last_index_of(items: Sequence[Any], item: Any) -> int:
    return len(items) - 1 - items[::-1].index(item) if item in items else -1


def _of_any(choose: Callable[[Any], Any], name: str) -> Callable[[Sequence[Any]], Any]:
    def chosen(items: Sequence[Any]) -> Any:
        if not items:
            raise ValueError(f"{name} called on empty list")
        return choose(items)

    return chosen


def _find(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    return found[0] if found else ""


def _find_all(text: str, pattern: str) -> list[str]:
    return [found[0] for found in re.finditer(pattern, text)]


def _contained(items: Sequence[Any], others: Sequence[Any]) -> bool:
    return all(item in items for item in others)


_Overload = tuple[str, Any, list[Any], bool, Callable[..., Any]]


def _compared(holds: Callable[[Decimal, Decimal], Any]) -> Callable[[Any, Any], Any]:
    return lambda one, other: holds(_amount(one), _amount(other))


# name, what it returns, parameters (the first is the receiver of a member), member?, function
_OVERLOADS: Final[list[_Overload]] = [
    ("isSorted", _BOOL, [_LIST], True, _is_sorted),
    ("sum", _ANY, [_LIST], True, sum),
    ("min", _ANY, [_LIST], True, _of_any(min, "min")),
    ("max", _ANY, [_LIST], True, _of_any(max, "max")),
    ("indexOf", _INT, [_LIST, _ANY], True, _index_of),
    ("lastIndexOf", _INT, [_LIST, _ANY], True, _last_index_of),
    ("find", _TEXT, [_TEXT, _TEXT], True, _find),
    ("findAll", _TEXTS, [_TEXT, _TEXT], True, _find_all),
    ("sets.contains", _BOOL, [_LIST, _LIST], False, _contained),
    (
        "sets.equivalent",
        _BOOL,
        [_LIST, _LIST],
        False,
        lambda a, b: _contained(a, b) and _contained(b, a),
    ),
    ("sets.intersects", _BOOL, [_LIST, _LIST], False, lambda a, b: any(i in b for i in a)),
    ("isQuantity", _BOOL, [_TEXT], False, _holds(_number)),
    ("quantity", _OPAQUE, [_TEXT], False, _quantity),
    ("sign", _INT, [_OPAQUE], True, lambda q: int(_amount(q).compare(Decimal(0)))),
    ("isInteger", _BOOL, [_OPAQUE], True, _holds(_as_integer)),
    ("asInteger", _INT, [_OPAQUE], True, _as_integer),
    ("asApproximateFloat", cel.Type.DOUBLE, [_OPAQUE], True, lambda q: float(_amount(q))),
    ("add", _OPAQUE, [_OPAQUE, _ANY], True, _compared(lambda a, b: _as_quantity(_EXACT.add(a, b)))),
    (
        "sub",
        _OPAQUE,
        [_OPAQUE, _ANY],
        True,
        _compared(lambda a, b: _as_quantity(_EXACT.subtract(a, b))),
    ),
    ("isLessThan", _BOOL, [_OPAQUE, _OPAQUE], True, _compared(lambda a, b: a < b)),
    ("isGreaterThan", _BOOL, [_OPAQUE, _OPAQUE], True, _compared(lambda a, b: a > b)),
    ("compareTo", _INT, [_OPAQUE, _OPAQUE], True, _compared(lambda a, b: int(a.compare(b)))),
    ("isURL", _BOOL, [_TEXT], False, _holds(_url)),
    ("url", _OPAQUE, [_TEXT], False, _url),
    ("getScheme", _TEXT, [_OPAQUE], True, lambda u: u["scheme"]),
    ("getHost", _TEXT, [_OPAQUE], True, lambda u: u["host"]),
    ("getHostname", _TEXT, [_OPAQUE], True, lambda u: u["hostname"]),
    ("getPort", _TEXT, [_OPAQUE], True, lambda u: u["port"]),
    ("getEscapedPath", _TEXT, [_OPAQUE], True, lambda u: u["path"]),
    ("getQuery", cel.Type.Map(_TEXT, _TEXTS), [_OPAQUE], True, lambda u: u["query"]),
    ("isIP", _BOOL, [_TEXT], False, _holds(_ip)),
    ("ip", _OPAQUE, [_TEXT], False, _ip),
    ("family", _INT, [_OPAQUE], True, lambda i: _address(i).version),
    ("isLoopback", _BOOL, [_OPAQUE], True, lambda i: _address(i).is_loopback),
    ("isUnspecified", _BOOL, [_OPAQUE], True, lambda i: _address(i).is_unspecified),
    ("isCIDR", _BOOL, [_TEXT], False, _holds(_cidr)),
    ("cidr", _OPAQUE, [_TEXT], False, _cidr),
    ("prefixLength", _INT, [_OPAQUE], True, lambda c: _interface(c).network.prefixlen),
    ("containsIP", _BOOL, [_OPAQUE, _ANY], True, lambda c, i: _address(i) in _interface(c).network),
    ("containsCIDR", _BOOL, [_OPAQUE, _ANY], True, _contains_cidr),
]


def extension() -> Any:
    """The extension for ``cel.NewEnv``, after the library's own (it adds to their functions).

    An error that a function raises fails the evaluation of the rule.
    """
    found = []
    for name, returns, parameters, member, function in _OVERLOADS:
        identity = f"kubernetes_{name}"
        overload = cel.Overload(identity, returns, parameters, member, function)
        found.append(cel.FunctionDecl(name, [overload]))
    return cel.CelExtension("kubernetes", found)
