"""What is particular to the built-in kinds: values filled in, fields kept, and their checks.

One small class per kind, looked up by `of`; custom resources have theirs too, driven by their
schema. Called by `writes` between decoding and storing. Texts and order follow
k8s.io/kubernetes/pkg/apis/core/validation. Pure.
"""

import base64
import copy
import re
from collections.abc import Iterator
from typing import Any

from controller.local import bodies, crd, fielderrors, metadata, resources
from controller.local.fielderrors import FieldError

Object = dict[str, Any]

DATA_LIMIT = 1024 * 1024
"""Bytes of all the values of a Secret or ConfigMap together."""


class Rules:
    """The rules of a kind that has none of its own."""

    naming: metadata.Naming = staticmethod(metadata.dns_subdomain)

    def prepare(self, new: Object, old: Object | None) -> None:
        """Fill in what the server sets; on an update restore what a client may not change."""

    def prepare_status(self, new: Object, old: Object) -> None:
        """Before a write to the subresource `status`: everything else stays as it was."""
        _keep_all_but("status", new, old)

    def check(self, _new: Object, _old: Object | None) -> list[FieldError]:
        """What is wrong, besides the metadata."""
        return []

    def check_all(
        self, new: Object, old: Object | None, found: list[FieldError]
    ) -> list[FieldError]:
        """All that is wrong: what was found in the metadata, and what `check` finds."""
        return [*found, *self.check(new, old)]


def _keep_all_but(name: str, new: Object, old: Object) -> None:
    """Let a write change one field alone, and who owns it."""
    value = new.pop(name, None)
    managed = new["metadata"].get("managedFields")
    new.clear()
    new.update(copy.deepcopy({key: each for key, each in old.items() if key != name}))
    if managed is not None:
        new["metadata"]["managedFields"] = managed
    if value is not None:
        new[name] = value


class Namespace(Rules):
    naming = staticmethod(metadata.dns_label)

    def prepare_finalize(self, new: Object, old: Object) -> None:
        """Before a write to the subresource `finalize`, which lets a namespace go."""
        _keep_all_but("spec", new, old)

    def prepare_status(self, new: Object, old: Object) -> None:
        super().prepare_status(new, old)
        # Whether it is being deleted is not for clients to say.
        new.setdefault("status", {})["phase"] = old["status"]["phase"]

    def prepare(self, new: Object, old: Object | None) -> None:
        if old is None:
            new["spec"] = {"finalizers": ["kubernetes"]}
            new["status"] = {"phase": "Active"}
        else:
            new["spec"], new["status"] = old["spec"], old["status"]
        labels = new["metadata"].setdefault("labels", {})
        labels["kubernetes.io/metadata.name"] = new["metadata"].get("name", "")


_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_KEY_TEXT = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name', "
    " or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)


def _check_key(key: str) -> list[str]:
    found = ["must be no more than 253 characters"] if len(key) > 253 else []
    if not _KEY.fullmatch(key):
        found.append(_KEY_TEXT)
    if key in (".", ".."):
        found.append(f"must not be '{key}'")
    elif key.startswith(".."):
        found.append("must not start with '..'")
    return found


def _check_data(new: Object, plain: str = "", encoded: str = "") -> list[FieldError]:
    """Errors of the keys and of the size of two fields, as text and in base64."""
    found, size = [], 0
    for name in filter(None, (plain, encoded)):
        for key, value in sorted((new.get(name) or {}).items()):
            found += [fielderrors.invalid(f"{name}[{key}]", key, why) for why in _check_key(key)]
            size += len(base64.b64decode(value)) if name == encoded else len(value.encode())
    if size > DATA_LIMIT:
        found.append(fielderrors.too_long(plain or encoded, DATA_LIMIT))
    return found


def _check_immutable(new: Object, old: Object | None, *names: str) -> list[FieldError]:
    if old is None or not old.get("immutable"):
        return []
    detail = "field is immutable when `immutable` is set"
    found = [fielderrors.forbidden("immutable", detail)] if not new.get("immutable") else []
    changed = (name for name in names if (new.get(name) or {}) != (old.get(name) or {}))
    return found + [fielderrors.forbidden(name, detail) for name in changed]


_KEYS_OF_TYPES = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
_ACCOUNT = "kubernetes.io/service-account.name"


def _check_secret_type(new: Object) -> Iterator[FieldError]:
    """What is missing that a Secret of its type must have."""
    kind, data = new["type"], new.get("data") or {}
    keys: tuple[str, ...] = _KEYS_OF_TYPES.get(kind, ())
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & data.keys():
        keys = ("username", "password")
    for key in keys:
        if key not in data or (kind == "kubernetes.io/ssh-auth" and not data[key]):
            yield fielderrors.required(f"data[{key}]")
        elif kind.startswith("kubernetes.io/docker"):
            yield from _check_docker(f"data[{key}]", base64.b64decode(data[key]))
    annotations = new["metadata"].get("annotations") or {}
    if kind == "kubernetes.io/service-account-token" and not annotations.get(_ACCOUNT):
        yield fielderrors.required(f"metadata.annotations[{_ACCOUNT}]")


def _check_docker(field: str, raw: bytes) -> Iterator[FieldError]:
    try:
        if isinstance(bodies.parse_json(raw)[0], dict):
            return
        why = "json: cannot unmarshal into Go value of type map[string]interface {}"
    except bodies.ParseError as error:
        why = str(error)
    yield fielderrors.invalid(field, "<secret contents redacted>", why)


