"""Recorded conversations with a server: what is compared, and how.

Used by the replay of tests/golden/kubernetes-1.36.jsonl, whose README says what a line means.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Object = dict[str, Any]

_MASKED = frozenset(
    {
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
        "time",
        "managedFields",
        "remainingItemCount",
        "serverAddress",
        "storageVersionHash",
    }
)

_TEXTS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uid>"),
    (re.compile(r"current: \d+"), "current: <version>"),
    (re.compile(r"in record \(\d+\)"), "in record (<version>)"),
    (re.compile(r"too old resource version: (\d+) \(\d+\)"), r"too old: \1 (<version>)"),
    (re.compile(r"gen-[a-z0-9]{5}"), "gen-<random>"),
    # What Go's parsers say of broken input is not promised to anybody.
    (re.compile(r"(json parse error|continue key is not valid|error decoding patch): .*"), r"\1"),
    (re.compile(r'patch: Invalid value: ".*}"', re.DOTALL), "patch: Invalid value: <object>"),
    (re.compile(r'^Invalid value: "\{.*}"', re.DOTALL), "Invalid value: <object>"),
)


def masked(value: Any, name: str = "") -> Any:
    """A value without what no two servers share."""
    if name in _MASKED and value:
        return f"<{name}>"
    if name == "lastTransitionTime" and value and not str(value).startswith("2026-01-01"):
        return "<time>"
    if name == "continue" and value:
        return "<continue>"
    if isinstance(value, dict):
        if name == "body" and len((value.get("details") or {}).get("causes") or ()) > 1:
            value = _unordered(value)
        return {key: masked(each, key) for key, each in value.items()}
    if isinstance(value, list):
        return [masked(each, "cell" if name == "cells" else "") for each in value]
    if isinstance(value, str):
        if name == "cell" and re.fullmatch(r"(\d+[smhdy])+", value):
            return "<age>"
        for pattern, text in _TEXTS:
            value = pattern.sub(text, value)
    return value


def _unordered(status: Object) -> Object:
    """A Status whose causes are sorted: kube-apiserver walks maps, whose order is random."""
    causes = sorted(status["details"]["causes"], key=lambda cause: str(sorted(cause.items())))
    message = status["message"]
    for cause in causes:
        message = message.replace(f"{cause.get('field')}: {cause['message']}", "<cause>")
    return status | {"details": status["details"] | {"causes": causes}, "message": message}


def differences(wanted: Any, found: Any, path: str) -> Iterator[str]:
    """Where two masked values differ: `path: wanted → found`."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in sorted(wanted.keys() | found.keys()):
            missing = object()
            one, other = wanted.get(key, missing), found.get(key, missing)
            place = f"{path}.{key}"
            if one is missing:
                yield f"{place}: nothing → {_short(other)}"
            elif other is missing:
                yield f"{place}: {_short(one)} → nothing"
            else:
                yield from differences(one, other, place)
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif wanted != found:
        yield f"{path}: {_short(wanted)} → {_short(found)}"


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) < 300 else text[:300] + " …"


def at(body: Any, path: str) -> str:
    """A value by its dotted path."""
    for part in path.split("."):
        body = body[part]
    return str(body)


def filled(text: str, captured: Mapping[str, str]) -> str:
    """A text with `$NAME` replaced; longer names first, because one may begin another."""
    for name in sorted(captured, key=len, reverse=True):
        text = text.replace(f"${name}", captured[name])
    return text
