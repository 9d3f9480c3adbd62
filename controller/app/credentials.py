"""The tools' credentials, read from their Secrets when they are needed and never kept.

`watchers.git.repositories.Vault` and the local builder's source of credentials, on the store. What
a Secret must be is said in `controller.models.credentials`; which may be read, by the cluster.
"""

from collections.abc import Callable

from controller.errors import Transient
from controller.models import credentials
from controller.models.credentials import Credential, SecretRef, Stored
from controller.models.reasons import Reason
from controller.store import errors
from controller.store.calls import Calls
from controller.store.secrets import Secrets


class StoredCredentials:
    """`calls`: the client of the control plane; None as long as there is none."""

    def __init__(self, calls: Callable[[], Calls | None]) -> None:
        self._calls = calls

    async def credential(self, secret: SecretRef) -> Credential:
        """What the Secret holds now.

        Raises Terminal(CREDENTIALS_UNUSABLE) and what the store raises while it is away.
        """
        try:
            found = await self._secrets().get(secret.tool, secret.name)
        except errors.NotFound:
            raise credentials.missing(secret.name) from None
        except errors.Forbidden:
            raise credentials.forbidden(secret.name) from None
        except errors.Unreadable as error:
            hint = f"Store it again: `ptd credentials add {secret.name} …`."
            raise credentials.unusable(error.message, hint) from None
        return credentials.read(
            Stored(found.name, found.kind, found.data, found.labels, found.annotations)
        )

    def _secrets(self) -> Secrets:
        calls = self._calls()
        if calls is None:
            raise Transient(Reason.PLATFORM_UNAVAILABLE, "the control plane is being started")
        return Secrets(calls)
