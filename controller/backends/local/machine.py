"""What every part of the backend needs of the machine that it works on.

Made once by `backend.LocalBackend`, handed down. Only data and the smallest of functions.
"""

import socket
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from controller import errors
from controller.backends.local import shims
from controller.backends.local.launch import Launch
from controller.backends.local.layout import Layout
from controller.backends.local.settings import LocalSettings
from controller.models import credentials
from controller.models.credentials import Credential, SecretRef
from controller.models.reasons import Reason

Clock = Callable[[], datetime]
OnChange = Callable[[str], None]
Credentials = Callable[[SecretRef], Awaitable[Credential]]


async def no_credentials(secret: SecretRef) -> Credential:
    """`Credentials` where nobody keeps any."""
    raise credentials.missing(secret.name)


@dataclass(frozen=True, slots=True)
class Machine:
    """One root on this machine. `ports`: declared port → the `tool/job` that listens there."""

    layout: Layout
    settings: LocalSettings
    clock: Clock
    on_change: OnChange
    credentials: Credentials = no_credentials
    ports: dict[int, str] = field(default_factory=dict)

    def command(self, launch: Launch, log: Path) -> shims.Command:
        """A launch under this root's rules; `log` is relative to the shim's directory."""
        settings = self.settings
        return shims.Command(
            argv=launch.argv,
            cwd=str(launch.cwd),
            env=launch.env,
            log=shims.LogFile(str(log), settings.log_bytes, settings.log_files),
            keeper=str(self.layout.lock),
            linger=settings.linger,
            grace=settings.grace,
            limits=launch.limits,
        )

    def free_port(self) -> int:
        """A port that nobody listens on at the moment.

        Another program may take it before the instance does: then that start fails, and the
        restart gets another port. Raises Transient.
        """
        try:
            with closing(socket.socket(socket.AF_INET, socket.SOCK_STREAM)) as probe:
                probe.bind((self.settings.host, 0))
                port: int = probe.getsockname()[1]
                return port
        except OSError as error:  # no port is left, or no file descriptor
            message = f"there is no free port: {error.strerror}"
            raise errors.Transient(Reason.PLATFORM_UNAVAILABLE, message) from error
