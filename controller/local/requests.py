"""One request, taken apart: what is asked of which resource, with which options.

`parse_path` and `Query` are called by `server` before anything else is looked at; the request
handlers see a `Call`. Reading bodies is in `decoding`. No state.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from controller.local import bodies, fielderrors, resources, statuses

Object = dict[str, Any]

_NUMBER = re.compile(r"[-+]?[0-9]+")
_DIGITS = len(str(bodies.INT64.start))
"""As many as the longest number of 64 bits has, with its sign."""

_LONGEST_MANAGER = 128
"""Bytes of the name of a field manager."""


@dataclasses.dataclass(frozen=True)
class Path:
    """`/apis/<group>/<version>/namespaces/<namespace>/<plural>/<name>/<subresource>`."""

    group: str
    version: str
    plural: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""


def parse_path(parts: list[str]) -> Path | None:
    """The path of a resource or an object; None if it is neither. Parts are decoded."""
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3 or not all(rest):
        return None
    return Path(group, version, rest[0], namespace, *rest[1:])


class Query:
    """The query parameters. Each property raises ApiError when its parameter makes no sense."""

    def __init__(self, found: Mapping[str, str]) -> None:
        self._found = found

    def text(self, name: str) -> str:
        """A parameter, empty when missing."""
        return self._found.get(name, "")

    def flag(self, name: str) -> bool:
        """A boolean as Go reads it: there, and not `0` or `false`."""
        return name in self._found and self._found[name].lower() not in ("0", "f", "false")

    def number(self, name: str) -> int:
        """An int64; 0 when missing."""
        text = self.text(name)
        if not text:
            return 0
        if not _NUMBER.fullmatch(text):
            raise statuses.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
        # Of thousands of digits Python makes no number.
        if len(text) > _DIGITS or int(text) not in bodies.INT64:
            raise statuses.bad_request(f'strconv.ParseInt: parsing "{text}": value out of range')
        return int(text)

    @property
    def watch(self) -> bool:
        return self.flag("watch")

    def version(self) -> int | None:
        """`resourceVersion` of a read; None when missing."""
        text = self.text("resourceVersion")
        if not text:
            return None
        known = text.isascii() and text.isdigit()
        if not known or len(text) > _DIGITS:
            why = "value out of range" if known else "invalid syntax"
            message = (
                f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": '
                f"{why}"
            )
            raise statuses.ApiError(500, "", message)
        return int(text)

    def dry_run(self, options: str, body: Object | None = None) -> bool:
        """Whether nothing may be stored. `options` names the kind of options in errors."""
        text = self.text("dryRun") or ",".join((body or {}).get("dryRun") or ())
        if text not in ("", "All"):
            error = fielderrors.not_supported("dryRun", [text], ["All"])
            raise statuses.invalid("meta.k8s.io", options, "", [error])
        return text == "All"

    def validation(self, options: str) -> str:
        """`fieldValidation`: Strict, Warn or Ignore."""
        text = self.text("fieldValidation") or "Warn"
        if text not in ("Strict", "Warn", "Ignore"):
            supported = ["", "Ignore", "Strict", "Warn"]
            error = fielderrors.not_supported("fieldValidation", text, supported)
            raise statuses.invalid("meta.k8s.io", options, "", [error])
        return text

    def check_manager(self, options: str, apply: bool = False) -> None:
        """Refuse a `fieldManager` that is too long or cannot be printed, and `force` elsewhere."""
        manager, errors = self.text("fieldManager"), []
        if "force" in self._found and options == "PatchOptions" and not apply:
            detail = "may not be specified for non-apply patch"
            errors.append(fielderrors.forbidden("force", detail))
        if len(manager.encode()) > _LONGEST_MANAGER:
            errors.append(fielderrors.too_long("fieldManager", _LONGEST_MANAGER))
        for place, character in enumerate(manager):
            if not character.isprintable():
                detail = f"invalid character U+{ord(character):04X} (at position {place})"
                errors.append(fielderrors.invalid("fieldManager", manager, detail))
        if errors:
            raise statuses.invalid("meta.k8s.io", options, "", errors)

    def field_manager(self, agent: str) -> str:
        """Who writes: as named, else what can be printed of the first part of the User-Agent."""
        name = "".join(filter(str.isprintable, agent.partition("/")[0]))
        cut = name.encode()[:_LONGEST_MANAGER].decode(errors="ignore")
        return self.text("fieldManager") or cut or "unknown"


@dataclasses.dataclass
class Call:
    """A request for a resource that is served; `warnings` collects what to tell the client."""

    method: str
    path: Path
    resource: resources.Resource
    query: Query
    accept: str
    content_type: str
    agent: str
    raw: bytes = b""
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def key(self) -> str:
        """Where the named object is in its collection."""
        return self.resource.key(self.path.namespace, self.path.name)

    @property
    def on_status(self) -> bool:
        return self.path.subresource == "status"
