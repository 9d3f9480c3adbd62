"""What operators and probes ask a process: `/metrics`, `/healthz`, `/readyz`.

Mounted by the composition roots. `checks` are questions with an answer for people: None is well.
"""

from collections.abc import Callable, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

Check = Callable[[], str | None]


class OpsRoutes:
    """The three routes. Liveness asks `alive`, readiness `ready`: both map a name to a check."""

    def __init__(
        self, registry: CollectorRegistry, alive: Mapping[str, Check], ready: Mapping[str, Check]
    ) -> None:
        self._registry = registry
        self._alive = alive
        self._ready = ready

    def mount(self, app: web.Application, prefix: str = "") -> None:
        """Add the routes to an application, below `prefix`."""
        app.router.add_get(f"{prefix}/metrics", self._metrics)
        app.router.add_get(f"{prefix}/healthz", self._healthz)
        app.router.add_get(f"{prefix}/readyz", self._readyz)

    async def _metrics(self, request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(self._registry), headers={"Content-Type": content_type})

    async def _healthz(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return _answer(self._alive)

    async def _readyz(self, request: web.Request) -> web.Response:  # noqa: ARG002
        return _answer(self._ready)


def _answer(checks: Mapping[str, Check]) -> web.Response:
    """200 when every check is well, else 503; one line per check."""
    lines, well = [], True
    for name, check in checks.items():
        problem = check()
        well = well and problem is None
        lines.append(f"[{'+' if problem is None else '-'}] {name}: {problem or 'ok'}")
    return web.Response(text="\n".join(lines) + "\n", status=200 if well else 503)
