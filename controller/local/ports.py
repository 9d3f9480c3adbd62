"""The ports that the control plane listens on: asked for, else those of last time, else free ones.

Called by `server`. A kubeconfig that somebody copied, or a client's address, stays right when
`ptd local` is started again.
"""

import errno
import json
import pathlib
import ssl

from controller import listening

LOOPBACK = "127.0.0.1"


class Ports:
    """The two ports of one control plane, remembered in a file beside its own."""

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    async def listen(
        self, runner: listening.Runner, asked: tuple[int, int], tls: ssl.SSLContext
    ) -> tuple[int, int]:
        """Listen for HTTP and HTTPS; answers both ports. Raises OSError when one cannot be had."""
        contexts = (None, tls)
        for port, last, context in zip(asked, self._last(), contexts, strict=True):
            try:
                await runner.listen(LOOPBACK, port or last, context)
            except OSError as error:
                if port or error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                await runner.listen(LOOPBACK, 0, context)
        plain, secure = (int(address[1]) for address in runner.addresses)
        self._path.write_text(json.dumps([plain, secure]))
        return plain, secure

    def _last(self) -> tuple[int, int]:
        """The ports of last time; 0 where there are none, or nobody can tell."""
        try:
            plain, secure = json.loads(self._path.read_text())
            return int(plain), int(secure)
        except (OSError, ValueError, TypeError):
            return 0, 0
