"""Opens the connection to the control plane: where it is, who we are, how many sockets.

Called by the composition roots. Calls and watches have a client each, so that no number of slow
calls can keep a watch or the lease from its socket. Proxies and .netrc of the environment do not
apply. The client library is imported late: it costs 25 MiB and 0.3 s.
"""

import copy
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from controller import logs

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
REREAD = timedelta(seconds=60)
CALLS_AT_ONCE = 50
WATCHES_AT_ONCE = 20

_BEARER = "BearerToken"
_log = logs.logger("store")

Load = Callable[[], Awaitable[Any]]
"""Reads everything anew and answers a `kubernetes.aio.client.Configuration`."""


class NoAccess(Exception):
    """The control plane's address or our credentials cannot be read; the message says which."""


class Connection:
    """One client for calls and one for watches, with credentials that are read again.

    `reread`: how old credentials may become before they are read again (None: only after a 401).
    """

    def __init__(
        self, load: Load, configuration: Any, clock: Callable[[], float], reread: timedelta | None
    ) -> None:
        self._load = load
        self._clock = clock
        self._reread = reread
        self._read_at = clock()
        self._keys = dict(configuration.api_key)
        self.calls = self._client(configuration, CALLS_AT_ONCE)
        self.watches = self._client(configuration, WATCHES_AT_ONCE)

    def _client(self, configuration: Any, sockets: int) -> Any:
        from kubernetes.aio.client import ApiClient  # noqa: PLC0415

        own = copy.deepcopy(configuration)
        own.connection_pool_maxsize = sockets
        own.client_session_kwargs = {"trust_env": False}
        own.refresh_api_key_hook = self._freshen
        client = ApiClient(own)
        client.user_agent = "push-to-deploy"
        return client

    async def _freshen(self, configuration: Any) -> None:
        """Called by the client before each request."""
        age = self._clock() - self._read_at
        if self._reread is not None and age >= self._reread.total_seconds():
            await self.reread()
        configuration.api_key.update(self._keys)

    async def reread(self) -> bool:
        """Read the credentials again; answers whether they are others than before.

        What cannot be read (a file that is empty while it is being replaced) leaves the old ones.
        """
        self._read_at = self._clock()
        try:
            keys = dict((await self._load()).api_key)
        except (NoAccess, OSError) as error:
            _log.warning("credentials_not_read", error=str(error))
            return False
        changed = keys != self._keys
        self._keys = keys
        return changed

    async def close(self) -> None:
        """Close all sockets."""
        await self.calls.close()
        await self.watches.close()


async def open_kubeconfig(
    path: Path, clock: Callable[[], float], context: str | None = None
) -> Connection:
    """Connect as a kubeconfig file says; NoAccess if it cannot be used."""

    async def load() -> Any:
        from kubernetes.aio import config  # noqa: PLC0415
        from kubernetes.aio.client import Configuration  # noqa: PLC0415

        configuration = Configuration()
        try:
            await config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=str(path),
                context=context,
                client_configuration=configuration,
                persist_config=False,
            )
        except (config.ConfigException, yaml.YAMLError, OSError) as error:
            raise NoAccess(f"{path}: {error}") from error
        except (TypeError, AttributeError, KeyError, ValueError) as error:
            # what the library raises for a file of another shape
            raise NoAccess(f"{path} is no usable kubeconfig: {error}") from error
        return _without_newlines(configuration)

    return Connection(load, await load(), clock, reread=None)


async def open_in_cluster(
    environment: Mapping[str, str],
    clock: Callable[[], float],
    directory: Path = SERVICE_ACCOUNT,
) -> Connection:
    """Connect with the pod's service account; NoAccess outside of a pod."""

    async def load() -> Any:
        from kubernetes.aio.client import Configuration  # noqa: PLC0415

        host, port = (environment.get(f"KUBERNETES_SERVICE_{name}") for name in ("HOST", "PORT"))
        if not host or not port:
            raise NoAccess("not in a pod: KUBERNETES_SERVICE_HOST and _PORT are not set")
        address = f"[{host}]" if ":" in host else host
        authority = directory / "ca.crt"
        if not authority.is_file():
            raise NoAccess(f"{authority}: there is no such file")
        token = (directory / "token").read_text().strip()
        if not token:
            raise NoAccess(f"{directory / 'token'}: the file is empty")
        return Configuration(
            host=f"https://{address}:{port}",
            ssl_ca_cert=str(authority),
            api_key={_BEARER: f"Bearer {token}"},
        )

    try:
        configuration = await load()
    except OSError as error:
        raise NoAccess(str(error)) from error
    return Connection(load, configuration, clock, reread=REREAD)


def _without_newlines(configuration: Any) -> Any:
    """A token file that ends in a newline is usual, and no header may hold one."""
    configuration.api_key = {name: key.strip() for name, key in configuration.api_key.items()}
    return configuration
