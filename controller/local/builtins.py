"""Schemas of the built-in kinds: for ``kubectl explain``, and for who owns which of their fields.

Read by openapi (all of it) and by the writers of managed fields (``of``). Validation of built-in
kinds is not done by schema, as little as in Kubernetes: it is in the kinds' own code.
"""

import functools
from collections.abc import Mapping
from typing import Any, Final

from controller.local.structural import Structural

Schema = dict[str, Any]

_TIME: Final[Schema] = {
    "description": "A moment in RFC 3339.",
    "format": "date-time",
    "type": "string",
}
_MICRO_TIME: Final[Schema] = {
    "description": "A moment in RFC 3339 with microseconds.",
    "format": "date-time",
    "type": "string",
}


def _text(description: str) -> Schema:
    return {"description": description, "type": "string"}


def _integer(description: str) -> Schema:
    return {"description": description, "format": "int32", "type": "integer"}


def _flag(description: str) -> Schema:
    return {"description": description, "type": "boolean"}


def _time(description: str, micro: bool = False) -> Schema:
    return {**(_MICRO_TIME if micro else _TIME), "description": description}


def _texts(description: str, **more: Any) -> Schema:
    return {"description": description, "items": {"type": "string"}, "type": "array", **more}


def _map(description: str, form: str = "") -> Schema:
    values: Schema = {"format": form, "type": "string"} if form else {"type": "string"}
    return {"additionalProperties": values, "description": description, "type": "object"}


def _object(description: str, properties: Schema, **more: Any) -> Schema:
    return {"description": description, "properties": properties, "type": "object", **more}


def _conditions(description: str) -> Schema:
    condition = _object(
        "One thing that is known of the object.",
        {
            "type": _text("What is known."),
            "status": _text("True, False or Unknown."),
            "lastTransitionTime": _time("When the status changed last."),
            "reason": _text("Why, in one word."),
            "message": _text("Why, in a sentence."),
            "observedGeneration": {**_integer("The generation that was seen."), "format": "int64"},
        },
        required=["type", "status"],
    )
    return {
        "description": description,
        "items": condition,
        "type": "array",
        "x-kubernetes-list-map-keys": ["type"],
        "x-kubernetes-list-type": "map",
    }


def _reference(description: str) -> Schema:
    names = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    properties = {name: _text(f"The {name} of the object.") for name in names}
    return _object(description, properties, **{"x-kubernetes-map-type": "atomic"})


def _source(description: str) -> Schema:
    properties = {"component": _text("Which program."), "host": _text("On which machine.")}
    return _object(description, properties)


_EVENT: Final[Schema] = {
    "eventTime": _time("When it was first seen.", micro=True),
    "series": _object(
        "How often it happened, if more than once.",
        {
            "count": _integer("How often up to the last time."),
            "lastObservedTime": _time("The last time.", micro=True),
        },
    ),
    "reason": _text("What happened, in one word, for machines."),
    "action": _text("What was done about the object."),
    "type": _text("Normal or Warning."),
    "related": _reference("A second object that the event is about."),
    "reportingInstance": _text("Which instance of the controller, for example its host's name."),
}
_NAMES: Final[Schema] = {
    "plural": _text("As it stands in paths: lower case, as in the definition's own name."),
    "singular": _text("For the command line; the kind in lower case if left out."),
    "shortNames": _texts("Short names for the command line."),
    "kind": _text("As it stands in objects."),
    "listKind": _text("As it stands in lists; the kind and List if left out."),
    "categories": _texts("Groups of resources for the command line, as `all`."),
}
_FREE: Final[Schema] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_VERSION: Final = _object(
    "One version of the kind.",
    {
        "name": _text("As v1."),
        "served": _flag("Whether it can be used."),
        "storage": _flag("Whether objects are stored in it; true for exactly one version."),
        "deprecated": _flag("Whether its use gets a warning."),
        "deprecationWarning": _text("The warning's text, instead of the usual one."),
        "schema": _object(
            "What objects of this version look like.",
            {"openAPIV3Schema": {**_FREE, "description": "A structural schema."}},
        ),
        "subresources": {**_FREE, "description": "With `status: {}` status is written apart."},
        "additionalPrinterColumns": {
            "description": "What `kubectl get` prints beside the name.",
            "items": _FREE,
            "type": "array",
        },
        "selectableFields": {
            "description": "What field selectors may name.",
            "items": _FREE,
            "type": "array",
        },
    },
    required=["name", "served", "storage"],
)
_DEFINITION: Final = _object(
    "What is defined.",
    {
        "group": _text("The group of the API, as example.com."),
        "names": _object("What the kind is called.", _NAMES, required=["plural", "kind"]),
        "scope": _text("Namespaced or Cluster."),
        "versions": {
            "description": "The versions of the kind.",
            "items": _VERSION,
            "type": "array",
            "x-kubernetes-list-type": "atomic",
        },
        "conversion": _object(
            "How objects get from version to version.",
            {"strategy": _text("None: only apiVersion changes."), "webhook": _FREE},
        ),
        "preserveUnknownFields": _flag("Must be false: the schema says what is preserved."),
    },
    required=["group", "names", "scope", "versions"],
)
_DEFINITION_STATUS: Final = _object(
    "What became of the definition.",
    {
        "acceptedNames": _object("The names that are served.", _NAMES),
        "conditions": _conditions("NamesAccepted, Established, Terminating."),
        "storedVersions": _texts("All versions that objects were ever stored in."),
    },
)
_LEASE: Final = _object(
    "Who holds it, and until when.",
    {
        "holderIdentity": _text("Who holds it now."),
        "leaseDurationSeconds": _integer("How long it may be held without being renewed."),
        "acquireTime": _time("When the holder got it.", micro=True),
        "renewTime": _time("When the holder renewed it last.", micro=True),
        "leaseTransitions": _integer("How often it changed hands."),
        "strategy": _text("How the next holder is chosen, where that is coordinated."),
        "preferredHolder": _text("Who should hold it, where that is coordinated."),
    },
)


