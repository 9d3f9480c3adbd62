"""The Go types of the built-in kinds, and of the options in bodies.

Names and types are those of k8s.io/api. What a type does is in `typed`; `decoding` and `deletes`
use them. Tables only.
"""

from controller.local import typed

DELETE_OPTIONS = typed.struct(
    "v1.DeleteOptions",
    {
        **dict.fromkeys(("kind", "apiVersion", "propagationPolicy"), typed.string),
        "gracePeriodSeconds": typed.int64,
        "preconditions": typed.struct(
            "v1.Preconditions", {"uid": typed.string, "resourceVersion": typed.string}
        ),
        "orphanDependents": typed.boolean,
        "dryRun": typed.strings,
    },
)

_CONDITIONS = typed.listed(
    typed.struct(
        "v1.Condition",
        {
            **dict.fromkeys(("type", "status", "reason", "message"), typed.string),
            "lastTransitionTime": typed.time,
            "observedGeneration": typed.int64,
        },
        always={"type": "", "status": ""},
    ),
    "v1.Condition",
)

_REFERENCE = typed.struct(
    "v1.ObjectReference",
    dict.fromkeys(
        ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"),
        typed.string,
    ),
)

_SOURCE = typed.struct("v1.EventSource", {"component": typed.string, "host": typed.string})

_SERIES = typed.struct(
    "v1.EventSeries", {"count": typed.int32, "lastObservedTime": typed.micro_time}
)

_EVENT: dict[str, typed.Type] = {
    "eventTime": typed.micro_time,
    "series": _SERIES,
    "reason": typed.string,
    "action": typed.string,
    "type": typed.string,
    "related": _REFERENCE,
    "reportingInstance": typed.string,
}

_NAMES = typed.struct(
    "v1.CustomResourceDefinitionNames",
    {
        **dict.fromkeys(("plural", "singular", "kind", "listKind"), typed.string),
        "shortNames": typed.strings,
        "categories": typed.strings,
    },
)

_SELECTABLE = typed.struct("v1.SelectableField", {"jsonPath": typed.string})

_COLUMN = typed.struct(
    "v1.CustomResourceColumnDefinition",
    {
        **dict.fromkeys(("name", "type", "format", "description", "jsonPath"), typed.string),
        "priority": typed.int32,
    },
    keep=frozenset(("name", "type", "jsonPath")),
)

_SUBRESOURCES = typed.struct(
    "v1.CustomResourceSubresources",
    {
        "status": typed.struct("v1.CustomResourceSubresourceStatus", {}),
        "scale": typed.struct(
            "v1.CustomResourceSubresourceScale",
            dict.fromkeys(
                ("specReplicasPath", "statusReplicasPath", "labelSelectorPath"), typed.string
            ),
        ),
    },
    keep=frozenset(("status", "scale")),
)


def _schema(value: typed.Value, place: typed.Place, unknown: typed.Unknown) -> typed.Value:
    # A schema contains schemas; the table below needs a name for what it is part of.
    return _PROPS(value, place, unknown)


def _schema_or_flag(value: typed.Value, place: typed.Place, unknown: typed.Unknown) -> typed.Value:
    return value if isinstance(value, bool) else _PROPS(value, place, unknown)


def _schema_or_list(value: typed.Value, place: typed.Place, unknown: typed.Unknown) -> typed.Value:
    return (_SCHEMAS if isinstance(value, list) else _PROPS)(value, place, unknown)


def _schema_or_texts(value: typed.Value, place: typed.Place, unknown: typed.Unknown) -> typed.Value:
    return (typed.strings if isinstance(value, list) else _PROPS)(value, place, unknown)


_SCHEMAS = typed.listed(_schema, "v1.JSONSchemaProps")
_SCHEMA_MAP = typed.mapped(_schema, "v1.JSONSchemaProps", zero={})

_RULE = typed.struct(
    "v1.ValidationRule",
    {
        **dict.fromkeys(("rule", "message", "messageExpression", "reason"), typed.string),
        "fieldPath": typed.string,
        "optionalOldSelf": typed.boolean,
    },
    keep=frozenset(("rule",)),
)

_PROPS = typed.struct(
    "v1.JSONSchemaProps",
    {
        **dict.fromkeys(
            (
                *("id", "$schema", "$ref", "description", "type", "format", "title", "pattern"),
                *("x-kubernetes-list-type", "x-kubernetes-map-type"),
            ),
            typed.string,
        ),
        **dict.fromkeys(("maximum", "minimum", "multipleOf"), typed.number),
        **dict.fromkeys(
            ("maxLength", "minLength", "maxItems", "minItems", "maxProperties", "minProperties"),
            typed.int64,
        ),
        **dict.fromkeys(
            (
                *("exclusiveMaximum", "exclusiveMinimum", "uniqueItems", "nullable"),
                *("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"),
                "x-kubernetes-int-or-string",
            ),
            typed.boolean,
        ),
        **dict.fromkeys(("required", "x-kubernetes-list-map-keys"), typed.strings),
        **dict.fromkeys(("allOf", "oneOf", "anyOf"), _SCHEMAS),
        **dict.fromkeys(("properties", "patternProperties", "definitions"), _SCHEMA_MAP),
        **dict.fromkeys(("default", "example"), typed.anything),
        "enum": typed.listed(typed.anything, "v1.JSON"),
        "items": _schema_or_list,
        "not": _schema,
        **dict.fromkeys(("additionalProperties", "additionalItems"), _schema_or_flag),
        "dependencies": typed.mapped(_schema_or_texts, "v1.JSONSchemaPropsOrStringArray", zero={}),
        "externalDocs": typed.struct(
            "v1.ExternalDocumentation", dict.fromkeys(("description", "url"), typed.string)
        ),
        "x-kubernetes-validations": typed.listed(_RULE, "v1.ValidationRule"),
    },
    keep=frozenset(("default", "example", "items", "not", "additionalProperties")),
)

