"""OpenAPI documents: what kubectl explains, and learns about what it may send.

The HTTP server asks ``Documents`` for everything below /openapi: the index of version 3, a
document per group and version, and version 2 as a whole. Schemas of custom kinds come from their
CRDs, those of built-in kinds from builtins; texts that all share are in schemas/meta.json. Paths
and operations are openapipaths' business.
"""

import functools
import hashlib
import importlib.resources
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

from controller.local import builtins, openapipaths

Schema = dict[str, Any]


class Resource(openapipaths.Resource, Protocol):
    """What the documents need to know of a resource in one version, beside its paths."""

    @property
    def list_kind(self) -> str: ...


class Answer(NamedTuple):
    """A document as it goes out; ``hash`` makes an ETag."""

    body: bytes
    media: str
    hash: str


_PROTOBUF_ASKED: Final = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
# kubectl looks into this document for a kind that no document of version 3 has. In the one without
# a byte, which names no kind, it finds none, and then says that there is no such kind.
_NOTHING: Final = Answer(
    b"",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    hashlib.sha512().hexdigest().upper(),
)


class _Meta(NamedTuple):
    schemas: Mapping[str, Schema]
    parameters: Mapping[str, Schema]
    object: Mapping[str, Schema]
    list: Mapping[str, Schema]


@functools.cache
def _meta() -> _Meta:
    files = importlib.resources.files("controller.local") / "schemas" / "meta.json"
    return _Meta(**json.loads(files.read_text("utf-8")))


class Documents:
    """Documents of the resources that are served now; ``resources`` is asked every time."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self._resources = resources
        self._kept: dict[tuple[str, ...], tuple[Sequence[Resource], Answer]] = {}

    def answer(self, path: Sequence[str], accept: str = "") -> Answer | None:
        """What is at ``/openapi/<path>``; None where there is nothing."""
        match list(path):
            case ["v2"] if accept.startswith(_PROTOBUF_ASKED):
                return _NOTHING
            case ["v2"]:
                return self._answer(("v2",), list(self._resources), document_v2)
            case ["v3"]:
                return self._index()
            case ["v3", "api", version]:
                return self._group("", version)
            case ["v3", "apis", group, version]:
                return self._group(group, version)
            case _:
                return None

    def _index(self) -> Answer:
        paths = {}
        for group, version in sorted({(each.group, each.version) for each in self._resources}):
            answer = self._group(group, version)
            if answer is not None:
                name = f"apis/{group}/{version}" if group else f"api/{version}"
                url = f"/openapi/v3/{name}?hash={answer.hash}"
                paths[name] = {"serverRelativeURL": url}
        return _answer({"paths": paths})

    def _group(self, group: str, version: str) -> Answer | None:
        resources = [r for r in self._resources if (r.group, r.version) == (group, version)]
        return self._answer((group, version), resources, document) if resources else None

    def _answer(self, key: tuple[str, ...], resources: list[Resource], make: Any) -> Answer:
        # A document is made anew only when one of its resources is another one.
        kept = self._kept.get(key)
        if kept is not None and list(map(id, kept[0])) == list(map(id, resources)):
            return kept[1]
        answer = _answer(make(resources))
        self._kept[key] = (resources, answer)
        return answer


def _answer(found: Schema) -> Answer:
    body = json.dumps(found, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    return Answer(body, "application/json", hashlib.sha512(body).hexdigest().upper())


def document(resources: Sequence[Resource]) -> Schema:
    """The OpenAPI 3 document of the resources of one group and version."""
    custom = all(each.custom is not None for each in resources)
    title = "Kubernetes CRD Swagger" if custom else "Kubernetes"
    schemas: Schema = dict(_meta().schemas)
    paths: Schema = {}
    for each in resources:
        schemas |= _schemas(each)
        paths |= openapipaths.of(each, model(each), _meta().parameters)
    return {
        "openapi": "3.0.0",
        "info": {"title": title, "version": "v0.1.0" if custom else "unversioned"},
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(schemas.items()))},
    }


def model(resource: Resource) -> str:
    """What the kind is called in documents: the group turned around, the version, the kind."""
    if resource.custom is None:
        return f"{builtins.MODELS[resource.group]}.{resource.kind}"
    reverse = ".".join(reversed(resource.group.split(".")))
    return f"{reverse}.{resource.version}.{resource.kind}"


def _schemas(resource: Resource) -> Schema:
    name, kind = model(resource), resource.kind
    given = _given(resource)
    properties = {**(given.get("properties") or {}), **_meta().object}
    whole = {**given, "type": "object", "properties": properties}
    whole["x-kubernetes-group-version-kind"] = [_kind(resource, kind)]
    found = {name: whole}
    if "list" in resource.verbs:
        list_kind = resource.list_kind or f"{kind}List"
        items = {
            "description": f"List of {resource.plural}. More info: {_CONVENTIONS}",
            "items": {"$ref": f"{openapipaths.REFERENCE}{name}"},
            "type": "array",
        }
        found[f"{name}List"] = {
            "description": f"{list_kind} is a list of {kind}",
            "type": "object",
            "required": ["items"],
            "properties": {**_meta().list, "items": items},
            "x-kubernetes-group-version-kind": [_kind(resource, list_kind)],
        }
    selectable = (resource.custom or {}).get("selectableFields")
    if selectable:
        paths = [{"fieldPath": each["jsonPath"].removeprefix(".")} for each in selectable]
        for schema in found.values():
            schema["x-kubernetes-selectable-fields"] = paths
    return found


_CONVENTIONS: Final = (
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
)


def _kind(resource: Resource, kind: str) -> Schema:
    return {"group": resource.group, "version": resource.version, "kind": kind}


def _given(resource: Resource) -> Schema:
    """The kind's own schema, with what it leaves unsaid spelled out."""
    if resource.custom is None:
        return builtins.SCHEMAS[f"{resource.group}/{resource.kind}"]
    given = (resource.custom.get("schema") or {}).get("openAPIV3Schema") or {}
    return _spelled_out(given)


