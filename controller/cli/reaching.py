"""urllib's handlers, but reaching the other side may take seconds only; its answer may take longer.

Used by `remote`, whose answers are held until there is news: urllib has one time-out for both, and
an address that swallows everything would be a silent screen for as long.
"""

from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib import request

_REACH = 3.0  # seconds


class _Reaching:
    """Reaching the other side takes seconds or fails; only its answer may take long."""

    def connect(self: Any) -> None:
        """Connect within _REACH, then wait as long as was said."""
        patience = self.timeout
        self.timeout = min(patience, _REACH)
        super().connect()  # type: ignore[misc]
        self.sock.settimeout(patience)


class _PlainConnection(_Reaching, HTTPConnection):
    pass


class _SecureConnection(_Reaching, HTTPSConnection):
    pass


class Plain(request.HTTPHandler):
    """For http."""

    def http_open(self, req: request.Request) -> Any:
        """Called by urllib."""
        return self.do_open(_PlainConnection, req)


class Secure(request.HTTPSHandler):
    """For https."""

    def https_open(self, req: request.Request) -> Any:
        """Called by urllib."""
        return self.do_open(_SecureConnection, req, context=self._context)  # type: ignore[attr-defined]
