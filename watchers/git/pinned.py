"""Name resolution for connections that may go only where the guard has looked.

Used by whoever connects to a stranger's host with aiohttp: repositories over protocol version 2,
and the config of a `source_url`. Whether an address is admitted is the matter of `addresses`.
"""

import socket

from aiohttp.abc import AbstractResolver, ResolveResult

from watchers.git.addresses import Address
from watchers.git.recent import Recent


class Pinned(AbstractResolver):
    """Answers with the IP addresses that were admitted, and never asks DNS: it could differ."""

    def __init__(self) -> None:
        self._admitted: Recent[tuple[str, ...]] = Recent()

    def admit(self, address: Address) -> None:
        """Connections to this host may be made, at these IP addresses."""
        self._admitted[address.host] = address.ips

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 - both are tried in turn
    ) -> list[ResolveResult]:
        """See `AbstractResolver`; nothing for a host that was not admitted."""
        return [
            ResolveResult(
                hostname=host,
                host=ip,
                port=port,
                family=socket.AF_INET6 if ":" in ip else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for ip in self._admitted.get(host.removesuffix(".").lower(), ())
        ]

    async def close(self) -> None:
        """Nothing to close."""
