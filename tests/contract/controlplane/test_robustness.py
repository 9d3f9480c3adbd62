"""Requests that make no sense are refused by name: no input may be an internal error."""

import base64
import functools
import json
import random
from typing import Any

import pytest

from tests.support import controlplane

Object = dict[str, Any]

REQUESTS = 400
embedded_only = pytest.mark.skipif(controlplane.is_named(), reason="a limit of the embedded one")

_VALUES: tuple[Any, ...] = (
    *(None, 0, -1, 1.5, True, "", "x", "a" * 300, "2026-01-01T00:00:00Z"),
    *([], [1], [None], [{}], {}, {"a": 1}, {"a": {"b": [1, {"c": None}]}}),
)
_NAMES = (
    *("metadata", "spec", "status", "labels", "annotations", "finalizers", "ownerReferences"),
    *("managedFields", "data", "stringData", "name", "generateName", "versions", "schema"),
)
_QUERIES = (
    *("", "?fieldValidation=Strict", "?fieldManager=f&force=true", "?dryRun=All", "?limit=a"),
    *("?resourceVersion=x", "?continue=eyJ9", "?labelSelector=a%20b", "?fieldSelector=x"),
)
_PATCHES = (
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
    "application/strategic-merge-patch+json",
)


def _value(rng: random.Random) -> Any:
    return json.loads(json.dumps(rng.choice(_VALUES)))


def _places(value: Any) -> list[functools.partial[None]]:
    """Setters of every place in a value."""
    keys: list[Any] = list(value) if isinstance(value, dict) else []
    if isinstance(value, list):
        keys = list(range(len(value)))
    found = [functools.partial(value.__setitem__, key) for key in keys]
    return found + [place for key in keys for place in _places(value[key])]


def broken(body: Object, rng: random.Random) -> Object:
    """A copy of an object with some of its values replaced, and others added."""
    copy: Object = json.loads(json.dumps(body))
    for _ in range(rng.choice((1, 1, 2, 3))):
        rng.choice(_places(copy))(_value(rng))
    if rng.random() < 0.3:
        copy[rng.choice(_NAMES)] = _value(rng)
    if rng.random() < 0.3 and isinstance(copy.get("metadata"), dict):
        copy["metadata"][rng.choice(_NAMES)] = _value(rng)
    return copy


def targets(widgets: controlplane.Widgets) -> list[tuple[str, Object]]:
    """Collections, and an object that each would take."""
    core = f"/api/v1/namespaces/{widgets.namespace}"
    meta = {"name": "one", "labels": {"a": "b"}, "finalizers": ["example.com/a"]}
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{widgets.namespace}/leases"
    definition = controlplane.widget_definition(f"other.{widgets.group}")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "u"}
    entry = {"manager": "m", "operation": "Update", "fieldsV1": {"f:spec": {"f:size": {}}}}
    widget = widgets.widget("one", size=3)
    widget["metadata"] = meta | {"ownerReferences": [owner], "managedFields": [entry]}
    return [
        (widgets.path, widget),
        (f"{core}/secrets", {"kind": "Secret", "metadata": meta, "data": {"a": "YQ=="}}),
        (f"{core}/configmaps", {"kind": "ConfigMap", "metadata": meta, "data": {"a": "b"}}),
        (f"{core}/events", {"kind": "Event", "metadata": meta, "involvedObject": {}, "count": 1}),
        (lease, {"kind": "Lease", "metadata": meta, "spec": {"leaseDurationSeconds": 3}}),
        ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition),
    ]


