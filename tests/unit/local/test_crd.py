"""CustomResourceDefinitions: the recorded answers, then every way of being refused."""

import copy
from typing import Any

import pytest

from controller.local import crd, fielderrors
from tests.unit.local import golden

GROUP = "apiextensions.k8s.io"
KIND = "CustomResourceDefinition"


def defaulted(number: int) -> dict[str, Any]:
    obj: dict[str, Any] = golden.request(number)
    crd.default(obj)
    return obj


def test_a_recorded_definition_is_defaulted_and_established_as_recorded() -> None:
    obj = defaulted(16)
    assert crd.check(obj, None) == []
    assert obj["spec"] == golden.answer(16)["spec"]
    obj["status"] = golden.answer(16)["status"]
    status = golden.answer(20)["status"]
    crd.established(obj, status["conditions"][0]["lastTransitionTime"])
    assert obj["status"] == status
    crd.established(obj, "2027-01-01T00:00:00Z")
    assert obj["status"] == status


@pytest.mark.parametrize("number", [18, 19])
def test_a_refused_definition_gets_the_recorded_answer(number: int) -> None:
    obj = defaulted(number)
    errors = crd.check(obj, None)
    name = obj["metadata"]["name"]
    assert fielderrors.invalid_status(KIND, GROUP, name, errors) == golden.answer(number)


def test_the_scope_of_an_established_definition_is_fixed() -> None:
    old = golden.answer(197)
    new = copy.deepcopy(old)
    new["spec"]["scope"] = "Cluster"
    assert [error.cause for error in crd.check(new, old)] == golden.causes(199)


def told(change: dict[str, Any]) -> list[str]:
    obj = defaulted(16)
    obj["spec"] |= change
    return list(map(str, crd.check(obj, None)))


def test_names_and_scope_are_checked() -> None:
    names = {"kind": "a_b", "plural": "widgets", "listKind": "a_b", "singular": "W"}
    label = (
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
        "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
        "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
    )
    mixed = f"may have mixed case, but should otherwise match: {label}"
    assert told({"names": names, "scope": "Global"}) == [
        'spec.scope: Unsupported value: "Global": supported values: "Cluster", "Namespaced"',
        f'spec.names.singular: Invalid value: "W": {label}',
        f'spec.names.kind: Invalid value: "a_b": {mixed}',
        f'spec.names.listKind: Invalid value: "a_b": {mixed}',
        'spec.names.listKind: Invalid value: "a_b": kind and listKind may not be the same',
    ]


def test_there_is_one_storage_version_of_each_name() -> None:
    version = golden.crd_version()
    assert told({"versions": [version, version]}) == [
        'spec.versions: Invalid value: ["v1","v1"]: must contain unique version names',
        'spec.versions: Invalid value: ["v1","v1"]: must have exactly one version marked as '
        "storage version",
    ]


def test_what_this_control_plane_does_not_do_is_refused() -> None:
    version = {**golden.crd_version(), "subresources": {"scale": {"specReplicasPath": ".spec.n"}}}
    assert told({"versions": [version], "conversion": {"strategy": "Webhook"}}) == [
        'spec.conversion.strategy: Unsupported value: "Webhook": supported values: "None"',
        "spec.subresources.scale: Forbidden: the scale subresource is not served here",
    ]


def test_a_version_that_was_stored_must_stay() -> None:
    old = golden.answer(197)
    new = copy.deepcopy(old)
    new["spec"]["versions"][0]["name"] = "v2"
    assert list(map(str, crd.check(new, old))) == [
        'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions; v1 was '
        "previously a storage version, and must remain in spec.versions until a storage migration "
        "ensures no data remains persisted in v1 and removes v1 from status.storedVersions"
    ]


def of_version(**change: Any) -> list[str]:
    return told({"versions": [{**golden.crd_version(), **change}]})


def test_columns_are_checked() -> None:
    columns = [{"name": "A", "type": "text", "jsonPath": "spec.a", "format": "x"}, {"type": "date"}]
    types = "must be one of boolean,date,integer,number,string"
    formats = "must be one of byte,date,date-time,double,float,int32,int64,password"
    assert of_version(additionalPrinterColumns=columns) == [
        f'spec.additionalPrinterColumns[0].type: Invalid value: "text": {types}',
        f'spec.additionalPrinterColumns[0].format: Invalid value: "x": {formats}',
        'spec.additionalPrinterColumns[0].jsonPath: Invalid value: "spec.a": must be a simple '
        "json path starting with .",
        "spec.additionalPrinterColumns[1].name: Required value",
        "spec.additionalPrinterColumns[1].jsonPath: Required value",
    ]


def test_selectable_fields_are_fields_of_the_schema() -> None:
    paths = [".spec.nope", ".spec.color", ".spec.color", ".spec.parts", ".metadata.name"]
    assert of_version(selectableFields=[{"jsonPath": path} for path in paths]) == [
        'spec.selectableFields[0].jsonPath: Invalid value: ".spec.nope": is an invalid path: does '
        "not refer to a valid field",
        'spec.selectableFields[2].jsonPath: Duplicate value: ".spec.color"',
        'spec.selectableFields[3].jsonPath: Invalid value: ".spec.parts": must point to a field of '
        "type string, boolean or integer. Enum string fields and strings with formats are allowed.",
        'spec.selectableFields[4].jsonPath: Invalid value: ".metadata.name": must not point to '
        "fields in metadata",
    ]


