"""Create, update, patch and apply: from a request to a stored object.

Everything between reading the current state and handing the new one to `objects` happens
without an await, so that no other write comes between. Called by `server`; deletions are in
`deletes`, what differs by kind is in `kinds`.
"""

import secrets
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from controller.local import (
    bodies,
    decoding,
    definitions,
    deletes,
    fielderrors,
    kinds,
    managedfields,
    metadata,
    objects,
    patches,
    preconditions,
    requests,
    resources,
    statuses,
    wire,
)
from controller.local.structural import checking

Object = dict[str, Any]
Answer = tuple[int, objects.Stored]
Clock = Callable[[], datetime]

_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
)
_STRATEGIC = "application/strategic-merge-patch+json"


def timestamp(now: datetime) -> str:
    """A time as it stands in metadata: UTC, whole seconds."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Writer:
    """Carries out the requests that create or change an object."""

    def __init__(self, store: objects.Objects, clock: Clock) -> None:
        self._objects = store
        self._clock = clock

    async def create(self, call: requests.Call) -> Answer:
        """POST."""
        if call.path.name:
            raise statuses.method_not_allowed(
                "the server does not allow this method on the requested resource"
            )
        dry = call.query.dry_run("CreateOptions")
        call.query.check_manager("CreateOptions")
        body = decoding.read(call, "CreateOptions")
        return await self._insert(call, body, dry, "Update")

    async def update(self, call: requests.Call) -> Answer:
        """PUT."""
        dry = call.query.dry_run("UpdateOptions")
        call.query.check_manager("UpdateOptions")
        body = decoding.read(call, "UpdateOptions")
        preconditions.name(call, body["metadata"])
        stored = self._objects.latest(call.resource.collection, call.key)
        if stored is None:
            if not call.resource.creates_on_update or call.on_status:
                raise statuses.not_found(call.resource, call.path.name)
            return await self._insert(call, body, dry, "Update")
        preconditions.uid(call, body["metadata"], stored)
        if not body["metadata"].get("resourceVersion") and not call.resource.unconditional:
            error = fielderrors.invalid(
                "metadata.resourceVersion", 0, "must be specified for an update"
            )
            resource = call.resource
            raise statuses.invalid(resource.group, resource.plural, call.path.name, [error])
        old = wire.read(call.resource, stored)
        if not body["metadata"].get("managedFields") and "managedFields" in old["metadata"]:
            body["metadata"]["managedFields"] = old["metadata"]["managedFields"]
        return await self._replace(call, stored, body, dry)

    async def patch(self, call: requests.Call) -> Answer:
        """PATCH."""
        kind = decoding.media_type(call.content_type)
        accepted = _PATCHES if call.resource.custom else (*_PATCHES, _STRATEGIC)
        if kind not in accepted:
            raise statuses.unsupported_media_type(accepted)
        dry = call.query.dry_run("PatchOptions")
        call.query.validation("PatchOptions")
        apply = kind == "application/apply-patch+yaml"
        call.query.check_manager("PatchOptions", apply)
        if apply:
            return await self._apply(call, dry)
        try:
            patch, _ = bodies.parse_json(call.raw)
        except bodies.ParseError as error:
            raise statuses.bad_request(f"error decoding patch: {error}") from None
        stored = self._objects.latest(call.resource.collection, call.key)
        if stored is None:
            raise statuses.not_found(call.resource, call.path.name)
        body = _patched(call, kind, wire.read(call.resource, stored), patch)
        preconditions.uid(call, body["metadata"], stored)
        return await self._replace(call, stored, body, dry)

    async def _apply(self, call: requests.Call, dry: bool) -> Answer:
        manager = call.query.text("fieldManager")
        if not manager:
            raise decoding.required_manager()
        try:
            value = bodies.parse_yaml(call.raw)
        except bodies.ParseError as error:
            raise statuses.bad_request(f"error decoding YAML: {error}") from None
        patch = decoding.check_apply(call, value)
        patch["metadata"].setdefault("name", call.path.name)
        preconditions.name(call, patch["metadata"])
        resource = call.resource
        stored = self._objects.latest(resource.collection, call.key)
        if stored is None and call.on_status:
            raise statuses.not_found(resource, call.path.name)
        if stored is not None:
            preconditions.uid(call, patch["metadata"], stored)
        preconditions.version(call, patch["metadata"], stored)
        try:
            body = managedfields.apply(
                None if stored is None else wire.read(resource, stored),
                patch,
                self._write(call, manager),
                resource.schema,
            )
        except managedfields.ApplyConflict as conflict:
            raise statuses.apply_conflict(conflict.conflicts) from None
        if stored is None:
            return await self._insert(call, body, dry, "Apply")
        return await self._replace(call, stored, body, dry, "Apply")

    async def _insert(self, call: requests.Call, body: Object, dry: bool, operation: str) -> Answer:
        resource = call.resource
        preconditions.place(call, body["metadata"])
        preconditions.namespace(self._objects, call, body["metadata"].get("name", ""))
        preconditions.definition(self._objects, resource)
        self._fresh(body["metadata"], resource)
        new = self._checked(call, body, None)
        meta = new["metadata"]
        key = resource.key(meta.get("namespace", ""), meta["name"])
        if self._objects.latest(resource.collection, key) is not None:
            raise statuses.already_exists(resource, meta["name"])
        if operation == "Update":
            new = self._managed(call, None, new)
        stored_form = wire.to_stored(resource, new)
        if dry:
            return 201, objects.Stored(key, 0, objects.encode(stored_form))
        write = self._objects.put(resource.collection, key, stored_form)
        if resource == resources.DEFINITIONS:
            definitions.establish(self._objects, key, timestamp(self._clock()))
        return 201, await write.done()

    def _fresh(self, meta: Object, resource: resources.Resource) -> None:
        if meta.get("resourceVersion"):
            message = "resourceVersion should not be set on objects to be created"
            raise statuses.ApiError(500, "", message)
        for name in ("selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
            meta.pop(name, None)
        meta.pop("resourceVersion", None)
        meta["uid"] = str(uuid.uuid4())
        meta["creationTimestamp"] = timestamp(self._clock())
        if resource.generation:
            meta["generation"] = 1
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = self._free_name(meta, resource)

    def _free_name(self, meta: Object, resource: resources.Resource) -> str:
        """A name that begins as wanted and is not taken, as far as eight attempts find one."""
        name = ""
        for _ in range(8):
            tail = "".join(secrets.choice(_LETTERS) for _ in range(5))
            name = meta["generateName"][:58] + tail
            key = resource.key(meta.get("namespace", ""), name)
            if self._objects.latest(resource.collection, key) is None:
                break
        return name

    def _checked(self, call: requests.Call, new: Object, old: Object | None) -> Object:
        """The object with everything filled in. Raises ApiError when it is not valid."""
        resource, rules = call.resource, kinds.of(call.resource)
        core_new = wire.to_stored(resource, new)
        core_old = None if old is None else wire.to_stored(resource, old)
        if core_old is not None and call.on_status:
            rules.prepare_status(core_new, core_old)
        elif core_old is not None and call.path.subresource and isinstance(rules, kinds.Namespace):
            rules.prepare_finalize(core_new, core_old)
        else:
            rules.prepare(core_new, core_old)
        if resource.custom is not None:
            resource.schema.default(core_new)
        found = metadata.check(core_new, core_old, resource.namespaced, rules.naming)
        errors = rules.check_all(core_new, core_old, found)
        if errors:
            name = core_new["metadata"].get("name", "")
            raise statuses.invalid_object(resource, name, errors)
        return wire.from_stored(resource, core_new)

    def _managed(self, call: requests.Call, old: Object | None, new: Object) -> Object:
        """The object with its managedFields brought up to date."""
        write = self._write(call, call.query.field_manager(call.agent))
        return managedfields.updated(old, new, write, call.resource.schema)

    def _write(self, call: requests.Call, manager: str) -> managedfields.Write:
        return managedfields.Write(
            manager=manager,
            api_version=call.resource.api_version,
            now=timestamp(self._clock()),
            subresource=call.path.subresource,
            force=call.query.flag("force"),
        )

    async def _replace(
        self,
        call: requests.Call,
        stored: objects.Stored,
        body: Object,
        dry: bool,
        operation: str = "Update",
    ) -> Answer:
        resource, old = call.resource, wire.read(call.resource, stored)
        preconditions.version(call, body["metadata"], stored)
        _keep(body["metadata"], old["metadata"])
        new = self._checked(call, body, old)
        if resource.generation and not checking.same(
            _content(resource, new), _content(resource, old)
        ):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if operation == "Update":
            new = self._managed(call, old, new)
        if _same(new, old):
            await self._objects.settled()
            return 200, stored
        stored_form = wire.to_stored(resource, new)
        if dry:
            return 200, objects.Stored(stored.key, stored.version, objects.encode(stored_form))
        if deletes.is_over(resource, new):
            last = objects.Stored(stored.key, stored.version, objects.encode(stored_form))
            await self._objects.remove(resource.collection, stored.key, stored_form).done()
            return 200, last
        write = self._objects.put(resource.collection, stored.key, stored_form)
        if resource == resources.DEFINITIONS:
            definitions.establish(self._objects, stored.key, timestamp(self._clock()))
        return 200, await write.done()


def _patched(call: requests.Call, kind: str, old: Object, patch: Any) -> Object:
    """The object after a patch, decoded. `old` may be changed."""
    version = old["apiVersion"]
    try:
        if kind == "application/json-patch+json":
            value = patches.json_patch(old, patch)
        elif not isinstance(patch, dict):
            raise statuses.bad_request("error decoding patch: the patch is no object")
        elif kind == _STRATEGIC:
            value = patches.strategic_merge_patch(old, patch)
        else:
            value = patches.merge_patch(old, patch)
    except patches.PatchFormatError as error:
        raise statuses.bad_request(f"error decoding patch: {error}") from None
    except patches.PatchError:
        raise statuses.patch_rejected() from None
    if not isinstance(value.get("metadata"), dict):
        value["metadata"] = {}
    shown = objects.encode(value).decode()
    body = decoding.check_patched(call, value, shown)
    body.setdefault("apiVersion", call.resource.api_version)
    if value.get("kind") != call.resource.kind or value.get("apiVersion") != version:
        errors = metadata.check_type(value, call.resource.api_version, call.resource.kind)
        raise statuses.invalid_object(call.resource, call.path.name, errors)
    return body


_FIXED = (
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
    "namespace",
    "name",
)


def _keep(meta: Object, old: Object) -> None:
    """What a client may leave out of an update or may not change. A new name is an error later."""
    meta.pop("selfLink", None)
    for name in _FIXED:
        if name in ("name", "namespace") and meta.get(name):
            continue
        meta.pop(name, None)
        if name in old:
            meta[name] = old[name]


def _content(resource: resources.Resource, body: Object) -> Object:
    """What a new generation is about."""
    out = {"metadata", "managedFields"} | ({"status"} if resource.status else set())
    return {name: each for name, each in body.items() if name not in out}


def _same(new: Object, old: Object) -> bool:
    """Whether there is nothing to write. When something was owned since does not count."""

    def compared(body: Object) -> Object:
        meta = dict(body["metadata"])
        managed = meta.pop("managedFields", None) or []
        meta["managedFields"] = [{**entry, "time": ""} for entry in managed]
        return body | {"metadata": meta}

    # Python's True equals 1.
    return checking.same(compared(new), compared(old))
