"""What a resource is, and the catalogue of those that are served.

The built-in resources are a table; custom ones are made from their CustomResourceDefinition.
Read by the router, the request handlers and discovery. Behaviour of kinds is in `kinds`.
"""

import base64
import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from controller.local import builtins, selectors, structural

Object = dict[str, Any]

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource in one version of its group."""

    group: str = ""
    version: str = "v1"
    plural: str
    singular: str
    kind: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    status: bool = False
    """It has the subresource `status`, which alone writes the field."""
    collection: str = ""
    """Where its objects are stored; two resources may share a collection."""
    generation: bool = False
    unconditional: bool = True
    """An update may leave the version out."""
    creates_on_update: bool = False
    fields: Mapping[str, selectors.Getter] = dataclasses.field(
        default_factory=lambda: selectors.NAME_AND_NAMESPACE
    )
    """What field selectors may name, of the object as it is stored."""
    hash: str = ""
    custom: Object | None = None
    """The entry of `spec.versions` of its CustomResourceDefinition."""
    list_kind: str = ""
    structure: structural.Structural | None = None
    """The schema of a custom resource."""
    stored_version: str = ""
    warning: str = ""
    """Told to everybody who uses it: the version is deprecated."""
    since: int = 0
    """The version of its definition: what was stored before is read through the newer schema."""

    @property
    def api_version(self) -> str:
        """As it stands in an object."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """As it stands in messages: `widgets.example.com`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def subresources(self) -> dict[str, list[str]]:
        """The subresources and their verbs."""
        found = {"finalize": ["update"]} if self.kind == "Namespace" and not self.group else {}
        return found | ({"status": ["get", "patch", "update"]} if self.status else {})

    @property
    def schema(self) -> structural.Structural:
        """The schema: of a custom resource for everything, of a built-in kind for ownership."""
        return self.structure or builtins.of(f"{self.group}/{self.kind}")

    def key(self, namespace: str, name: str) -> str:
        """Where an object is in its collection."""
        return f"{namespace}/{name}" if self.namespaced else name


def _fields(**paths: str) -> Mapping[str, selectors.Getter]:
    found = {name.replace("_", "."): selectors.dotted(path) for name, path in paths.items()}
    return {**selectors.NAME_AND_NAMESPACE, **found}


_INVOLVED = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")

_CORE_EVENT_FIELDS = _fields(
    **{f"involvedObject_{name}": f"involvedObject.{name}" for name in _INVOLVED},
    reason="reason",
    reportingComponent="reportingComponent",
    source="source.component",
    type="type",
)

_EVENT_FIELDS = _fields(
    **{f"regarding_{name}": f"involvedObject.{name}" for name in _INVOLVED},
    reason="reason",
    reportingController="reportingComponent",
    type="type",
)

NAMESPACES = Resource(
    plural="namespaces",
    singular="namespace",
    kind="Namespace",
    namespaced=False,
    short_names=("ns",),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
    status=True,
    collection="namespaces",
    fields={**selectors.NAME, "status.phase": selectors.dotted("status.phase")},
    hash="Q3oi5N2YM8M=",
)

SECRETS = Resource(
    plural="secrets",
    singular="secret",
    kind="Secret",
    collection="secrets",
    fields=_fields(type="type"),
    hash="S6u1pOWzb84=",
)

CONFIG_MAPS = Resource(
    plural="configmaps",
    singular="configmap",
    kind="ConfigMap",
    short_names=("cm",),
    collection="configmaps",
    hash="qFsyl6wFWjQ=",
)

EVENTS = Resource(
    plural="events",
    singular="event",
    kind="Event",
    short_names=("ev",),
    collection="events",
    creates_on_update=True,
    fields=_CORE_EVENT_FIELDS,
    hash="r2yiGXH7wu8=",
)

NEW_EVENTS = dataclasses.replace(EVENTS, group="events.k8s.io", fields=_EVENT_FIELDS)
"""The same events, in the newer form."""

LEASES = Resource(
    group="coordination.k8s.io",
    plural="leases",
    singular="lease",
    kind="Lease",
    collection="leases",
    unconditional=False,
    creates_on_update=True,
    hash="gqkMMb/YqFM=",
)

DEFINITIONS = Resource(
    group="apiextensions.k8s.io",
    plural="customresourcedefinitions",
    singular="customresourcedefinition",
    kind="CustomResourceDefinition",
    namespaced=False,
    short_names=("crd", "crds"),
    categories=("api-extensions",),
    status=True,
    collection="customresourcedefinitions",
    fields=selectors.NAME,
    generation=True,
    unconditional=False,
    hash="jfWCUB31mvA=",
)

SUBJECT_REVIEWS = Resource(
    group="authentication.k8s.io",
    plural="selfsubjectreviews",
    singular="selfsubjectreview",
    kind="SelfSubjectReview",
    namespaced=False,
    verbs=("create",),
)