_VALIDATION = typed.struct(
    "v1.CustomResourceValidation",
    {"openAPIV3Schema": _schema},
    keep=frozenset(("openAPIV3Schema",)),
)

_CONVERSION = typed.struct(
    "v1.CustomResourceConversion",
    {
        "strategy": typed.string,
        "webhook": typed.mapped(typed.anything, "v1.WebhookConversion"),
    },
)

_STATUS = typed.struct(
    "v1.CustomResourceDefinitionStatus",
    {
        "conditions": _CONDITIONS,
        "acceptedNames": _NAMES,
        "storedVersions": typed.strings,
        "observedGeneration": typed.int64,
    },
)

_VERSION = typed.struct(
    "v1.CustomResourceDefinitionVersion",
    {
        "name": typed.string,
        "served": typed.boolean,
        "storage": typed.boolean,
        "deprecated": typed.boolean,
        "deprecationWarning": typed.string,
        "schema": _VALIDATION,
        "subresources": _SUBRESOURCES,
        "additionalPrinterColumns": typed.listed(_COLUMN, "v1.CustomResourceColumnDefinition"),
        "selectableFields": typed.listed(_SELECTABLE, "v1.SelectableField"),
    },
    keep=frozenset(("subresources",)),
    always={"name": "", "served": False, "storage": False},
)

_DEFINITION = typed.struct(
    "v1.CustomResourceDefinitionSpec",
    {
        "group": typed.string,
        "names": _NAMES,
        "scope": typed.string,
        "versions": typed.listed(_VERSION, "v1.CustomResourceDefinitionVersion"),
        "conversion": _CONVERSION,
        "preserveUnknownFields": typed.boolean,
    },
    keep=frozenset(("group", "names", "scope", "versions")),
)

_LEASE = typed.struct(
    "v1.LeaseSpec",
    {
        "holderIdentity": typed.string,
        "leaseDurationSeconds": typed.int32,
        "acquireTime": typed.micro_time,
        "renewTime": typed.micro_time,
        "leaseTransitions": typed.int32,
        "strategy": typed.string,
        "preferredHolder": typed.string,
    },
    keep=frozenset(("holderIdentity",)),
)

_NAMESPACE_SPEC = typed.struct("v1.NamespaceSpec", {"finalizers": typed.strings})
_NAMESPACE_STATUS = typed.struct(
    "v1.NamespaceStatus", {"phase": typed.string, "conditions": _CONDITIONS}
)

_CONTENT: dict[str, dict[str, typed.Type]] = {
    "/Namespace": {"spec": _NAMESPACE_SPEC, "status": _NAMESPACE_STATUS},
    "/Secret": {
        "data": typed.mapped(typed.data, "[]uint8"),
        "stringData": typed.string_map,
        "type": typed.string,
        "immutable": typed.boolean,
    },
    "/ConfigMap": {
        "data": typed.string_map,
        "binaryData": typed.mapped(typed.data, "[]uint8"),
        "immutable": typed.boolean,
    },
    "/Event": {
        **_EVENT,
        "involvedObject": _REFERENCE,
        "message": typed.string,
        "source": _SOURCE,
        "firstTimestamp": typed.time,
        "lastTimestamp": typed.time,
        "count": typed.int32,
        "reportingComponent": typed.string,
    },
    "events.k8s.io/Event": {
        **_EVENT,
        "regarding": _REFERENCE,
        "note": typed.string,
        "reportingController": typed.string,
        "deprecatedSource": _SOURCE,
        "deprecatedFirstTimestamp": typed.time,
        "deprecatedLastTimestamp": typed.time,
        "deprecatedCount": typed.int32,
    },
    "coordination.k8s.io/Lease": {"spec": _LEASE},
    "apiextensions.k8s.io/CustomResourceDefinition": {
        "spec": _DEFINITION,
        "status": _STATUS,
    },
    "authentication.k8s.io/SelfSubjectReview": {"status": typed.anything},
    "authorization.k8s.io/SelfSubjectAccessReview": {
        "spec": typed.anything,
        "status": typed.anything,
    },
    "authorization.k8s.io/SelfSubjectRulesReview": {
        "spec": typed.anything,
        "status": typed.anything,
    },
}

_KEPT = frozenset(("metadata", "spec", "kind", "apiVersion"))


def of_kind(group: str, kind: str) -> typed.Type:
    """The type of a built-in kind."""
    fields = _CONTENT[f"{group}/{kind}"]
    common: dict[str, typed.Type] = {
        "kind": typed.string,
        "apiVersion": typed.string,
        "metadata": typed.METADATA,
    }
    return typed.struct(kind, common | fields, keep=_KEPT)
