"""Who asks, and whether they may: the gateway's header, certificates, bearer tokens.

`Gate.admit` is called by `app` before any handler. What counts is said by the operator (`Trust`),
never by the request. Compared in constant time; what was presented is in no answer and no log.
"""

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from aiohttp import web

from controller.api import texts
from controller.api.problems import Refused
from controller.models.tooldeployment import Trigger

HEADER = "x-toolforge-tool"
TOKEN_QUERY = "token"


class Needs(StrEnum):
    """What a route asks of a caller."""

    NOTHING = "nothing"
    TOOL = "tool"
    TOOL_OR_TOKEN = "tool or token"
    SIGNATURE = "signature"  # checked by the handler, over the body


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe.

    `gateway`: one in front sets `x-toolforge-tool` (and takes it away from what strangers send).
    `certificates`: the listener has checked client certificates; their common name is the tool.
    `owner`: answers the bearer token that may act for every tool (local mode), "" for none.
    """

    gateway: bool = False
    certificates: bool = False
    owner: Callable[[], str] = lambda: ""


class Tokens(Protocol):
    """Checks deploy tokens."""

    async def check(self, tool: str, given: str) -> None:
        """Refused with 401 unless it is the tool's, and valid."""
        ...


class Gate:
    """Admits requests or refuses them."""

    def __init__(self, trust: Trust, tokens: Tokens) -> None:
        self._trust = trust
        self._tokens = tokens

    async def admit(self, request: web.Request, tool: str, needs: Needs) -> Trigger:
        """How the caller is known: API, or TOKEN for a deploy token. Raises Refused (401, 403)."""
        bearer = _bearer(request.headers)
        if self._is_owner(bearer) or self._is_tool(request, tool):
            return Trigger.API
        if needs is Needs.TOOL:
            raise Refused(401, *self._what_is_missing(texts.HEADER_REQUIRED))
        given = request.query.get(TOKEN_QUERY) or bearer
        if not given:
            raise Refused(401, *self._what_is_missing(texts.HEADER_OR_TOKEN_REQUIRED))
        await self._tokens.check(tool, given)
        return Trigger.TOKEN

    def _is_owner(self, bearer: str) -> bool:
        owner = self._trust.owner()
        return bool(owner) and _same(owner, bearer)

    def _is_tool(self, request: web.Request, tool: str) -> bool:
        """Whether the gateway or a certificate names this tool; Refused if it names another."""
        known = ""
        if self._trust.gateway:
            known = _named(request)
        if not known and self._trust.certificates:
            known = _common_name(request)
        if known and known != tool:
            raise Refused(403, f"You are known as the tool '{known}' and may not act for '{tool}'")
        return bool(known)

    def _what_is_missing(self, text: str) -> tuple[str, ...]:
        """The existing words where a gateway is in front; else what would be accepted here."""
        if self._trust.gateway:
            return (text,)
        ways = []
        if self._trust.owner():
            ways.append("the bearer token of the kubeconfig")
        if self._trust.certificates:
            ways.append("a client certificate of the tool")
        if text == texts.HEADER_OR_TOKEN_REQUIRED:
            ways.append("the tool's deploy token")
        return (f"Who asks is not known: send {' or '.join(ways)}", text) if ways else (text,)


def carries(headers: Mapping[str, str], token: str) -> bool:
    """Whether a request has this bearer token."""
    return _same(token, _bearer(headers))


def _same(token: str, given: str) -> bool:
    # A header may hold bytes that are no UTF-8.
    return hmac.compare_digest(token.encode(), given.encode("utf-8", "replace"))


def _bearer(headers: Mapping[str, str]) -> str:
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _named(request: web.Request) -> str:
    """The tool in the gateway's header. Two that differ: the gateway adds to what a client sends,
    and nobody can tell which is whose."""
    named = set(request.headers.getall(HEADER, ()))
    if len(named) > 1:
        raise Refused(403, f"More than one '{HEADER}' header, and they differ")
    return named.pop() if named else ""


def _common_name(request: web.Request) -> str:
    """The common name of a client certificate that the listener has checked."""
    transport = request.transport
    certificate: Mapping[str, Any] | None = (
        transport.get_extra_info("peercert") if transport is not None else None
    )
    subject = (certificate or {}).get("subject", ())
    names = [value for part in subject for name, value in part if name == "commonName"]
    return str(names[0]) if len(names) == 1 else ""