def _kind(description: str, properties: Schema, **more: Any) -> Schema:
    return _object(description, properties, **more)


SCHEMAS: Final[Mapping[str, Schema]] = {
    "/Namespace": _kind(
        "A scope for names: objects of namespaced kinds live in one.",
        {
            "spec": _object("What holds it.", {"finalizers": _texts("What must still be done.")}),
            "status": _object(
                "What became of it.",
                {
                    "phase": _text("Active or Terminating."),
                    "conditions": _conditions("What keeps a deleted namespace."),
                },
            ),
        },
    ),
    "/Secret": _kind(
        "Confidential data by key.",
        {
            "data": _map("Values in base64, by key.", "byte"),
            "stringData": _map("Values as plain text: only written, they become data."),
            "type": _text("What kind of secret it is; Opaque if nothing is said."),
            "immutable": _flag("Whether the data is fixed for good."),
        },
    ),
    "/ConfigMap": _kind(
        "Configuration by key.",
        {
            "data": _map("Values as text, by key."),
            "binaryData": _map("Values in base64, by key.", "byte"),
            "immutable": _flag("Whether the data is fixed for good."),
        },
    ),
    "/Event": _kind(
        "Something that happened to an object.",
        {
            **_EVENT,
            "involvedObject": _reference("The object that the event is about."),
            "message": _text("What happened, for people."),
            "source": _source("Who reports it."),
            "firstTimestamp": _time("When it happened first."),
            "lastTimestamp": _time("When it happened last."),
            "count": _integer("How often it happened."),
            "reportingComponent": _text("Which controller reports it."),
        },
        required=["metadata", "involvedObject"],
    ),
    "events.k8s.io/Event": _kind(
        "Something that happened to an object.",
        {
            **_EVENT,
            "regarding": _reference("The object that the event is about."),
            "note": _text("What happened, for people."),
            "reportingController": _text("Which controller reports it."),
            "deprecatedSource": _source("Who reports it, in the older form."),
            "deprecatedFirstTimestamp": _time("When it happened first, in the older form."),
            "deprecatedLastTimestamp": _time("When it happened last, in the older form."),
            "deprecatedCount": _integer("How often it happened, in the older form."),
        },
        required=["eventTime"],
    ),
    "coordination.k8s.io/Lease": _kind(
        "Something that one at a time can hold, for example leadership.", {"spec": _LEASE}
    ),
    "apiextensions.k8s.io/CustomResourceDefinition": _kind(
        "A kind of objects that the API serves beside the built-in ones.",
        {"spec": _DEFINITION, "status": _DEFINITION_STATUS},
        required=["spec"],
    ),
    "authentication.k8s.io/SelfSubjectReview": _kind(
        "Who is asking.", {"status": {**_FREE, "description": "The user, as the server knows it."}}
    ),
    "authorization.k8s.io/SelfSubjectAccessReview": _kind(
        "Whether the one who asks may do something.",
        {
            "spec": {**_FREE, "description": "What it is about."},
            "status": {**_FREE, "description": "Whether it is allowed."},
        },
        required=["spec"],
    ),
    "authorization.k8s.io/SelfSubjectRulesReview": _kind(
        "What the one who asks may do in a namespace.",
        {
            "spec": {**_FREE, "description": "Which namespace."},
            "status": {**_FREE, "description": "What is allowed."},
        },
        required=["spec"],
    ),
}
"""By ``group/Kind``, without apiVersion, kind and metadata, which every kind has."""

MODELS: Final[Mapping[str, str]] = {
    "": "io.k8s.api.core.v1",
    "events.k8s.io": "io.k8s.api.events.v1",
    "coordination.k8s.io": "io.k8s.api.coordination.v1",
    "authentication.k8s.io": "io.k8s.api.authentication.v1",
    "authorization.k8s.io": "io.k8s.api.authorization.v1",
    "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1",
}
"""What the models of a built-in group are called in OpenAPI documents, before the kind."""

# What the server writes out whether a client said it or not: nobody owns these values.
_ZERO: Final[Mapping[str, Schema]] = {
    "/Namespace": {"spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}},
    "/Event": {
        "involvedObject": {},
        "source": {},
        "firstTimestamp": None,
        "lastTimestamp": None,
        "eventTime": None,
        "reportingComponent": "",
        "reportingInstance": "",
    },
    "events.k8s.io/Event": {
        "regarding": {},
        "deprecatedSource": {},
        "deprecatedFirstTimestamp": None,
        "deprecatedLastTimestamp": None,
        "eventTime": None,
    },
    "coordination.k8s.io/Lease": {"spec": {}},
    "apiextensions.k8s.io/CustomResourceDefinition": {
        "spec": {"group": "", "names": {"kind": "", "plural": ""}, "scope": "", "versions": None},
        "status": {
            "acceptedNames": {"kind": "", "plural": ""},
            "conditions": None,
            "storedVersions": None,
        },
    },
}
_WITH_STATUS: Final = frozenset({"/Namespace", "apiextensions.k8s.io/CustomResourceDefinition"})


@functools.cache
def of(name: str) -> Structural:
    """What the ownership of fields goes by for a kind, named ``group/Kind``."""
    resets = ["status"] if name in _WITH_STATUS else []
    return Structural(SCHEMAS[name], _ZERO.get(name), resets)
