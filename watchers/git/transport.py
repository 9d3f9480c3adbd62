"""What a transport is: it asks one host for the refs of one repository, and no more.

Implemented by `ls_remote` (GitPython: every protocol and server) and `protocol2` (aiohttp: http(s)
servers that speak version 2). Both pass the contract suite in `tests/contract/git`. `answer_of`
gives an HTTP answer the same meaning for both. No rules about which ref is meant (`resolution`), no
choice of addresses (`addresses`).
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Protocol
from urllib.parse import urljoin

from controller import __version__, errors
from controller.models import credentials
from controller.models.reasons import EXPLANATIONS, Reason
from watchers.git.addresses import Address
from watchers.git.resolution import RefFound

MAX_ANSWER_BYTES = 8 * 1024 * 1024
MAX_RETRY_AFTER = timedelta(hours=1)
TIMEOUT = timedelta(seconds=30)
USER_AGENT = f"push-to-deploy/{__version__}"


def user_agent(operator: str) -> str:
    """What hosts see of us: the program, and whom to tell when it misbehaves."""
    return f"{USER_AGENT} (+{operator})" if operator else USER_AGENT


# What git appends to a repository's address; a redirect keeps it where it leads to a repository.
_SERVICES = ("/info/refs?service=git-upload-pack", "/git-upload-pack")


class Moved(Exception):
    """The host says that the repository is elsewhere. Nothing was sent there: check it first."""

    def __init__(self, location: str) -> None:
        super().__init__("redirected")
        self.location = location


class Busy(errors.Transient):
    """The host says that it is asked too much."""


class Unsupported(Exception):
    """This transport cannot ask this server (another one can)."""


class Transport(Protocol):
    """One way to ask for refs."""

    async def refs(self, address: Address, wanted: Sequence[str]) -> Mapping[str, RefFound]:
        """Those of the `wanted` refs (full names, or HEAD) that the repository has; no others.

        A wanted name that ends in `*` means all refs whose names begin so: see `of_names`.

        Connects to `address.ips` only and follows no redirect. Raises Moved, Unsupported,
        Terminal(REPOSITORY_NOT_FOUND, REPOSITORY_REFUSED) or Transient(REPOSITORY_UNREACHABLE).
        """
        ...


def of_names(wanted: Sequence[str], listed: Mapping[str, RefFound]) -> dict[str, RefFound]:
    """What was wanted of what a host listed; `refs/tags/v*` wants all that begin with it."""
    found = {name: listed[name] for name in wanted if name in listed}
    beginnings = tuple(name.removesuffix("*") for name in wanted if name.endswith("*"))
    if beginnings:
        found |= {name: ref for name, ref in listed.items() if name.startswith(beginnings)}
    return found


def answer_of(status: int, headers: Mapping[str, str], address: Address) -> Exception:
    """What an HTTP answer other than 200 means. Header names in lower case."""
    if status in (301, 302, 303, 307, 308):
        location = moved_to(address.url, headers.get("location", ""))
        return Moved(location) if location else not_found(address, "it leads to another page")
    if status in (401, 403) and address.credential is not None:
        return credentials.refused(_where(address), address.credential.name, f"HTTP {status}")
    if status in (401, 403, 404, 410):
        return not_found(address, f"HTTP {status}")
    if status == 429 or status >= 500:
        after = retry_after(headers.get("retry-after", ""), headers.get("date", ""))
        if status in (429, 503):
            what = "asks for fewer requests" if status == 429 else "is overloaded"
            problem = f"{_where(address)} {what} (HTTP {status})"
            return Busy(Reason.REPOSITORY_UNREACHABLE, problem, after)
        return unreachable(address, f"has a fault (HTTP {status})", after)
    return errors.Terminal(
        Reason.REPOSITORY_REFUSED,
        f"{address.host} does not serve git at this address (HTTP {status})",
        "Use the address that the host shows for `git clone`.",
    )


def moved_to(url: str, location: str) -> str | None:
    """The repository's new address, or None where the redirect leads elsewhere (to a login)."""
    try:
        target = urljoin(url + "/", location)
    except ValueError:
        return None
    endings = [service for service in _SERVICES if target.endswith(service)]
    return target.removesuffix(endings[0]) if endings else None


def retry_after(value: str, date: str) -> timedelta | None:
    """The wait that a Retry-After header asks for, at most an hour.

    It holds seconds, or a date: that one counts from the answer's own Date, whose clock it was
    written by.
    """
    try:
        wait = (
            timedelta(seconds=int(value))
            if value.strip().isdecimal()
            else parsedate_to_datetime(value) - parsedate_to_datetime(date)
        )
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, timedelta(0)), MAX_RETRY_AFTER)


def not_found(address: Address, evidence: str) -> errors.Terminal:
    """The host answered, and has no such repository that is public or open to the credentials."""
    message = f"{_where(address)} has no public repository at this address ({evidence})"
    if not address.host:
        message = f"{_where(address)} has no git repository in that directory"
    hint = EXPLANATIONS[Reason.REPOSITORY_NOT_FOUND].hint
    if address.credential is not None:
        name = address.credential.name
        message = (
            f"{_where(address)} has no repository at this address that the credentials in the "
            f"Secret {name} may read ({evidence})"
        )
        hint = "Check the address, and what the token or key may read: many hosts hide the rest."
    return errors.Terminal(Reason.REPOSITORY_NOT_FOUND, message, hint)


def unreachable(address: Address, what: str, after: timedelta | None = None) -> errors.Transient:
    """The host did not answer as a git host does; it may later."""
    return errors.Transient(Reason.REPOSITORY_UNREACHABLE, f"{_where(address)} {what}", after)


def too_large(address: Address) -> errors.Terminal:
    """The answer went over the limit on its size."""
    limit = MAX_ANSWER_BYTES // (1024 * 1024)
    return errors.Terminal(
        Reason.REPOSITORY_REFUSED,
        f"{address.host or 'the repository'} sends a list of refs that is larger than {limit} MiB",
        "Delete refs that nobody needs, or use a mirror with fewer.",
    )


def bad_certificate(address: Address) -> errors.Transient:
    """The host could not prove who it is."""
    return unreachable(address, "has a TLS certificate that is not accepted")


def _where(address: Address) -> str:
    return address.host or "this machine"
