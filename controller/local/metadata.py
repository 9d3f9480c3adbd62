"""Checks of an object's metadata, the same for every kind.

The HTTP server calls ``check`` on every create and update, and hands the result to the schema's
checks. Texts and order follow k8s.io/apimachinery/pkg/api/validation/objectmeta.go. What differs
by kind (the shape of names) is an argument; kinds themselves may not be named here.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from controller.local import fielderrors
from controller.local.fielderrors import FieldError

Object = Mapping[str, Any]
Naming = Callable[[str, bool], list[str]]
"""(name, is it only a prefix) → what is wrong with it."""

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_is_label = re.compile(_LABEL).fullmatch
_is_subdomain = re.compile(_SUBDOMAIN).fullmatch
_is_1035 = re.compile(_1035).fullmatch
_is_qualified = re.compile(_QUALIFIED).fullmatch
_is_label_value = re.compile(rf"({_QUALIFIED})?").fullmatch

# 256 KiB, for keys and values of all annotations together.
ANNOTATIONS_LIMIT = 256 * 1024


def _regex_error(text: str, pattern: str, *examples: str) -> str:
    given = " or ".join(f"'{example}', " for example in examples)[:-2]
    return f"{text} (e.g. {given}, regex used for validation is '{pattern}')"


_LABEL_ERROR = _regex_error(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character",
    _LABEL,
    "my-name",
    "123-abc",
)
_SUBDOMAIN_ERROR = _regex_error(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
_1035_ERROR = _regex_error(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character",
    _1035,
    "my-name",
    "abc-123",
)
_QUALIFIED_ERROR = _regex_error(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character",
    _QUALIFIED,
    "MyName",
    "my.name",
    "123-abc",
)
_LABEL_VALUE_ERROR = _regex_error(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character",
    f"({_QUALIFIED})?",
    "MyValue",
    "my_value",
    "12345",
)


def _length_error(most: int) -> str:
    return f"must be no more than {most} characters"


def dns_label(name: str, prefix: bool = False) -> list[str]:
    """What is wrong with a name that must be an RFC 1123 label (namespaces)."""
    found = [_length_error(63)] if len(name) > 63 else []
    if not _is_label(_masked(name, prefix)):
        found.append(_LABEL_ERROR)
    return found


def dns_subdomain(name: str, prefix: bool = False) -> list[str]:
    """What is wrong with a name that must be an RFC 1123 subdomain (nearly all kinds)."""
    found = [_length_error(253)] if len(name) > 253 else []
    if not _is_subdomain(_masked(name, prefix)):
        found.append(_SUBDOMAIN_ERROR)
    return found


def path_segment(name: str, prefix: bool = False) -> list[str]:
    """What is wrong with a name of which only a path is asked (resources in others)."""
    found = [f"may not be '{name}'"] if name in (".", "..") and not prefix else []
    return found + [f"may not contain '{part}'" for part in "/%" if part in name]


def _masked(name: str, prefix: bool) -> str:
    # A generateName may end in a dash: the generated part follows it.
    return name[:-1] + "a" if prefix and len(name) > 1 and name.endswith("-") else name


def dns_1035(name: str) -> list[str]:
    """What is wrong with a name that must be an RFC 1035 label (names in CRDs)."""
    found = [_length_error(63)] if len(name) > 63 else []
    if not _is_1035(name):
        found.append(_1035_ERROR)
    return found


def qualified_name(name: str) -> list[str]:
    """What is wrong with the key of a label, an annotation or a finalizer."""
    prefix, slash, rest = name.partition("/")
    if "/" in rest:
        optional = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a qualified name {_QUALIFIED_ERROR} {optional}"]
    found = []
    if slash:
        wrong = ["must be non-empty"] if not prefix else dns_subdomain(prefix)
        found += [f"prefix part {text}" for text in wrong]
    part = rest if slash else name
    if not part:
        found.append("name part must be non-empty")
    elif len(part) > 63:
        found.append(f"name part {_length_error(63)}")
    if not _is_qualified(part):
        found.append(f"name part {_QUALIFIED_ERROR}")
    return found


def label_value(value: str) -> list[str]:
    """What is wrong with the value of a label."""
    found = [_length_error(63)] if len(value) > 63 else []
    if not _is_label_value(value):
        found.append(_LABEL_VALUE_ERROR)
    return found


def check_type(obj: Object, api_version: str, kind: str) -> list[FieldError]:
    """Errors when the object says that it is of another kind or version than is asked for."""
    found = []
    if obj.get("kind") != kind:
        found.append(fielderrors.invalid("kind", obj.get("kind", ""), f"must be {kind}"))
    if obj.get("apiVersion") != api_version:
        given = obj.get("apiVersion", "")
        found.append(fielderrors.invalid("apiVersion", given, f"must be {api_version}"))
    return found


def check(
    obj: Object, old: Object | None, namespaced: bool, naming: Naming = dns_subdomain
) -> list[FieldError]:
    """Errors of the metadata of an object to create (``old`` None) or to replace ``old``.

    Metadata is expected to be a JSON object whose fields have the right JSON types (the server
    answers 400 before otherwise). An update's errors come twice, as from a real API server, which
    checks the metadata for the generic and for the kind's own strategy; the message shows one.
    """
    meta = obj.get("metadata") or {}
    if old is not None:
        return 2 * _check_update(meta, old.get("metadata") or {})
    found = _check_name(meta, naming) + _check_namespace(meta, namespaced)
    if (meta.get("generation") or 0) < 0:
        found.append(_negative("metadata.generation", meta["generation"]))
    return found + _check_maps(meta) + _check_finalizers(meta)


def _check_name(meta: Object, naming: Naming) -> list[FieldError]:
    found = []
    generate, name = meta.get("generateName") or "", meta.get("name") or ""
    if generate:
        found += _invalid("metadata.generateName", generate, naming(generate, True))
    if not name:
        found.append(fielderrors.required("metadata.name", "name or generateName is required"))
        return found
    return found + _invalid("metadata.name", name, naming(name, False))


def _invalid(field: str, value: str, wrong: Iterable[str]) -> list[FieldError]:
    return [fielderrors.invalid(field, value, text) for text in wrong]


def _check_namespace(meta: Object, namespaced: bool) -> list[FieldError]:
    namespace = meta.get("namespace") or ""
    if not namespaced:
        if namespace:
            return [fielderrors.forbidden("metadata.namespace", "not allowed on this type")]
        return []
    if not namespace:
        return [fielderrors.required("metadata.namespace")]
    return _invalid("metadata.namespace", namespace, dns_label(namespace))


def _check_maps(meta: Object) -> list[FieldError]:
    found = []
    for key, value in sorted((meta.get("labels") or {}).items()):
        found += _invalid("metadata.labels", key, qualified_name(key))
        found += _invalid("metadata.labels", value, label_value(value))
    size = 0
    for key, value in sorted((meta.get("annotations") or {}).items()):
        size += len(key.encode()) + len(value.encode())
        # The name part of an annotation may have upper case letters in its prefix too.
        found += _invalid("metadata.annotations", key, qualified_name(key.lower()))
    if size > ANNOTATIONS_LIMIT:
        found.append(fielderrors.too_long("metadata.annotations", ANNOTATIONS_LIMIT))
    return found + _check_owners(meta.get("ownerReferences") or [])


def _check_owners(owners: Iterable[Object]) -> list[FieldError]:
    found, controllers = [], []
    for owner in owners:
        field = "metadata.ownerReferences"
        version, _, rest = (owner.get("apiVersion") or "").partition("/")
        if not (rest or version):
            detail = "version must not be empty"
            found.append(fielderrors.invalid(f"{field}.apiVersion", "", detail))
        missing = [name for name in ("kind", "name", "uid") if not owner.get(name)]
        found += [fielderrors.invalid(f"{field}.{n}", "", "must not be empty") for n in missing]
        if owner.get("apiVersion") == "v1" and owner.get("kind") == "Event":
            detail = "/v1, Kind=Event is disallowed from being an owner"
            found.append(fielderrors.invalid(field, dict(owner), detail))
        if owner.get("controller"):
            controllers.append(owner)
    for other in controllers[1:]:
        first, second = (f"{o.get('kind')}/{o.get('name')}" for o in (controllers[0], other))
        detail = (
            "Only one reference can have Controller set to true. "
            f'Found "true" in references for {first} and {second}'
        )
        found.append(fielderrors.invalid("metadata.ownerReferences", list(owners), detail))
    return found


def _check_finalizers(meta: Object) -> list[FieldError]:
    finalizers = meta.get("finalizers") or []
    field, found = "metadata.finalizers", []
    for name in finalizers:
        found += _invalid(field, name, qualified_name(name))
    if "orphan" in finalizers and "foregroundDeletion" in finalizers:
        detail = "finalizer orphan and foregroundDeletion cannot be both set"
        found.append(fielderrors.invalid(field, finalizers, detail))
    return found


def _negative(field: str, value: int) -> FieldError:
    return fielderrors.invalid(field, value, "must be greater than or equal to 0")


_IMMUTABLE = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


def _check_update(meta: Object, old: Object) -> list[FieldError]:
    found = []
    if old.get("deletionTimestamp"):
        found += _check_new_finalizers(meta, old)
    if not meta.get("resourceVersion"):
        detail = "must be specified for an update"
        found.append(fielderrors.invalid("metadata.resourceVersion", "", detail))
    if (meta.get("generation") or 0) < (old.get("generation") or 0):
        detail = "must not be decremented"
        found.append(fielderrors.invalid("metadata.generation", meta.get("generation", 0), detail))
    for name in _IMMUTABLE:
        # Clients may leave these out (the server fills them in before), but not change them.
        if meta.get(name) != old.get(name):
            found.append(
                fielderrors.invalid(f"metadata.{name}", meta.get(name), "field is immutable")
            )
    return found + _check_maps(meta)


def _check_new_finalizers(meta: Object, old: Object) -> list[FieldError]:
    before = old.get("finalizers") or []
    new = [name for name in meta.get("finalizers") or [] if name not in before]
    if not new:
        return []
    listed = ", ".join(fielderrors.quoted(name) for name in sorted(new))
    detail = (
        "no new finalizers can be added if the object is being deleted, "
        f"found new finalizers []string{{{listed}}}"
    )
    return [fielderrors.forbidden("metadata.finalizers", detail)]
