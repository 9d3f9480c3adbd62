"""A request's body to an object of the resource: parsed, of the right kind, unknown fields gone.

What is unknown or stands twice is an error, a warning or nothing, as `fieldValidation` says.
Called by `writes`. The words are kube-apiserver's.
"""

from collections.abc import Sequence
from typing import Any

from controller.local import (
    bodies,
    fielderrors,
    gotypes,
    metadata,
    protobuf,
    requests,
    resources,
    statuses,
    typed,
)

Object = dict[str, Any]

PROTOBUF = "application/vnd.kubernetes.protobuf"

ACCEPTED = ("application/json", "application/yaml", PROTOBUF)
"""What kube-apiserver names in its errors. Here protobuf is read, for built-in kinds, not sent."""

_GO_TYPE = (
    'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
    'Kind string "json:\\"kind,omitempty\\"" }'
)


def media_type(header: str) -> str:
    """A Content-Type without its parameters."""
    return header.partition(";")[0].strip().lower()


def read(call: requests.Call, options: str) -> Object:
    """The object in the body of a create or update. Raises ApiError."""
    validation = call.query.validation(options)
    value, duplicates = _parse(call)
    _check_type(call.resource, value)
    try:
        body, unknown = clean(call.resource, value)
    except typed.MismatchError as error:
        raise statuses.bad_request(_cannot(call.resource, str(error))) from None
    problems = _problems(duplicates, unknown)
    if problems and validation == "Strict":
        text = "strict decoding error: " + ", ".join(problems)
        raise statuses.bad_request(_cannot(call.resource, text))
    if validation == "Warn":
        call.warnings.extend(problems)
    return body


def clean(resource: resources.Resource, value: Object) -> tuple[Object, list[str]]:
    """An object without what its kind does not have, and what that was. Raises MismatchError."""
    unknown: list[str] = []
    if resource.custom is None:
        check = gotypes.of_kind(resource.group, resource.kind)
        body: Object = check(value, (resource.kind, ""), unknown)
        body.setdefault("metadata", {})
    else:
        place = ("ObjectMeta.metadata", "metadata")
        found = typed.METADATA(value.get("metadata") or {}, place, unknown)
        body = value | {"metadata": found}
        unknown += resource.schema.prune(body)
    body["kind"] = value.get("kind") or resource.kind
    body["apiVersion"] = resource.api_version
    return body, unknown


def _cannot(resource: resources.Resource, why: str) -> str:
    kind = resource.kind
    return f'{kind} in version "{resource.version}" cannot be handled as a {kind}: {why}'


def _problems(duplicates: Sequence[str], unknown: Sequence[str]) -> list[str]:
    return [f'duplicate field "{path}"' for path in duplicates] + [
        f'unknown field "{path}"' for path in unknown
    ]


def _parse(call: requests.Call) -> tuple[Object, Sequence[str]]:
    kind = media_type(call.content_type) or "application/json"
    if kind == PROTOBUF:
        return _parse_protobuf(call), ()
    if kind not in ("application/json", "application/yaml"):
        raise statuses.unsupported_media_type(ACCEPTED)
    duplicates: Sequence[str] = ()
    try:
        if kind == "application/json":
            value, duplicates = bodies.parse_json(call.raw)
        else:
            value = bodies.parse_yaml(call.raw)
    except bodies.ParseError as error:
        raise _unrecognized(call, f"json parse error: {error}") from None
    if not isinstance(value, dict):
        names = {list: "array", str: "string", bool: "bool", type(None): "null"}
        kind = names.get(type(value), "number")
        text = f"json: cannot unmarshal {kind} into Go value of type {_GO_TYPE}"
        raise _unrecognized(call, f"json parse error: {text}")
    return value, duplicates


def _parse_protobuf(call: requests.Call) -> Object:
    try:
        found = protobuf.parse(call.raw)
    except protobuf.FormatError as error:
        raise _unrecognized(call, str(error)) from None
    if found is None:
        raise statuses.unsupported_media_type(ACCEPTED[:2])
    return found


def _unrecognized(call: requests.Call, why: str) -> statuses.ApiError:
    kind, raw = call.resource.kind, call.raw
    if not raw:
        shown = "<empty>"
    elif raw[:1] == b"{":
        shown = raw[:30].decode(errors="replace") + (" ..." if len(raw) > 30 else "")
    else:
        shown = raw[:30].hex() + (" ..." if len(raw) > 30 else "")
    return statuses.bad_request(
        f"the object provided is unrecognized (must be of type {kind}): "
        f"couldn't get version/kind; {why} ({shown})"
    )


def _check_type(resource: resources.Resource, value: Object) -> None:
    version, kind = value.get("apiVersion"), value.get("kind")
    if resource.custom is None:
        version, kind = version or resource.api_version, kind or resource.kind
    if not kind or not isinstance(kind, str):
        raise statuses.bad_request("Object 'Kind' is missing in the body of the request")
    if version != resource.api_version:
        raise statuses.bad_request(
            f"the API version in the data ({version or ''}) does not match the expected API "
            f"version ({resource.api_version})"
        )
    if kind == resource.kind:
        return
    if resource.custom is None:
        why = f"the kind in the data ({kind}) does not match the expected kind ({resource.kind})"
        raise statuses.bad_request(_cannot(resource, why))
    meta = value.get("metadata")
    name = meta.get("name") if isinstance(meta, dict) else None
    name = name if isinstance(name, str) else ""
    errors = metadata.check_type(value, resource.api_version, resource.kind)
    raise statuses.invalid(resource.group, kind, name, errors)


def check_patched(call: requests.Call, patched: Object, shown: str) -> Object:
    """The same for the result of a patch; `shown` is its JSON, for errors."""
    validation = call.query.validation("PatchOptions")
    try:
        body, unknown = clean(call.resource, patched)
    except typed.MismatchError as error:
        raise statuses.invalid_patch(shown, str(error)) from None
    problems = _problems((), unknown)
    if problems and validation == "Strict":
        text = "strict decoding error: " + ", ".join(problems)
        raise statuses.invalid_patch(shown, text)
    if validation == "Warn":
        call.warnings.extend(problems)
    return body


def check_apply(call: requests.Call, value: Any) -> Object:
    """The same for the configuration of a server-side apply."""
    resource = call.resource
    if not isinstance(value, dict):
        raise statuses.bad_request("error decoding YAML: the body is no object")
    version, kind = value.get("apiVersion"), value.get("kind")
    if version != resource.api_version or kind != resource.kind:
        raise statuses.bad_request(
            f"Incorrect version specified in apply patch. Specified patch version: {version}/"
            f"{kind}, expected: {resource.api_version}/{resource.kind}"
        )
    try:
        found, unknown = clean(resource, value)
    except typed.MismatchError as error:
        raise statuses.bad_request(_cannot(resource, str(error))) from None
    if found["metadata"].pop("managedFields", None):
        raise statuses.bad_request("metadata.managedFields must be nil")
    validation = call.query.validation("PatchOptions")
    problems = _problems((), unknown)
    if problems and validation == "Strict":
        text = "strict decoding error: " + ", ".join(problems)
        raise statuses.bad_request(_cannot(resource, text))
    if validation == "Warn":
        call.warnings.extend(problems)
    return found


def required_manager() -> statuses.ApiError:
    """422 for an apply that does not say who applies."""
    error = fielderrors.required("fieldManager", "is required for apply patch")
    return statuses.invalid("meta.k8s.io", "PatchOptions", "", [error])
