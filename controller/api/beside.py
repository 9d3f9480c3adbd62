"""What the routes share that a composition root adds beside the API: who may read, what errors say.

Used by the routes for jobs and for logs, which exist only where the backend runs on this machine.
Routes themselves stay with what they show.
"""

from collections.abc import Callable

from aiohttp import web

Authorise = Callable[[web.Request, str], None]
"""Raises the answer for who may not read of a tool."""


def problem(status: int, message: str) -> web.Response:
    """An error in the form that Toolforge's gateway gives it (`reference/openapi`)."""
    return web.json_response({"messages": {"error": [message]}}, status=status)
