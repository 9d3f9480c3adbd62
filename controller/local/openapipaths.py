"""Paths and operations of a resource, as OpenAPI has them.

Called by openapi for every resource. The shape is that of the documents of a real API server:
kubectl reads from it which patches and which parameters a resource takes.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

Schema = dict[str, Any]
REFERENCE: Final = "#/components/schemas/"
_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1."
_LISTED: Final = (
    *("allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit"),
    *("resourceVersion", "resourceVersionMatch", "sendInitialEvents", "shardSelector"),
    *("timeoutSeconds", "watch"),
)
_WRITTEN: Final = ("dryRun", "fieldManager", "fieldValidation")
_PATCHED: Final = ("dryRun", "fieldManager of a patch", "fieldValidation", "force")
_DELETED: Final = (
    *("dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential"),
    *("orphanDependents", "propagationPolicy"),
)
_PATCHES: Final = (
    *("application/apply-patch+yaml", "application/json-patch+json"),
    "application/merge-patch+json",
)
_STRATEGIC: Final = "application/strategic-merge-patch+json"


class Resource(Protocol):
    """What the paths need to know of a resource in one version."""

    @property
    def group(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def plural(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def namespaced(self) -> bool: ...
    @property
    def verbs(self) -> tuple[str, ...]: ...
    @property
    def status(self) -> bool: ...
    @property
    def custom(self) -> dict[str, Any] | None:
        """The version's entry in its CRD; None for built-in kinds."""


def of(resource: Resource, model: str, parameters: Mapping[str, Schema]) -> Schema:
    """The path items of a resource, by path; ``model`` is what its kind is called."""
    return _Paths(resource, model, parameters).items()


class _Paths:
    def __init__(self, resource: Resource, model: str, parameters: Mapping[str, Schema]) -> None:
        self._resource = resource
        self._model = model
        self._parameters = parameters
        group = resource.group or "core"
        words = re.split(r"[./-]", group.removesuffix(".k8s.io"))
        self._group = "".join(word[:1].upper() + word[1:] for word in words)
        self._scope = "Namespaced" if resource.namespaced else ""

    def items(self) -> Schema:
        resource = self._resource
        root = f"/apis/{resource.group}" if resource.group else "/api"
        base = f"{root}/{resource.version}"
        inside = f"{base}/namespaces/{{namespace}}" if resource.namespaced else base
        many = f"{inside}/{resource.plural}"
        one = f"{many}/{{name}}"
        found = {many: self._many()}
        if "get" in resource.verbs:
            found[one] = self._one()
        if resource.status:
            found[f"{one}/status"] = self._one("Status")
        if resource.namespaced and "list" in resource.verbs:
            found[f"{base}/{resource.plural}"] = self._everywhere()
        return found

    def _placed(self, *names: str) -> list[Schema]:
        in_namespace = ("namespace",) if self._resource.namespaced else ()
        named = [self._parameters[name] for name in (*in_namespace, "pretty")]
        if "name" not in names:
            return named
        described = f"name of the {self._resource.kind}"
        schema = {"type": "string", "uniqueItems": True}
        name = {"name": "name", "in": "path", "description": described, "required": True}
        return [{**name, "schema": schema}, *named]

    def _many(self) -> Schema:
        kind, verbs = self._resource.kind, self._resource.verbs
        found: Schema = {"parameters": self._placed()}
        if "list" in verbs:
            found["get"] = self._operation("list", f"list{self._group_of()}{self._scope}{kind}")
            found["get"] |= self._answers(f"{self._model}List", 200)
        if "create" in verbs:
            found["post"] = self._operation("post", f"create{self._group_of()}{self._scope}{kind}")
            found["post"] |= self._takes(self._model) | self._answers(self._model, 200, 201, 202)
        if "deletecollection" in verbs:
            name = f"delete{self._group_of()}Collection{self._scope}{kind}"
            found["delete"] = self._operation("deletecollection", name)
            found["delete"] |= self._answers(f"{_META}Status", 200)
        return found

    def _group_of(self) -> str:
        version = self._resource.version
        return f"{self._group}{version[:1].upper()}{version[1:]}"

    def _everywhere(self) -> Schema:
        name = f"list{self._group_of()}{self._resource.kind}ForAllNamespaces"
        operation = self._operation("list", name)
        parameters = [*operation.pop("parameters"), self._parameters["pretty"]]
        operation |= self._answers(f"{self._model}List", 200)
        return {
            "get": operation,
            "parameters": sorted(parameters, key=lambda each: str(each["name"])),
        }

    def _one(self, sub: str = "") -> Schema:
        name = f"{self._group_of()}{self._scope}{self._resource.kind}{sub}"
        found: Schema = {
            "parameters": self._placed("name"),
            "get": self._get(name, sub),
            "put": self._put(name, sub),
            "patch": self._patch(name, sub),
        }
        return found if sub else {**found, "delete": self._delete(name)}

    def _get(self, name: str, sub: str) -> Schema:
        return self._operation("get", f"read{name}", sub) | self._answers(self._model, 200)

    def _put(self, name: str, sub: str) -> Schema:
        operation = self._operation("put", f"replace{name}", sub) | self._takes(self._model)
        return operation | self._answers(self._model, 200, 201)

    def _patch(self, name: str, sub: str) -> Schema:
        built_in = self._resource.custom is None
        kinds = (*_PATCHES, _STRATEGIC) if built_in else _PATCHES
        operation = self._operation("patch", f"patch{name}", sub)
        operation |= self._takes(f"{_META}Patch", kinds)
        return operation | self._answers(self._model, *((200, 201) if built_in else (200,)))

    def _delete(self, name: str) -> Schema:
        operation = self._operation("delete", f"delete{name}")
        body = self._takes(f"{_META}DeleteOptions")
        del body["requestBody"]["required"]
        return operation | body | self._answers(f"{_META}Status", 200, 202)

    def _operation(self, action: str, name: str, sub: str = "") -> Schema:
        resource = self._resource
        words = re.split(r"[./-]", resource.group or "core")
        tag = words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])
        parameters = [self._parameters[each] for each in _TAKEN[action]]
        kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        return {
            "tags": [f"{tag}_{resource.version}"],
            "description": _DESCRIBED[action].format(
                of_status="status of " if sub else "", kind=resource.kind
            ),
            "operationId": name,
            "parameters": parameters,
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": kind,
        }

    def _takes(self, model: str, kinds: Sequence[str] = ()) -> Schema:
        content = _content(model, kinds or ("application/json", "application/yaml"))
        return {"requestBody": {"content": content, "required": True}}

    def _answers(self, model: str, *codes: int) -> Schema:
        content = _content(model, ("application/json", "application/yaml"))
        texts = {200: "OK", 201: "Created", 202: "Accepted"}
        found: Schema = {
            str(code): {"description": texts[code], "content": content} for code in codes
        }
        return {"responses": {**found, "401": {"description": "Unauthorized"}}}


