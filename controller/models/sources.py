"""What may stand in `repository`, `ref` and `source_url`: syntax and schemes, no look-up.

Used by the ToolConfig model. Addresses and refs come from strangers and end as arguments of git:
nothing that git could read as an option, a helper protocol or a second argument passes. Whether a
host may be reached is not decided here but where the connection is made.
"""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from pydantic import ValidationInfo

from controller.models.credentials import PORTS, Target
from controller.models.findings import Policy, mistake

MAX_URL = 2048
MAX_REF = 255
UNSET_SOURCE_URL = "http://localhost/"
"""Upstream's own spelling of "no source_url"."""

KNOWN_SCHEMES = frozenset({"https", "http", "git", "ssh", "file", "path"})
_WITH_HOST = frozenset({"https", "http", "git", "ssh"})
_PRINTABLE = re.compile(r"[!-~]*")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\.?|[0-9A-Fa-f:.]+")
_REF_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# git's short form of an ssh address; with a user, or it could be taken for a helper protocol.
SCP = re.compile(
    r"(?P<user>[A-Za-z0-9_][A-Za-z0-9_.-]*)@(?P<host>\[[0-9a-fA-F:.]+\]|[^/:@\[\]]+)"
    r":(?P<path>/?[^:/-][^:]*)"
)


def check_repository(value: str, info: ValidationInfo) -> str:
    """The address unchanged, or an error; schemes beyond the policy's are refused."""
    policy = info.context if isinstance(info.context, Policy) else None
    allowed = policy.schemes if policy else KNOWN_SCHEMES
    _check_characters(value)
    if (short := SCP.fullmatch(value)) is not None:
        _check_scheme("ssh", allowed)
        _check_host_name(short["host"].strip("[]"))
        return value
    if "://" not in value:
        return _check_directory(value, allowed)
    parts = _split(value)
    _check_scheme(parts.scheme, allowed)
    _check_user(parts)
    if "?" in value or "#" in value:
        raise mistake(
            "The address may not have a query or a fragment",
            "Write the address that `git clone` takes; a branch goes into `ref`.",
        )
    if parts.scheme in _WITH_HOST:
        _check_host(parts)
    elif parts.netloc:
        raise mistake("A file address has no host", "Write file:///path/to/repository.")
    return value


def target_of(repository: str) -> Target:
    """Where git would go for an address that was checked; of a directory the host is ""."""
    if (short := SCP.fullmatch(repository)) is not None:
        return _target("ssh", short["host"].strip("[]"), None)
    if "://" not in repository:
        return Target("file", "", 0, loopback=True)
    parts = urlsplit(repository)
    return _target(parts.scheme, parts.hostname or "", parts.port)


def needs_credentials(repository: object) -> bool:
    """Whether it is an ssh address: nobody is let in there without a key."""
    if not isinstance(repository, str):
        return False
    return repository.lower().startswith("ssh://") or SCP.fullmatch(repository) is not None


def check_source_url(value: str) -> str:
    """The address unchanged, or an error: http or https, without user name and password."""
    _check_characters(value)
    parts = _split(value)
    _check_scheme(parts.scheme, frozenset({"https", "http"}))
    _check_user(parts)
    _check_host(parts)
    return value


def check_ref(value: str) -> str:
    """The ref unchanged, or an error: git's own rules for names (git-check-ref-format)."""
    if value == "":
        return value
    if value.startswith("-"):
        raise mistake("A ref may not start with `-`")
    bad = _REF_FORBIDDEN.search(value)
    if bad:
        raise mistake(
            f"A ref may not contain {_named(bad[0])}",
            "Write the name of a branch or a tag, or a full commit SHA.",
        )
    if ".." in value or "@{" in value or value == "@" or value.endswith("."):
        raise mistake("A ref may not contain `..` or `@{`, be `@`, or end with `.`")
    for part in value.split("/"):
        if not part:
            raise mistake("A ref may not start or end with `/`, or contain `//`")
        if part.startswith(".") or part.endswith(".lock"):
            raise mistake("No part of a ref may start with `.` or end with `.lock`")
    return value


def _check_characters(value: str) -> None:
    if value.startswith("-"):
        raise mistake("An address may not start with `-`")
    if not _PRINTABLE.fullmatch(value) or "\\" in value:
        raise mistake(
            "An address may not contain spaces, control characters, backslashes or letters "
            "outside ASCII",
            "Percent-encode them, for example %20 for a space.",
        )


def _check_directory(value: str, allowed: frozenset[str]) -> str:
    """An address without a scheme: a directory of this machine, where that is allowed."""
    if "path" not in allowed:
        raise mistake("An address starts with its scheme", f"Write {_schemes(allowed)} in front.")
    if ":" in value:
        raise mistake("A directory may not contain `:`", "Write ssh://git@host/path for ssh.")
    if not value.startswith("/"):
        raise mistake("A directory is named by its whole path", "Write it from / on.")
    return value


def _split(value: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError as error:
        raise mistake(f"This is not a valid address: {_safe(error)}") from None
    return parts


def _safe(error: ValueError) -> str:
    """urllib's words without the value, which may hold a password."""
    return str(error).partition(":")[0]


def _check_scheme(scheme: str, allowed: frozenset[str]) -> None:
    if scheme not in allowed:
        raise mistake(
            f"Addresses of the kind `{scheme}` are not allowed here"
            if scheme
            else "The address has no scheme",
            f"Write an address that starts with {_schemes(allowed)}.",
        )


def _schemes(allowed: frozenset[str]) -> str:
    order = [name for name in ("https", "http", "git", "ssh", "file") if name in allowed]
    return " or ".join(f"{name}://" for name in order)


def _check_user(parts: SplitResult) -> None:
    if "@" not in parts.netloc:
        return
    user = parts.netloc.rpartition("@")[0]
    if parts.scheme == "ssh" and _USER.fullmatch(user):
        return
    raise mistake(
        "An address may not hold a user name or a password",
        "Remove the part before the @. Everybody who can read the config could read it.",
    )


def _target(scheme: str, host: str, port: int | None) -> Target:
    host = host.lower().removesuffix(".")
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    return Target(scheme, host, port or PORTS.get(scheme, 0), loopback)


def _check_host(parts: SplitResult) -> None:
    _check_host_name(parts.hostname or "")


def _check_host_name(host: str) -> None:
    if not _HOST.fullmatch(host):
        raise mistake("The address has no valid host name")


def _named(character: str) -> str:
    if character == " ":
        return "a space"
    return f"`{character}`" if character.isprintable() else "control characters"
