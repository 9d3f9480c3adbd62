"""Secrets by name, and namespaces: deploy tokens, credentials, and where a tool lives.

Used by the HTTP API (tokens), the controller (credentials), `ptd credentials`, and local mode
(namespaces). Our accounts may get Secrets by their names only. `repr` does not show what they hold.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from controller.models.meta import namespace_of
from controller.store import errors
from controller.store.calls import JSON, Calls
from controller.store.core import Core

_SECRETS = "namespaces/{namespace}/secrets"
_SECRET = f"{_SECRETS}/{{name}}"


@dataclass(frozen=True, slots=True)
class Secret:
    """A Secret of a tool; `version` and `uid` are those that were read ("" for a new one).

    `kind` is its type, which never changes.
    """

    name: str
    data: Mapping[str, bytes] = field(repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    uid: str = ""
    kind: str = "Opaque"


class Secrets:
    """Secrets and namespaces of tools. Every call raises `store.errors` and nothing else."""

    def __init__(self, calls: Calls) -> None:
        self._core = Core(calls)

    async def get(self, tool: str, name: str) -> Secret:
        """A Secret; NotFound if there is none."""
        return _read(await self._core.ask("GET", _SECRET, _names(tool, name)))

    async def marked(self, tool: str, label: str, value: str) -> Sequence[Secret]:
        """The tool's Secrets with a label; only people may ask for them, with their own rights."""
        found = (await self._core.ask("GET", _SECRETS, _names(tool)))["items"]
        return [each for each in map(_read, found) if each.labels.get(label) == value]

    async def create(self, tool: str, secret: Secret) -> Secret:
        """Store a new Secret; AlreadyExists if the name is taken."""
        body = _body(tool, secret)
        return _read(await self._core.ask("POST", _SECRETS, _names(tool), body))

    async def replace(self, tool: str, secret: Secret) -> Secret:
        """Store a Secret that was read and changed; Conflict if it is not as it was read."""
        names, body = _names(tool, secret.name), _body(tool, secret)
        return _read(await self._core.ask("PUT", _SECRET, names, body))

    async def delete(self, tool: str, name: str) -> None:
        """Remove a Secret; NotFound if there is none."""
        await self._core.ask("DELETE", _SECRET, _names(tool, name))

    async def ensure_namespace(self, tool: str) -> None:
        """Have the tool's namespace exist."""
        try:
            await self._core.ask("GET", "namespaces/{namespace}", _names(tool))
        except errors.NotFound:
            await self._create_namespace(namespace_of(tool))

    async def _create_namespace(self, name: str) -> None:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        try:
            await self._core.ask("POST", "namespaces", {}, body)
        except errors.AlreadyExists:
            return


def _names(tool: str, name: str | None = None) -> dict[str, str]:
    return {"namespace": namespace_of(tool)} | ({} if name is None else {"name": name})


def _body(tool: str, secret: Secret) -> JSON:
    metadata = {
        "name": secret.name,
        "namespace": namespace_of(tool),
        "labels": dict(secret.labels),
        "annotations": dict(secret.annotations),
        "resourceVersion": secret.version or None,
        "uid": secret.uid or None,
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": secret.kind,
        "metadata": {name: value for name, value in metadata.items() if value},
        "data": {name: base64.b64encode(value).decode() for name, value in secret.data.items()},
    }


def _read(stored: JSON) -> Secret:
    metadata = stored["metadata"]
    try:
        data = {
            name: base64.b64decode(value, validate=True)
            for name, value in (stored.get("data") or {}).items()
        }
    except binascii.Error as error:
        raise errors.Unreadable(f"Secret {metadata['name']}: a value is no base64") from error
    return Secret(
        name=metadata["name"],
        data=data,
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        version=metadata["resourceVersion"],
        uid=metadata["uid"],
        kind=stored.get("type") or "Opaque",
    )
