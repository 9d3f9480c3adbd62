"""A control plane that asks for tokens which expire: TLS, a service account's folder, and 401.

`Pod` is a world whose controller runs as in a pod: the address from the environment, the authority
and the token from files. The gate lets in who shows an accepted token, remembers what was shown,
and passes everything on, watches included.
"""

import contextlib
import ssl
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yarl
from aiohttp import web

from controller.metrics import Metrics
from controller.store.calls import Calls
from controller.store.client import open_in_cluster
from tests.faults import listening, timeline
from tests.faults.world import CLOCKS, World
from tests.support.certificates import Authority

_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length"}
_DENIED = {"kind": "Status", "code": 401, "reason": "Unauthorized", "message": "Unauthorized"}


@dataclass
class Gate:
    """`shown` holds when each request came, the token that it showed, and what it was told."""

    upstream: str
    token: str
    session: aiohttp.ClientSession
    accepted: set[str] = field(default_factory=set)
    shown: list[tuple[float, str, int]] = field(default_factory=list)

    async def start(self, context: ssl.SSLContext, stack: AsyncExitStack) -> int:
        """Listen on loopback; answers the port."""
        runner = await listening.listen(self._handle, context)
        stack.push_async_callback(runner.cleanup)
        port: int = runner.addresses[0][1]
        return port

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        admitted = shown in self.accepted
        self.shown.append((timeline.seconds(), shown, 200 if admitted else 401))
        if not admitted:
            return web.json_response(_DENIED, status=401)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        async with self.session.request(
            request.method,
            yarl.URL(self.upstream + request.raw_path, encoded=True),
            data=await request.read() or None,
            headers=headers | {"Authorization": f"Bearer {self.token}"},
        ) as answer:
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            with contextlib.suppress(aiohttp.ClientPayloadError):  # the end of a killed controller
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
            return response


class Pod(World):
    """A world whose controller is in a pod; `gates` has one for each life."""

    def __init__(self, *arguments: Any, **fields: Any) -> None:
        super().__init__(*arguments, **fields)
        self.gates: list[Gate] = []
        self.account = self.folder / "account"
        self.account.mkdir()
        authority = Authority(self.account, "ca")
        authority.certificate.rename(self.account / "ca.crt")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*authority.issue("gate"))
        self.rotate("token-0")

    @property
    def token_file(self) -> Path:
        """What the kubelet replaces."""
        return self.account / "token"

    def rotate(self, token: str) -> None:
        """The kubelet writes a token, and the control plane accepts it from now on."""
        self.token_file.write_text(token)
        for gate in self.gates:
            gate.accepted.add(token)

    def expire(self, token: str) -> None:
        """The control plane does not accept a token any more."""
        for gate in self.gates:
            gate.accepted.discard(token)

    async def _calls(self, url: str, metrics: Metrics, stack: AsyncExitStack) -> Calls:
        gate = Gate(url, self.plane.token, self.session, {self.token_file.read_text().strip()})
        self.gates.append(gate)
        port = await gate.start(self._context, stack)
        environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)}
        connection = await open_in_cluster(environment, CLOCKS.monotonic, self.account)
        stack.push_async_callback(connection.close)
        return Calls(connection, metrics.requests, CLOCKS.monotonic)
