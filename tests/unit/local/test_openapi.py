"""OpenAPI documents: the recorded one, and those of everything else that is served."""

import copy
import dataclasses
import json
from typing import Any

from controller.local import builtins, openapi
from tests.unit.local import golden

VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")


@dataclasses.dataclass(frozen=True)
class Resource:
    group: str
    version: str
    plural: str
    kind: str
    list_kind: str = ""
    namespaced: bool = True
    verbs: tuple[str, ...] = VERBS
    status: bool = False
    custom: dict[str, Any] | None = None


WIDGETS = Resource(
    "golden.example.com",
    "v1",
    "widgets",
    "Widget",
    "WidgetList",
    status=True,
    custom=golden.crd_version(),
)
SECRETS = Resource("", "v1", "secrets", "Secret")


def test_the_document_of_a_custom_group_is_as_recorded() -> None:
    recorded = golden.answer(196)
    options = recorded["components"]["schemas"][
        "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
    ]
    # It lists all groups of the server, of which we serve few.
    options["x-kubernetes-group-version-kind"] = [
        {"group": "", "kind": "DeleteOptions", "version": "v1"}
    ]
    assert openapi.document([WIDGETS]) == recorded


def test_the_index_names_every_group_with_the_hash_of_its_document() -> None:
    documents = openapi.Documents([WIDGETS, SECRETS])
    index = documents.answer(["v3"])
    group = documents.answer(["v3", "apis", "golden.example.com", "v1"])
    core = documents.answer(["v3", "api", "v1"])
    assert index is not None
    assert group is not None
    assert core is not None
    name = "apis/golden.example.com/v1"
    assert json.loads(index.body) == {
        "paths": {
            "api/v1": {"serverRelativeURL": f"/openapi/v3/api/v1?hash={core.hash}"},
            name: {"serverRelativeURL": f"/openapi/v3/{name}?hash={group.hash}"},
        }
    }
    assert (len(group.hash), group.media) == (128, "application/json")


def test_there_is_no_document_of_what_is_not_served() -> None:
    documents = openapi.Documents([WIDGETS])
    paths: list[list[str]] = [["v3", "apis", "nope.example.com", "v1"], ["v3", "api", "v1"], []]
    assert [documents.answer(path) for path in paths] == [None] * 3


def test_a_document_is_made_anew_when_a_resource_changed() -> None:
    served = [WIDGETS]
    documents = openapi.Documents(served)
    path = ["v3", "apis", "golden.example.com", "v1"]
    before = documents.answer(path)
    assert documents.answer(path) is before
    version = copy.deepcopy(golden.crd_version())
    version["schema"]["openAPIV3Schema"]["description"] = "Another widget."
    served[0] = dataclasses.replace(WIDGETS, custom=version)
    after = documents.answer(path)
    assert before is not None
    assert after is not None
    assert before.hash != after.hash


def test_a_built_in_kind_takes_strategic_merge_patches_and_strict_validation() -> None:
    found = openapi.document([SECRETS])
    patch = found["paths"]["/api/v1/namespaces/{namespace}/secrets/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
    assert "fieldValidation" in [each["name"] for each in patch["parameters"]]
    schema = found["components"]["schemas"]["io.k8s.api.core.v1.Secret"]
    assert schema["x-kubernetes-group-version-kind"] == [
        {"group": "", "kind": "Secret", "version": "v1"}
    ]
    assert {"apiVersion", "kind", "metadata", "data"} <= schema["properties"].keys()


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_every_reference_is_to_something_that_is_there() -> None:
    kinds = [name.split("/") for name in builtins.SCHEMAS]
    everything: list[openapi.Resource] = [
        WIDGETS,
        *(Resource(group, "v1", f"{kind.lower()}s", kind) for group, kind in kinds),
    ]
    three = openapi.document(everything)
    names = three["components"]["schemas"]
    assert {each.removeprefix("#/components/schemas/") for each in references(three)} <= set(names)
    two = openapi.document_v2(everything)
    assert {each.removeprefix("#/definitions/") for each in references(two)} <= set(names)
    assert two["definitions"].keys() == names.keys()


def test_version_2_says_what_a_patch_consumes() -> None:
    answer = openapi.Documents([WIDGETS]).answer(["v2"])
    assert answer is not None
    found = json.loads(answer.body)
    path = "/apis/golden.example.com/v1/namespaces/{namespace}/widgets/{name}"
    assert found["paths"][path]["patch"]["consumes"] == [
        "application/apply-patch+yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
    ]
    spec = found["definitions"]["com.example.golden.v1.Widget"]["properties"]["spec"]
    assert spec["properties"]["maybe"] == {"type": "string"}


def test_version_2_has_fields_that_are_called_like_words_of_schemas() -> None:
    custom = copy.deepcopy(golden.crd_version())
    fields = custom["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    fields |= {"not": {"type": "string"}, "properties": {"type": "object", "default": {"not": 1}}}
    found = openapi.document_v2([dataclasses.replace(WIDGETS, custom=custom)])
    spec = found["definitions"]["com.example.golden.v1.Widget"]["properties"]["spec"]
    assert spec["properties"]["not"] == {"type": "string"}
    assert spec["properties"]["properties"] == {"type": "object", "default": {"not": 1}}