@pytest.mark.parametrize("seed", range(3))
async def test_no_request_is_an_internal_error(widgets: controlplane.Widgets, seed: int) -> None:
    rng, where = random.Random(seed), targets(widgets)
    for _ in range(REQUESTS):
        path, whole = rng.choice(where)
        body, query = broken(whole, rng), rng.choice(_QUERIES)
        method = rng.choice(("POST", "PUT", "PATCH", "DELETE"))
        kind = rng.choice(_PATCHES) if method == "PATCH" else "application/json"
        if method != "POST":
            path += f"/{whole['metadata']['name']}{rng.choice(('', '', '/status'))}"
        answer = await widgets.access.ask(method, path + query, body, kind=kind)
        # Kubernetes answers 500 to a creation that names a version.
        if answer.status >= 500 and b"resourceVersion" not in answer.raw:
            raise AssertionError(f"{method} {path}{query} {kind} {body}: {answer.raw!r}")
    assert (await widgets.access.ask("GET", widgets.path)).status == 200


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        ("application/json", b"[" * 100_000),
        ("application/json", b'{"a":' * 100_000),
        ("application/json", b'{"a":' * 2_000 + b"1" + b"}" * 2_000),
        ("application/json", b'{"a":' * 400 + b"1" + b"}" * 400),
        ("application/yaml", b"[" * 100_000),
        ("application/yaml", b"- " * 100_000),
        ("application/yaml", b'{"a":' * 400 + b"1" + b"}" * 400),
        ("application/yaml", b"{a: " * 400 + b"1" + b"}" * 400),
        ("application/json", b'{"metadata": {"name": "\xff"}}'),
        ("application/json", b'{"spec": {"size": 1e999}}'),
        ("application/json", b'{"spec": {"size": NaN}}'),
        ("application/yaml", b"a: &a [x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n" + b"- x"),
        ("application/yaml", b"!!python/object/apply:os.system [true]"),
        ("application/vnd.kubernetes.protobuf", b"k8s\x00\xff\xff\xff\xff"),
        ("application/vnd.kubernetes.protobuf", b"not this"),
    ],
)
async def test_a_body_that_is_nothing_is_a_bad_request(
    widgets: controlplane.Widgets, kind: str, raw: bytes
) -> None:
    answer = await widgets.access.ask("POST", widgets.path, raw, kind=kind)
    assert answer.status in (400, 415), answer.raw
    assert answer.body["kind"] == "Status"


