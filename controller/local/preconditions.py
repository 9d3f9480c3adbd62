"""What must hold before a write is looked at: the right place, name, version, and somewhere to be.

Each function raises ApiError in kube-apiserver's words, or returns. Called by `writes`.
"""

from typing import Any

from controller.local import objects, requests, resources, statuses

Object = dict[str, Any]


def namespace(store: objects.Objects, call: requests.Call, name: str) -> None:
    if not call.resource.namespaced:
        return
    where = call.path.namespace
    found = store.latest("namespaces", where)
    if found is None:
        raise statuses.not_found(resources.NAMESPACES, where)
    if found.object()["metadata"].get("deletionTimestamp"):
        why = f"unable to create new content in namespace {where} because it is being terminated"
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {where} is being terminated",
            "field": "metadata.namespace",
        }
        raise statuses.forbidden(call.resource, name, why, [cause])


def place(call: requests.Call, meta: Object) -> None:
    """Namespace and name from the path into the object, or an error when they differ."""
    if call.resource.namespaced:
        if meta.get("namespace", call.path.namespace) != call.path.namespace:
            raise statuses.bad_request(
                "the namespace of the provided object does not match the namespace sent on the "
                "request"
            )
        if not call.path.namespace:
            raise statuses.bad_request("an empty namespace may not be set during creation")
        meta["namespace"] = call.path.namespace


def name(call: requests.Call, meta: Object) -> None:
    found, where = meta.get("name"), meta.get("namespace")
    if not found:
        raise statuses.bad_request(
            f"the name of the object ({call.path.name} based on URL) was undeterminable: name "
            "must be provided"
        )
    if found != call.path.name:
        raise statuses.bad_request(
            f"the name of the object ({found}) does not match the name on the URL "
            f"({call.path.name})"
        )
    if where and where != call.path.namespace and call.resource.namespaced:
        raise statuses.bad_request(
            f"the namespace of the object ({where}) does not match the namespace on the "
            f"request ({call.path.namespace})"
        )


def uid(call: requests.Call, meta: Object, stored: objects.Stored) -> None:
    own = stored.object()["metadata"]["uid"]
    if meta.get("uid") in (None, own):
        return
    where = call.resource.qualified if call.resource.custom else call.resource.plural
    prefix = f"{call.resource.group}/{call.resource.plural}" if call.resource.custom else where
    why = (
        f"StorageError: invalid object, Code: 4, Key: /registry/{prefix}/{stored.key}, "
        f"ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: "
        f"{meta['uid']}, UID in object meta: {own}"
    )
    raise statuses.conflict(call.resource, call.path.name, why)


def version(call: requests.Call, meta: Object, stored: objects.Stored | None) -> None:
    wanted = meta.get("resourceVersion")
    if wanted and (stored is None or wanted != str(stored.version)):
        raise statuses.conflict(call.resource, call.path.name)


def definition(store: objects.Objects, resource: resources.Resource) -> None:
    if resource.custom is None:
        return
    found = store.latest("customresourcedefinitions", resource.collection)
    if found is None or found.object()["metadata"].get("deletionTimestamp"):
        raise statuses.method_not_allowed(
            "create not allowed while custom resource definition is terminating"
        )
