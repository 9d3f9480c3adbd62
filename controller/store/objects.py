"""What the program does with ToolDeployments and ToolConfigs, in a few calls with named failures.

Used by the reconcile core, the poller and the HTTP API. A write that depends on what was read
carries its version or its uid, so that an object that changed, or another of the same name, is a
`Conflict` and never overwritten. Nothing is tried again here. What was written is told to a `Seen`
at once, so that the cache shows a reconcile its own last write.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from controller import logs
from controller.models.meta import API_VERSION, ObjectMeta, namespace_of
from controller.models.summary import InvalidConfig
from controller.models.toolconfig import ToolConfig, ToolConfigStatus
from controller.models.tooldeployment import ToolDeployment, ToolDeploymentStatus
from controller.store import errors, kinds
from controller.store.calls import JSON, Calls
from controller.store.kinds import Kind

T = TypeVar("T", bound=ToolDeployment | ToolConfig)

_MERGE = "application/merge-patch+json"
_REPLACE = "application/json-patch+json"
_EVENTS = ("events.k8s.io", "v1")
_NOTE = 1024  # the API server's limit
_PAGE = 500
_log = logs.logger("store")


class Seen(Protocol):
    """Who wants to know of our own writes at once: the cache."""

    def wrote(self, kind: str, stored: Mapping[str, Any]) -> None:
        """The server has stored this."""
        ...

    def deleted(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """The server has accepted to delete this."""
        ...


class Nobody:
    """A `Seen` for programs without a cache."""

    def wrote(self, kind: str, stored: Mapping[str, Any]) -> None:
        """Nobody wants to know."""

    def deleted(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """Nobody wants to know."""


class Store:
    """Our objects of all tools. Every call raises `store.errors` and nothing else."""

    def __init__(
        self, calls: Calls, clock: Callable[[], datetime], identity: str, seen: Seen | None = None
    ) -> None:
        self._calls = calls
        self._clock = clock
        self._identity = identity
        self._seen = seen or Nobody()

    async def get(self, kind: Kind[T], tool: str, name: str) -> T:
        """One object; NotFound, or Unreadable if our models refuse it."""
        return kind.read(
            await self._calls.ask(
                "GET",
                self._calls.objects.get_namespaced_custom_object_without_preload_content,
                *(*kind.path, namespace_of(tool), kind.plural, name),
            )
        )

    async def look(self, kind: Kind[T], tool: str, name: str, uid: str = "") -> None:
        """Tell the `Seen` how an object is now, before its watch does.

        `uid`: of the object that is known; where there is none any more, that one is gone. Who is
        told so never believes in it again, so the server has to name it.
        """
        namespace = namespace_of(tool)
        try:
            stored = await self._calls.ask(
                "GET",
                self._calls.objects.get_namespaced_custom_object_without_preload_content,
                *(*kind.path, namespace, kind.plural, name),
            )
        except errors.NotFound as missing:
            if missing.name != name:
                raise errors.Unavailable(missing.message) from missing
            if uid:
                self._seen.deleted(kind.plural, namespace, name, uid)
            return
        self._seen.wrote(kind.plural, stored)

    async def list(self, kind: Kind[T], tool: str) -> list[T]:
        """All objects of a tool in the order of their names, without those that are unreadable."""
        found: list[T] = []
        token: str | None = None
        while True:
            page = await self._calls.ask(
                "LIST",
                self._calls.objects.list_namespaced_custom_object_without_preload_content,
                *(*kind.path, namespace_of(tool), kind.plural),
                limit=_PAGE,
                **_page(token),
            )
            found.extend(_readable(kind, page.get("items") or ()))
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return found

    async def create(
        self,
        kind: Kind[T],
        tool: str,
        name: str,
        spec: BaseModel | Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
    ) -> T:
        """Make an object; AlreadyExists if the name is taken. `metadata`: labels, annotations."""
        content = _spec(spec)
        namespace = namespace_of(tool)
        return self._written(
            kind,
            await self._calls.ask(
                "POST",
                self._calls.objects.create_namespaced_custom_object_without_preload_content,
                *(*kind.path, namespace, kind.plural),
                kind.new(namespace, name, content, metadata or {}),
            ),
        )

    async def put(self, kind: Kind[T], tool: str, name: str, spec: Mapping[str, Any]) -> T:
        """Have the object's spec be exactly this, whether it exists or not; status stays."""
        try:
            return await self.create(kind, tool, name, spec)
        except errors.AlreadyExists:
            replaced = [{"op": "replace", "path": "/spec", "value": dict(spec)}]
            return await self._patch(kind, namespace_of(tool), name, replaced, _REPLACE)

    async def patch_spec(self, found: T, changes: Mapping[str, Any]) -> T:
        """Merge `changes` into the spec of this very object; Conflict if it is another by now.

        Changes of others to other fields are no conflict: a cancel must not lose that race.
        """
        body = {"metadata": {"uid": found.metadata.uid}, "spec": dict(changes)}
        place = found.metadata
        return await self._patch(kinds.kind_of(found), place.namespace, place.name, body, _MERGE)

    async def annotate(self, found: T, changes: Mapping[str, str | None]) -> T:
        """Set annotations, None removes one; Conflict unless the object is as it was read."""
        place = found.metadata
        metadata = {"uid": place.uid, "resourceVersion": place.resource_version}
        body = {"metadata": {**metadata, "annotations": dict(changes)}}
        return await self._patch(kinds.kind_of(found), place.namespace, place.name, body, _MERGE)

    async def patch_status(self, found: T, status: ToolDeploymentStatus | ToolConfigStatus) -> T:
        """Have the status be exactly this; Conflict unless the object is as it was read."""
        kind = kinds.kind_of(found)
        return kind.read(await self._patch_status(kind, found.metadata, found.status, status))

    async def judge(self, found: ToolConfig | InvalidConfig, status: ToolConfigStatus) -> None:
        """Have a config's status be exactly this, whether its spec can be read or not."""
        await self._patch_status(kinds.CONFIGS, found.metadata, found.status, status)

    async def _patch_status(
        self, kind: Kind[Any], place: ObjectMeta, old: BaseModel, new: BaseModel
    ) -> JSON:
        body = {
            "metadata": {"uid": place.uid, "resourceVersion": place.resource_version},
            "status": kinds.merge_patch(old, new),
        }
        stored = await self._calls.ask(
            "PATCH",
            self._calls.objects.patch_namespaced_custom_object_status_without_preload_content,
            *(*kind.path, place.namespace, kind.plural, place.name, body),
            _content_type=_MERGE,
        )
        self._seen.wrote(kind.plural, stored)
        return stored

    async def delete(self, kind: Kind[T], tool: str, name: str, uid: str) -> None:
        """Delete this very object; NotFound if it is gone, Conflict if it is another by now.

        One with finalizers stays until somebody has done what they stand for.
        """
        namespace = namespace_of(tool)
        answer = await self._calls.ask(
            "DELETE",
            self._calls.objects.delete_namespaced_custom_object_without_preload_content,
            *(*kind.path, namespace, kind.plural, name),
            body={"preconditions": {"uid": uid}},
        )
        if (answer.get("metadata") or {}).get("finalizers"):
            self._seen.wrote(kind.plural, answer)
        else:
            self._seen.deleted(kind.plural, namespace, name, uid)

    async def create_event(
        self, about: T, *, reason: str, action: str, note: str, warning: bool = False
    ) -> None:
        """Say something about an object, as `kubectl describe` shows it.

        Saying the same of the same object again is one event, so a crash cannot double it.
        """
        place = about.metadata
        said = f"{place.uid}\0{reason}\0{action}\0{note}"
        same = hashlib.sha256(said.encode()).hexdigest()[:16]
        body = {
            "apiVersion": "/".join(_EVENTS),
            "kind": "Event",
            "metadata": {"name": f"{place.name}.{same}", "namespace": place.namespace},
            "eventTime": self._clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "action": action,
            "note": note if len(note) <= _NOTE else note[: _NOTE - 1] + "…",
            "reportingController": "push-to-deploy",
            "reportingInstance": self._identity,
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": kinds.kind_of(about).name,
                "name": place.name,
                "namespace": place.namespace,
                "uid": place.uid,
            },
        }
        try:
            await self._calls.ask(
                "POST",
                self._calls.objects.create_namespaced_custom_object_without_preload_content,
                *(*_EVENTS, place.namespace, "events", body),
            )
        except errors.AlreadyExists:
            return

    async def _patch(
        self, kind: Kind[T], namespace: str, name: str, body: Any, content_type: str
    ) -> T:
        return self._written(
            kind,
            await self._calls.ask(
                "PATCH",
                self._calls.objects.patch_namespaced_custom_object_without_preload_content,
                *(*kind.path, namespace, kind.plural, name, body),
                _content_type=content_type,
            ),
        )

    def _written(self, kind: Kind[T], stored: JSON) -> T:
        self._seen.wrote(kind.plural, stored)
        return kind.read(stored)


def _page(token: str | None) -> dict[str, Any]:
    return {"_continue": token} if token else {}


def _readable(kind: Kind[T], items: Any) -> list[T]:
    found: list[T] = []
    for stored in items:
        try:
            found.append(kind.read(stored))
        except errors.Unreadable as error:
            _log.warning("object_unreadable", message=error.message)
    return found


def _spec(spec: BaseModel | Mapping[str, Any]) -> Mapping[str, Any]:
    if isinstance(spec, BaseModel):
        return spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return spec