def _spelled_out(schema: Schema) -> Schema:
    if schema.get("x-kubernetes-int-or-string") and not (
        schema.get("anyOf") or schema.get("allOf")
    ):
        return {**schema, "anyOf": [{"type": "integer"}, {"type": "string"}]}
    spelled = dict(schema)
    if schema.get("properties"):
        properties = schema["properties"].items()
        spelled["properties"] = {name: _spelled_out(part) for name, part in properties}
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            spelled[name] = _spelled_out(schema[name])
    if schema.get("x-kubernetes-embedded-resource"):
        spelled["properties"] = {**(spelled.get("properties") or {}), **_meta().object}
    return spelled


def document_v2(resources: Sequence[Resource]) -> Schema:
    """The Swagger 2 document of everything: for clients that do not know version 3."""
    schemas: Schema = dict(_meta().schemas)
    paths: Schema = {}
    for each in resources:
        schemas |= _schemas(each)
        found = openapipaths.of(each, model(each), _meta().parameters)
        paths |= {path: openapipaths.v2(operations) for path, operations in found.items()}
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": dict(sorted(paths.items())),
        "definitions": {n: _v2(s) for n, s in sorted(schemas.items())},
    }


# Swagger 2 has no words for these; a real API server leaves them out of version 2 as well.
_NOT_IN_V2: Final = ("nullable", "oneOf", "anyOf", "not")


def _v2(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_v2(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _v2_of(name, part) for name, part in schema.items() if name not in _NOT_IN_V2}
    if isinstance(found.get("$ref"), str):
        found["$ref"] = found["$ref"].replace(openapipaths.REFERENCE, "#/definitions/")
    if found.get("x-kubernetes-preserve-unknown-fields"):
        found.pop("properties", None)
    return found


def _v2_of(name: str, part: Any) -> Any:
    if name == "properties" and isinstance(part, dict):
        return {key: _v2(below) for key, below in part.items()}  # fields may have any name
    return part if name in ("default", "enum", "example") else _v2(part)