class Secret(Rules):
    def prepare(self, new: Object, _old: Object | None) -> None:
        plain = new.pop("stringData", None) or {}
        encoded = {key: base64.b64encode(each.encode()).decode() for key, each in plain.items()}
        if encoded:
            new["data"] = (new.get("data") or {}) | encoded
        new.setdefault("type", "Opaque")

    def check(self, new: Object, old: Object | None) -> list[FieldError]:
        found = []
        if old is not None and new["type"] != old["type"]:
            found.append(fielderrors.invalid("type", new["type"], "field is immutable"))
        found += _check_immutable(new, old, "data")
        return found + _check_data(new, encoded="data") + list(_check_secret_type(new))


class ConfigMap(Rules):
    def check(self, new: Object, old: Object | None) -> list[FieldError]:
        both = sorted(set(new.get("data") or {}) & set(new.get("binaryData") or {}))
        detail = "duplicate of key present in binaryData"
        found = _check_immutable(new, old, "data", "binaryData")
        found += [fielderrors.invalid(f"data[{key}]", key, detail) for key in both]
        return found + _check_data(new, "data", "binaryData")


class Lease(Rules):
    def check(self, new: Object, _old: Object | None) -> list[FieldError]:
        spec, found = new.get("spec") or {}, []
        duration = spec.get("leaseDurationSeconds")
        if duration is not None and duration <= 0:
            detail = "must be greater than 0"
            found.append(fielderrors.invalid("spec.leaseDurationSeconds", duration, detail))
        transitions = spec.get("leaseTransitions")
        if transitions is not None and transitions < 0:
            detail = "must be greater than or equal to 0"
            found.append(fielderrors.invalid("spec.leaseTransitions", transitions, detail))
        return found


class Event(Rules):
    """Events are stored in the form of the core API."""

    def prepare(self, new: Object, _old: Object | None) -> None:
        for name in ("eventTime", "firstTimestamp", "lastTimestamp"):
            new.setdefault(name, None)
        for name in ("involvedObject", "source"):
            new.setdefault(name, {})
        for name in ("reportingComponent", "reportingInstance"):
            new.setdefault(name, "")

    def check(self, new: Object, _old: Object | None) -> list[FieldError]:
        involved, own = new["involvedObject"].get("namespace", ""), new["metadata"]["namespace"]
        if involved == own or (not involved and own == "default"):
            return []
        detail = "does not match event.namespace"
        return [fielderrors.invalid("involvedObject.namespace", involved, detail)]


class NewEvent(Event):
    """Events as written through events.k8s.io, which asks for more."""

    def check(self, new: Object, old: Object | None) -> list[FieldError]:
        found = super().check(new, old)
        if old is not None:
            return found
        if not new["eventTime"]:
            found.append(fielderrors.required("eventTime"))
        for name, field in (
            ("reportingController", "reportingComponent"),
            ("reportingInstance", "reportingInstance"),
            ("action", "action"),
            ("reason", "reason"),
        ):
            value = new.get(field, "")
            if not value:
                found.append(fielderrors.required(name))
            elif len(value) > 128:
                detail = "can have at most 128 characters"
                found.append(fielderrors.invalid(name, "", detail))
        if new.get("type") not in ("Normal", "Warning"):
            detail = f"has invalid value: {new.get('type', '')}"
            found.append(fielderrors.invalid("type", "", detail))
        if len(new.get("message", "")) > 1024:
            detail = "can have at most 1024 characters"
            found.append(fielderrors.invalid("message", "", detail))
        return found


class Definition(Rules):
    """CustomResourceDefinitions; their content is checked by `crd`."""

    def prepare_status(self, new: Object, old: Object) -> None:
        super().prepare_status(new, old)
        new["status"] = old["status"] | new.get("status", {})

    def prepare(self, new: Object, old: Object | None) -> None:
        crd.default(new)
        versions = new["spec"].get("versions") or ()
        stored = [each.get("name") for each in versions if each.get("storage")]
        if old is not None:
            before = old["status"].get("storedVersions") or []
            added = [name for name in stored if name not in before]
            new["status"] = {**old["status"], "storedVersions": [*before, *added]}
            return
        new["status"] = {
            "acceptedNames": {"kind": "", "plural": ""},
            "conditions": None,
            "storedVersions": stored,
        }

    def check(self, new: Object, old: Object | None) -> list[FieldError]:
        return crd.check(new, old)


class Custom(Rules):
    """A custom resource: its schema decides."""

    def __init__(self, resource: resources.Resource) -> None:
        self._resource = resource

    def prepare(self, new: Object, old: Object | None) -> None:
        if not self._resource.status:
            return
        new.pop("status", None)
        if old is not None and "status" in old:
            new["status"] = old["status"]

    def check_all(
        self, new: Object, old: Object | None, found: list[FieldError]
    ) -> list[FieldError]:
        return self._resource.schema.validate(new, old, found)


_RULES: dict[str, Rules] = {
    "/Namespace": Namespace(),
    "/Secret": Secret(),
    "/ConfigMap": ConfigMap(),
    "/Event": Event(),
    "events.k8s.io/Event": NewEvent(),
    "coordination.k8s.io/Lease": Lease(),
    "apiextensions.k8s.io/CustomResourceDefinition": Definition(),
}


def of(resource: resources.Resource) -> Rules:
    """The rules of a resource's kind."""
    if resource.custom is not None:
        return Custom(resource)
    return _RULES[f"{resource.group}/{resource.kind}"]