AT = "spec.validation.openAPIV3Schema.properties[spec]"
ROWS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("no type", {"properties": {"a": {}}},
     [f"{AT}.properties[a].type: Required value: must not be empty for specified object fields",
      f"{AT}.type: Required value: must not be empty for specified object fields"]),
    ("an item without a type", {"type": "array", "items": {}},
     [f"{AT}.items.type: Required value: must not be empty for specified array items"]),
    ("a list without items", {"type": "array"}, [f"{AT}.items: Required value: must be specified"]),
    ("another type", {"type": "text"},
     [f'{AT}.type: Unsupported value: "text": supported values: "array", "boolean", "integer", '
      '"number", "object", "string"']),
    ("properties and additional ones",
     {"type": "object", "properties": {"a": {"type": "string"}},
      "additionalProperties": {"type": "string"}},
     [f"{AT}.additionalProperties: Forbidden: additionalProperties and properties are mutual "
      "exclusive"]),
    ("a reference", {"type": "object", "$ref": "#/x"},
     [f"{AT}.$ref: Forbidden: $ref is not supported"]),
    ("unique items", {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
     [f"{AT}.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime "
      "complexity becomes quadratic"]),
    ("a type below a junctor", {"type": "object", "anyOf": [{"type": "object"}]},
     [f"{AT}.anyOf[0].type: Forbidden: must be empty to be structural"]),
    ("a field that is only below a junctor",
     {"type": "object", "oneOf": [{"properties": {"a": {"minimum": 1}}}]},
     [f"{AT}.properties[a]: Required value: because it is defined in {AT}.oneOf[0].properties[a]"]),
    ("an integer or string may say so", {"x-kubernetes-int-or-string": True,
     "anyOf": [{"type": "integer"}, {"type": "string"}]}, []),
    ("a bad pattern", {"type": "string", "pattern": "("},
     [f'{AT}.pattern: Invalid value: "(": must be a valid regular expression, but isn\'t: '
      "INVALID_ARGUMENT: invalid regular expression: missing ): ("]),
    ("a map list without keys",
     {"type": "array", "items": {"type": "object"}, "x-kubernetes-list-type": "map"},
     [f"{AT}.x-kubernetes-list-map-keys: Required value: must not be empty if "
      "x-kubernetes-list-type is map"]),
    ("a key that may be missing",
     {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
      "items": {"type": "object", "properties": {"k": {"type": "string"}}}},
     [f"{AT}.items.properties[k].default: Required value: this property is in "
      "x-kubernetes-list-map-keys, so it must have a default or be a required property"]),
    ("a default of another type", {"type": "integer", "default": "x"},
     [f'{AT}.default: Invalid value: "string": {AT}.default in body must be of type integer: '
      '"string"']),
    ("a default with unknown fields", {"type": "object", "default": {"x": 1}},
     [f'{AT}.default: Invalid value: {{"x":1}}: must not have unknown fields']),
    ("an embedded resource of nothing",
     {"type": "object", "x-kubernetes-embedded-resource": True},
     [f"{AT}.properties: Required value: must not be empty if x-kubernetes-embedded-resource is "
      "true without x-kubernetes-preserve-unknown-fields"]),
    ("a rule without a text", {"type": "object", "x-kubernetes-validations": [{"rule": " "}]},
     [f"{AT}.x-kubernetes-validations[0].rule: Required value: rule is not specified"]),
    ("a rule that does not compile",
     {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 'a'"}]},
     [f'{AT}.x-kubernetes-validations[0].rule: Invalid value: "self > \'a\'": compilation failed: '
      "ERROR: <input>:1:6: found no matching overload for '_>_' applied to '(int, string)'\n"
      " | self > 'a'\n | .....^"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "errors"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_a_schema_is_refused(schema: dict[str, Any], errors: list[str]) -> None:
    whole = {"type": "object", "properties": {"spec": schema}}
    found = of_version(schema={"openAPIV3Schema": whole}, selectableFields=[])
    assert found == errors


def test_the_root_is_an_object_and_metadata_is_known() -> None:
    whole = {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "properties": {},
    }
    at = "spec.validation.openAPIV3Schema"
    found = of_version(schema={"openAPIV3Schema": whole}, selectableFields=[])
    assert found == [f"{at}.additionalProperties: Forbidden: must not be used at the root"]
    meta = {"type": "object", "properties": {"labels": {"type": "object"}}}
    whole = {"type": "object", "properties": {"metadata": meta, "kind": {"type": "integer"}}}
    found = of_version(schema={"openAPIV3Schema": whole}, selectableFields=[])
    assert found == [
        f'{at}.properties[kind].type: Invalid value: "integer": must be string',
        f"{at}.properties[metadata]: Forbidden: must not specify anything other than name and "
        "generateName, but metadata is implicitly specified",
    ]


def test_a_protected_group_needs_an_approval() -> None:
    obj = defaulted(16)
    obj["spec"]["group"] = "x.k8s.io"
    obj["metadata"]["name"] = "widgets.x.k8s.io"
    assert list(map(str, crd.check(obj, None))) == [
        "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must "
        'have approval annotation "api-approved.kubernetes.io", see '
        "https://github.com/kubernetes/enhancements/pull/1111"
    ]