_TAKEN: Final[Mapping[str, Sequence[str]]] = {
    "list": _LISTED,
    "deletecollection": _LISTED,
    "post": _WRITTEN,
    "put": _WRITTEN,
    "patch": _PATCHED,
    "delete": _DELETED,
    "get": ("resourceVersion",),
}
_DESCRIBED: Final = {
    "list": "list objects of kind {kind}",
    "deletecollection": "delete collection of {kind}",
    "post": "create a {kind}",
    "get": "read {of_status}the specified {kind}",
    "put": "replace {of_status}the specified {kind}",
    "patch": "partially update {of_status}the specified {kind}",
    "delete": "delete a {kind}",
}


def _content(model: str, kinds: Sequence[str]) -> Schema:
    return {kind: {"schema": {"$ref": f"{REFERENCE}{model}"}} for kind in kinds}


def v2(item: Schema) -> Schema:
    """A path item in the form of Swagger 2."""
    found: Schema = {}
    for method, operation in item.items():
        if method == "parameters":
            found[method] = [_parameter(each) for each in operation]
            continue
        other = {k: v for k, v in operation.items() if k not in ("requestBody", "responses")}
        other["parameters"] = [_parameter(each) for each in operation.get("parameters", ())]
        body = operation.get("requestBody")
        if body:
            other["consumes"] = sorted(body["content"])
            schema = _reference(next(iter(body["content"].values()))["schema"])
            given = {"name": "body", "in": "body", "schema": schema}
            other["parameters"].append({**given, "required": bool(body.get("required"))})
        other["responses"] = {k: _response(v) for k, v in operation["responses"].items()}
        found[method] = other
    return found


def _reference(schema: Schema) -> Schema:
    return {"$ref": schema["$ref"].replace(REFERENCE, "#/definitions/")}


def _parameter(given: Schema) -> Schema:
    return {**{k: v for k, v in given.items() if k != "schema"}, **given["schema"]}


def _response(given: Schema) -> Schema:
    found = {"description": given["description"]}
    if "content" not in given:
        return found
    return {**found, "schema": _reference(given["content"]["application/json"]["schema"])}
