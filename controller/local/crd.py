"""CustomResourceDefinitions: defaults, checks, and the status that makes one established.

The HTTP server calls ``default`` and ``check`` on every write of one, ``established`` after it.
Texts and order follow k8s.io/apiextensions-apiserver; schemas are crdschemas' business. Where all
versions say the same of something, a real API server tells errors of it without the version's
place (``spec.validation``, ``spec.selectableFields``), and so does this.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from controller.local import crdschemas, fielderrors, jsonpaths, metadata
from controller.local.fielderrors import FieldError

Object = dict[str, Any]

_APPROVED: Final = "api-approved.kubernetes.io"
_PROTECTED: Final = (".k8s.io", ".kubernetes.io")
_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS: Final = (
    *("byte", "date", "date-time", "double", "float", "int32", "int64", "password"),
)
_MOST_SELECTABLE: Final = 8


def default(crd: Object) -> None:
    """Fills in what a client may leave out, in place."""
    spec = crd.setdefault("spec", {})
    names = spec.setdefault("names", {})
    kind = names.get("kind") or ""
    if kind and not names.get("singular"):
        names["singular"] = kind.lower()
    if kind and not names.get("listKind"):
        names["listKind"] = f"{kind}List"
    conversion = spec.setdefault("conversion", {})
    conversion.setdefault("strategy", "None")


def established(crd: Object, now: str) -> None:
    """Accepts the names and sets the conditions, in place; ``now`` as it stands in an object."""
    status = crd.setdefault("status", {})
    status["acceptedNames"] = dict(crd["spec"]["names"])
    conditions = {entry["type"]: entry for entry in status.get("conditions") or ()}
    for name, reason, message in (
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ):
        if conditions.get(name, {}).get("status") != "True":
            conditions[name] = {
                "type": name,
                "status": "True",
                "lastTransitionTime": now,
                "reason": reason,
                "message": message,
            }
    status["conditions"] = list(conditions.values())


def check(crd: Object, old: Object | None) -> list[FieldError]:
    """All errors of a defaulted CRD, besides those of its metadata; ``old`` on an update."""
    spec = crd["spec"]
    found = list(_check_name(crd, spec)) if old is None else []
    found += _check_spec(spec)
    found += _check_names(spec["names"])
    found += _check_versions(spec)
    if old is not None:
        found += _check_immutable(spec, old)
    found += _check_stored(crd)
    return found


def _check_name(crd: Object, spec: Object) -> Iterator[FieldError]:
    meta = crd["metadata"]
    group = spec.get("group") or ""
    if meta.get("name") != f"{spec['names'].get('plural') or ''}.{group}":
        detail = 'must be spec.names.plural+"."+spec.group'
        yield fielderrors.invalid("metadata.name", meta.get("name", ""), detail)
    if f".{group}".endswith(_PROTECTED) and not (meta.get("annotations") or {}).get(_APPROVED):
        detail = (
            f'protected groups must have approval annotation "{_APPROVED}", see '
            "https://github.com/kubernetes/enhancements/pull/1111"
        )
        yield fielderrors.required(f"metadata.annotations[{_APPROVED}]", detail)


def _check_spec(spec: Object) -> Iterator[FieldError]:
    group, scope = spec.get("group") or "", spec.get("scope") or ""
    if not group:
        yield fielderrors.required("spec.group")
    elif wrong := metadata.dns_subdomain(group):
        yield fielderrors.invalid("spec.group", group, ",".join(wrong))
    elif "." not in group:
        detail = "should be a domain with at least one dot"
        yield fielderrors.invalid("spec.group", group, detail)
    if not scope:
        yield fielderrors.required("spec.scope")
    elif scope not in ("Cluster", "Namespaced"):
        yield fielderrors.not_supported("spec.scope", scope, ("Cluster", "Namespaced"))
    if spec.get("preserveUnknownFields"):
        detail = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
            "spec.versions[*].schema instead"
        )
        yield fielderrors.invalid("spec.preserveUnknownFields", True, detail)
    strategy = (spec.get("conversion") or {}).get("strategy")
    if strategy != "None":
        # Kubernetes knows Webhook too: there is nobody here to call one.
        yield fielderrors.not_supported("spec.conversion.strategy", strategy, ("None",))


def _check_names(names: Mapping[str, Any]) -> Iterator[FieldError]:
    for name in ("plural", "singular", "kind", "listKind"):
        if not names.get(name):
            yield fielderrors.required(f"spec.names.{name}")
    for name in ("plural", "singular"):
        value = names.get(name)
        if value and (wrong := metadata.dns_1035(value)):
            yield fielderrors.invalid(f"spec.names.{name}", value, ",".join(wrong))
    for name in ("kind", "listKind"):
        value = names.get(name)
        if value and (wrong := metadata.dns_1035(value.lower())):
            detail = "may have mixed case, but should otherwise match: " + ",".join(wrong)
            yield fielderrors.invalid(f"spec.names.{name}", value, detail)
    if names.get("kind") and names["kind"] == names.get("listKind"):
        detail = "kind and listKind may not be the same"
        yield fielderrors.invalid("spec.names.listKind", names["listKind"], detail)
    yield from _check_other_names(names)


def _check_other_names(names: Mapping[str, Any]) -> Iterator[FieldError]:
    for name in ("shortNames", "categories"):
        for index, value in enumerate(names.get(name) or ()):
            if wrong := metadata.dns_1035(value):
                yield fielderrors.invalid(f"spec.names.{name}[{index}]", value, ",".join(wrong))


def _check_versions(spec: Object) -> Iterator[FieldError]:
    versions: Sequence[Object] = spec.get("versions") or []
    for index, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            yield fielderrors.required(f"spec.versions[{index}].schema.openAPIV3Schema")
    for index, version in enumerate(versions):
        if wrong := metadata.dns_1035(version.get("name") or ""):
            where = f"spec.versions[{index}].name"
            yield fielderrors.invalid(where, version.get("name") or "", ",".join(wrong))
    names = [version.get("name") for version in versions]
    if len(set(names)) < len(names):
        detail = "must contain unique version names"
        yield fielderrors.invalid("spec.versions", names, detail)
    if sum(bool(version.get("storage")) for version in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        yield fielderrors.invalid("spec.versions", names, detail)
    yield from _per_version(versions, "schema", "validation", _check_schema)
    yield from _per_version(versions, "subresources", "subresources", _check_subresources)
    columns = "additionalPrinterColumns"
    yield from _per_version(versions, columns, columns, _check_columns)
    yield from _per_version(versions, "selectableFields", "selectableFields", _check_selectable)


_Check = Callable[[Any, str, Object], Iterator[FieldError]]


def _per_version(
    versions: Sequence[Object], name: str, at_top: str, check_one: _Check
) -> Iterator[FieldError]:
    if not versions:
        return
    if all(version.get(name) == versions[0].get(name) for version in versions):
        if versions[0].get(name):
            yield from check_one(versions[0][name], f"spec.{at_top}", versions[0])
        return
    for index, version in enumerate(versions):
        if version.get(name):
            yield from check_one(version[name], f"spec.versions[{index}].{name}", version)


def _check_schema(given: Object, path: str, _version: Object) -> Iterator[FieldError]:
    schema = given.get("openAPIV3Schema")
    if schema:
        yield from crdschemas.check(schema, f"{path}.openAPIV3Schema")


def _check_subresources(given: Object, path: str, _version: Object) -> Iterator[FieldError]:
    if given.get("scale") is not None:
        # Kubernetes serves it: nothing that this control plane is for scales by it.
        yield fielderrors.forbidden(f"{path}.scale", "the scale subresource is not served here")


def _check_columns(given: Sequence[Object], path: str, _version: Object) -> Iterator[FieldError]:
    for index, column in enumerate(given):
        where = f"{path}[{index}]"
        if not column.get("name"):
            yield fielderrors.required(f"{where}.name")
        kind, form, found = (column.get(name) or "" for name in ("type", "format", "jsonPath"))
        types = f"must be one of {','.join(_COLUMN_TYPES)}"
        if not kind:
            yield fielderrors.required(f"{where}.type", types)
        elif kind not in _COLUMN_TYPES:
            yield fielderrors.invalid(f"{where}.type", kind, types)
        if form and form not in _COLUMN_FORMATS:
            detail = f"must be one of {','.join(_COLUMN_FORMATS)}"
            yield fielderrors.invalid(f"{where}.format", form, detail)
        yield from _check_path(found, f"{where}.jsonPath")


def _check_path(path: str, where: str) -> Iterator[FieldError]:
    if not path:
        yield fielderrors.required(where)
    elif not path.startswith("."):
        yield fielderrors.invalid(where, path, "must be a simple json path starting with .")
    else:
        try:
            jsonpaths.compiled(path)
        except jsonpaths.PathError as error:
            yield fielderrors.invalid(where, path, f"is an invalid path: {error}")


def _check_selectable(given: Sequence[Object], path: str, version: Object) -> Iterator[FieldError]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema")
    if not schema:
        detail = "may only be set when validations.schema is included"
        yield fielderrors.invalid(path, "", detail)
        return
    if len(given) > _MOST_SELECTABLE:
        yield fielderrors.too_many(path, len(given), _MOST_SELECTABLE)
    seen: set[str] = set()
    for index, entry in enumerate(given):
        where, selected = f"{path}[{index}].jsonPath", entry.get("jsonPath") or ""
        if not selected:
            yield fielderrors.required(where)
        elif selected in seen:
            yield fielderrors.duplicate(where, selected)
        else:
            yield from _check_selected(selected, where, schema)
        seen.add(selected)


def _check_selected(path: str, where: str, schema: Any) -> Iterator[FieldError]:
    names = path.removeprefix(".").split(".")
    if names[0] == "metadata":
        yield fielderrors.invalid(where, path, "must not point to fields in metadata")
        return
    for name in names:
        schema = ((schema or {}).get("properties") or {}).get(name)
    if schema is None:
        detail = "is an invalid path: does not refer to a valid field"
        yield fielderrors.invalid(where, path, detail)
    elif schema.get("type") not in ("string", "boolean", "integer"):
        detail = (
            "must point to a field of type string, boolean or integer. Enum string fields and "
            "strings with formats are allowed."
        )
        yield fielderrors.invalid(where, path, detail)


def _check_immutable(spec: Object, old: Object) -> Iterator[FieldError]:
    before, fixed = old["spec"], [("group",), ("names", "plural")]
    conditions = (old.get("status") or {}).get("conditions") or ()
    if any(c.get("type") == "Established" and c.get("status") == "True" for c in conditions):
        fixed = [("scope",), ("names", "kind"), *fixed]
    for path in fixed:
        value, was = spec, before
        for name in path:
            value, was = value.get(name) or {}, was.get(name) or {}
        if value != was:
            where = ".".join(("spec", *path))
            yield fielderrors.invalid(where, value or "", "field is immutable")


def _check_stored(crd: Object) -> Iterator[FieldError]:
    names = {version.get("name") for version in crd["spec"].get("versions") or ()}
    stored = (crd.get("status") or {}).get("storedVersions") or ()
    for index, name in enumerate(stored):
        if name not in names:
            detail = (
                f"missing from spec.versions; {name} was previously a storage version, and must "
                "remain in spec.versions until a storage migration ensures no data remains "
                f"persisted in {name} and removes {name} from status.storedVersions"
            )
            yield fielderrors.invalid(f"status.storedVersions[{index}]", name, detail)
