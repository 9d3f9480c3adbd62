"""The server of everything here that stands between two others: it takes each request as it is.

Used by `proxy`, `meddler` and `gate`. Listening only; what becomes of a request is theirs.
"""

import ssl
from collections.abc import Awaitable, Callable

from aiohttp import web

_EVER = 10_000_000.0
_LARGEST = 8 * 2**20

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def listen(handle: Handler, context: ssl.SSLContext | None = None) -> web.AppRunner:
    """Have every request to a port of loopback handled, until the runner is cleaned up.

    A handler ends with its client, and what listens ends no connection by itself: who vanishes or
    is silent is for the tests to say.
    """
    app = web.Application(client_max_size=_LARGEST)
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=0.01,
        keepalive_timeout=_EVER,
    )
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    return runner


def url_of(runner: web.AppRunner) -> str:
    """Where it listens."""
    host, port = runner.addresses[0][:2]
    return f"http://{host}:{port}"