def continuing(text: str) -> str:
    return "continue=" + base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("query", "statuses"),
    [
        ("limit=1_0", (400,)),
        ("limit=" + "9" * 5000, (400,)),
        ("timeoutSeconds=" + "9" * 400 + "&watch=1", (400,)),
        ("timeoutSeconds=soon&watch=1", (400,)),
        ("resourceVersion=" + "9" * 5000, (500,)),  # so does Kubernetes, and says why
        (continuing('{"v":"meta.k8s.io/v1","rv":1e999,"start":"a"}'), (400,)),
        (continuing('{"v":"meta.k8s.io/v1","rv":"1","start":"a"}'), (400,)),
        (continuing('{"v":"meta.k8s.io/v1","rv":0,"start":"a"}'), (400,)),
        (continuing('{"v":"meta.k8s.io/v1","rv":1,"start":""}'), (400,)),
        (continuing("[]"), (400,)),
        (continuing("[" * 4000), (400,)),
        (continuing('{"v":"meta.k8s.io/v1","rv":99999999999,"start":"a"}'), (410, 500, 504)),
        ("continue=%C3%A4", (400,)),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused_by_name(
    widgets: controlplane.Widgets, query: str, statuses: tuple[int, ...]
) -> None:
    answer = await widgets.access.ask("GET", f"{widgets.path}?{query}")
    assert answer.status in statuses, answer.raw[:300]
    assert answer.body["kind"] == "Status"


@pytest.mark.parametrize(
    ("unknown", "told"),
    [
        (["a"], ['299 - "unknown field \\"spec.a\\""']),
        (["a\nSet-Cookie: b", "\x00", "c"], ['299 - "unknown field \\"spec.c\\""']),
        (["x" * 20_000], ['299 - "unknown field \\"spec.' + "x" * 236 + '"']),
    ],
)
async def test_a_warning_fits_into_its_header(
    widgets: controlplane.Widgets, unknown: list[str], told: list[str]
) -> None:
    answer = await widgets.access.ask(
        "POST", widgets.path, widgets.widget("one", **dict.fromkeys(unknown, 1))
    )
    assert (answer.status, answer.warnings) == (201, told)


@embedded_only
async def test_there_are_no_more_warnings_than_clients_take(widgets: controlplane.Widgets) -> None:
    fields = {f"f{number}": 1 for number in range(2_000)}
    answer = await widgets.access.ask("POST", widgets.path, widgets.widget("one", **fields))
    assert (answer.status, len(answer.warnings)) == (201, 50)


@pytest.mark.parametrize(
    ("method", "query", "told"),
    [
        ("POST", "fieldManager=" + "x" * 129, "Too long: may not be more than 128 bytes"),
        ("PUT", "fieldManager=a%0Ab", "invalid character U+000A (at position 1)"),
        ("PATCH", "force=true", "force: Forbidden: may not be specified for non-apply patch"),
    ],
)
async def test_a_writer_of_no_sensible_name_is_refused(
    widgets: controlplane.Widgets, method: str, query: str, told: str
) -> None:
    body = await widgets.create("one")
    path = widgets.path if method == "POST" else f"{widgets.path}/one"
    kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
    answer = await widgets.access.ask(method, f"{path}?{query}", body, kind=kind)
    assert answer.status == 422, answer.raw
    assert told in answer.body["message"]


async def test_a_user_agent_becomes_a_name_that_can_be_printed(
    widgets: controlplane.Widgets,
) -> None:
    headers = {"User-Agent": "b\u00fcild\u00a0" + "x" * 200 + "/1.0"}
    answer = await widgets.access.ask(
        "POST", widgets.path, widgets.widget("one", size=1), headers=headers
    )
    (entry,) = answer.body["metadata"]["managedFields"]
    assert entry["manager"] == "b\u00fcild" + "x" * 122


async def test_a_field_that_stands_twice_is_warned_of_and_its_last_value_counts(
    widgets: controlplane.Widgets,
) -> None:
    head = json.dumps(widgets.widget("one"))[:-1].replace(', "spec": {}', "")
    raw = (head + ', "spec": {"size": 1, "color": "red", "size": 2}}').encode()
    answer = await widgets.access.ask("POST", widgets.path, raw)
    assert (answer.status, answer.body["spec"]) == (201, {"size": 2, "color": "red"})
    assert answer.warnings == ['299 - "duplicate field \\"spec.size\\""']


async def test_yaml_aliases_cannot_blow_up(widgets: controlplane.Widgets) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [" + ", ".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, 9)]
    raw = "\n".join(lines).encode()
    answer = await widgets.access.ask("POST", widgets.path, raw, kind="application/yaml")
    assert answer.status == 400
    assert "excessive aliasing" in answer.body["message"]


def nested(depth: int) -> Any:
    """Objects in one another."""
    value: Any = 1
    for _ in range(depth):
        value = {"a": value}
    return value


@embedded_only
@pytest.mark.parametrize("kind", _PATCHES[:3])
async def test_no_way_of_writing_gets_objects_deeper_than_they_can_be_read(
    widgets: controlplane.Widgets, kind: str
) -> None:
    await widgets.create("one", size=1)
    apply = kind == "application/apply-patch+yaml"
    path = f"{widgets.path}/one?fieldManager=f{'&force=true' if apply else ''}"
    head = widgets.widget("one") if apply else {}
    for depth in (50, 120, 124, 130, 400, 900, 2_000):
        text = '{"a":' * depth + "1" + "}" * depth
        body = json.dumps({**head, "spec": "HERE"})
        if kind == "application/json-patch+json":
            body = '[{"op":"add","path":"/spec","value":"HERE"}]'
        raw = body.replace('"HERE"', text).encode()
        answer = await widgets.access.ask("PATCH", path, raw, kind=kind)
        assert answer.status < 500, (depth, answer.raw[:300])
        assert (answer.status == 200) == (depth < 125), (depth, answer.raw[:300])
    assert (await widgets.access.ask("GET", widgets.path)).status == 200


@embedded_only
async def test_a_patch_that_nests_step_by_step_is_refused(widgets: controlplane.Widgets) -> None:
    await widgets.create("one", size=1)
    path = f"{widgets.path}/one"
    patch: list[Any] = [{"op": "add", "path": "/spec", "value": nested(100)}]
    patch += [{"op": "add", "path": "/spec" + "/a" * 99, "value": nested(100)}]
    answer = await widgets.access.ask("PATCH", path, patch, kind=_PATCHES[1])
    assert answer.status == 422, answer.raw
    assert (await widgets.access.ask("GET", path)).body["spec"] == {"size": 1}


async def test_copies_of_copies_cannot_fill_the_memory(widgets: controlplane.Widgets) -> None:
    await widgets.create("one", size=1)
    patch: list[Any] = [{"op": "add", "path": "/spec", "value": {"a": "x" * 100}}]
    patch += [{"op": "copy", "from": "/spec", "path": f"/spec/a{n}"} for n in range(40)]
    answer = await widgets.access.ask("PATCH", f"{widgets.path}/one", patch, kind=_PATCHES[1])
    assert answer.status == 400, answer.raw
    assert "exceeding the limit" in answer.body["message"]