ACCESS_REVIEWS = Resource(
    group="authorization.k8s.io",
    plural="selfsubjectaccessreviews",
    singular="selfsubjectaccessreview",
    kind="SelfSubjectAccessReview",
    namespaced=False,
    verbs=("create",),
)

RULES_REVIEWS = Resource(
    group="authorization.k8s.io",
    plural="selfsubjectrulesreviews",
    singular="selfsubjectrulesreview",
    kind="SelfSubjectRulesReview",
    namespaced=False,
    verbs=("create",),
)

BUILT_IN = (
    CONFIG_MAPS,
    EVENTS,
    NAMESPACES,
    SECRETS,
    NEW_EVENTS,
    SUBJECT_REVIEWS,
    ACCESS_REVIEWS,
    RULES_REVIEWS,
    DEFINITIONS,
    LEASES,
)


def of_definition(definition: Object) -> list[Resource]:
    """The resources of an established CustomResourceDefinition, one per served version."""
    return [each for each in _versions(definition) if each.custom and each.custom["served"]]


def of_storage(definition: Object) -> Resource:
    """The resource of the version in which objects are stored, served or not."""
    return next(each for each in _versions(definition) if each.version == each.stored_version)


def _versions(definition: Object) -> list[Resource]:
    spec = definition["spec"]
    # All names are accepted here, and what status says of it a client may have written.
    names = spec["names"]
    stored = next(version["name"] for version in spec["versions"] if version["storage"])
    collection = definition["metadata"]["name"]
    return [
        Resource(
            group=spec["group"],
            version=version["name"],
            plural=names["plural"],
            singular=names.get("singular", ""),
            kind=names["kind"],
            list_kind=names.get("listKind", ""),
            namespaced=spec["scope"] == "Namespaced",
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            verbs=CUSTOM_VERBS,
            status="status" in (version.get("subresources") or {}),
            collection=collection,
            generation=True,
            unconditional=False,
            fields=selectors.of_crd(version, spec["scope"] == "Namespaced"),
            hash=_hash(f"{collection}/{definition['metadata']['uid']}"),
            custom=version,
            structure=_schema(version),
            stored_version=stored,
            warning=_warning(spec, version),
            since=int(definition["metadata"]["resourceVersion"]),
        )
        for version in spec["versions"]
    ]


def _warning(spec: Object, version: Object) -> str:
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning"):
        return str(version["deprecationWarning"])
    group, kind, rank = spec["group"], spec["names"]["kind"], _priority(version["name"])
    text = f"{group}/{version['name']} {kind} is deprecated"
    served = (each for each in spec["versions"] if each["served"] and not each.get("deprecated"))
    better = [each["name"] for each in served if _priority(each["name"]) < rank]
    return f"{text}; use {group}/{min(better, key=_priority)} {kind}" if better else text


def _schema(version: Object) -> structural.Structural:
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return structural.Structural(schema, resets=tuple(version.get("subresources") or ()))


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha512(text.encode()).digest()[:8]).decode()


class Catalogue:
    """The resources that are served now."""

    def __init__(self) -> None:
        self._custom: dict[str, list[Resource]] = {}
        self._found: dict[tuple[str, str, str], Resource] = {}
        self._rebuild()

    def define(self, name: str, found: list[Resource]) -> None:
        """Serve the resources of a definition; an empty list stops serving them."""
        self._custom[name] = found
        if not found:
            del self._custom[name]
        self._rebuild()

    def get(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource, if it is served."""
        return self._found.get((group, version, plural))

    def of_collection(self, collection: str) -> Resource | None:
        """A resource that stores its objects there."""
        return next((each for each in self if each.collection == collection), None)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._found.values())

    def groups(self) -> dict[str, list[str]]:
        """The versions of each group, the preferred first; groups in a stable order."""
        found: dict[str, list[str]] = {}
        for each in self:
            versions = found.setdefault(each.group, [])
            if each.version not in versions:
                versions.append(each.version)
        for versions in found.values():
            versions.sort(key=_priority)
        return found

    def is_custom(self, group: str) -> bool:
        """Whether a group's resources come from definitions."""
        return all(each.custom is not None for each in self if each.group == group)

    def _rebuild(self) -> None:
        custom = [each for name in sorted(self._custom) for each in self._custom[name]]
        self._found = {
            (each.group, each.version, each.plural): each for each in (*BUILT_IN, *custom)
        }


def _priority(version: str) -> tuple[int, int, int, str]:
    """Kubernetes' order of versions: v2, v1, v1beta1, v1alpha1, then the others by name."""
    head, _, tail = version.removeprefix("v").partition("beta")
    rank = 1 if tail else 0
    if not tail:
        head, _, tail = version.removeprefix("v").partition("alpha")
        rank = 2 if tail else 0
    if not version.startswith("v") or not head.isdigit() or not (tail or rank == 0):
        return (3, 0, 0, version)
    return (rank, -int(head), -int(tail or 0), version)
