"""Objects and lists to the form that the client accepts: JSON, YAML, a table, metadata only.

Called by `server` and `watches`. Plain JSON is put together from the stored bytes, so that a
list of thousands costs no parsing.
"""

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from aiohttp import web

from controller.local import (
    bodies,
    decoding,
    lists,
    objects,
    requests,
    resources,
    statuses,
    tables,
    wire,
)

Object = dict[str, Any]

JSON = "application/json"
YAML = "application/yaml"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclasses.dataclass(frozen=True)
class Form:
    """What a client accepts: a media type, and `as`: empty, Table, PartialObjectMetadata[List]."""

    media: str
    shape: str = ""


def accepted(header: str, shapes: Sequence[str] = ()) -> Form:
    """The first form of an Accept header that can be given. Raises ApiError."""
    for part in header.split(",") if header.strip() else [JSON]:
        media, *parameters = (text.strip() for text in part.split(";"))
        given = dict(text.partition("=")[::2] for text in parameters)
        if media in ("*/*", "application/*"):
            return Form(JSON)
        if media not in (JSON, YAML):
            continue
        if "as" not in given:
            return Form(media)
        if given["as"] in shapes and given.get("g") == "meta.k8s.io" and given.get("v") == "v1":
            return Form(media, given["as"])
    raise statuses.not_acceptable(decoding.ACCEPTED)


OBJECT_SHAPES = ("Table", "PartialObjectMetadata")
LIST_SHAPES = ("Table", "PartialObjectMetadataList")


def respond(
    body: Object | bytes, status: int = 200, media: str = JSON, warnings: Sequence[str] = ()
) -> web.Response:
    """A response of JSON (or the same in YAML) with its warnings."""
    raw = body if isinstance(body, bytes) else objects.encode(body)
    if media == YAML:
        raw = bodies.dump_yaml(bodies.parse_json(raw)[0])
    response = web.Response(body=raw, status=status, content_type=media)
    warn(response, warnings)
    return response


def warn(response: web.StreamResponse, warnings: Sequence[str]) -> None:
    """Put warnings into the head of a response."""
    for text in told(warnings):
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        response.headers.add("Warning", f'299 - "{quoted}"')


_MOST_WARNINGS: Final = 50
"""Clients take a hundred headers and no more; kube-apiserver does not look at that."""
_MOST_CHARACTERS: Final = 4 * 1024
_LONGEST_OF_MANY: Final = 256


def told(warnings: Iterable[str]) -> list[str]:
    """The warnings that are sent: each once, none with control characters, not too many.

    Of more than _MOST_CHARACTERS in all each is cut short, and the last ones are left out.
    """
    fit = [text for text in dict.fromkeys(warnings) if text and not _CONTROL.search(text)]
    fit = fit[:_MOST_WARNINGS]
    if sum(map(len, fit)) <= _MOST_CHARACTERS:
        return fit
    cut = [text[:_LONGEST_OF_MANY] for text in fit]
    lengths = itertools.accumulate(map(len, cut), initial=0)
    return [text for text, before in zip(cut, lengths, strict=False) if before < _MOST_CHARACTERS]


class Presenter:
    """Puts objects into the accepted form."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def one(self, call: requests.Call, stored: objects.Stored, status: int = 200) -> web.Response:
        """One object."""
        form = accepted(call.accept, OBJECT_SHAPES)
        if not form.shape:
            raw = wire.whole(call.resource, stored)
            return respond(raw, status, form.media, call.warnings)
        body = wire.read(call.resource, stored)
        if form.shape == "Table":
            meta = {"resourceVersion": str(stored.version)}
            shown = self.table(call, [body], meta)
        else:
            shown = wire.partial(body)
        return respond(shown, status, form.media, call.warnings)

    def many(self, call: requests.Call, page: lists.Page) -> web.Response:
        """A list."""
        form = accepted(call.accept, LIST_SHAPES)
        resource = call.resource
        meta = page.metadata(resource.custom is not None and not form.shape)
        if not form.shape:
            raw = _joined(resource, meta, page.items)
            return respond(raw, 200, form.media, call.warnings)
        found = [wire.read(resource, stored) for stored in page.items]
        if form.shape == "Table":
            return respond(self.table(call, found, meta), 200, form.media, call.warnings)
        shown = {
            "kind": "PartialObjectMetadataList",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": meta,
            "items": [wire.partial(body) for body in found],
        }
        return respond(shown, 200, form.media, call.warnings)

    def table(self, call: requests.Call, found: list[Object], meta: Object) -> Object:
        """A Table of objects, with the columns of their kind."""
        include = call.query.text("includeObject") or "Metadata"
        if include not in ("Metadata", "Object", "None"):
            raise statuses.bad_request(f'unrecognized includeObject value: "{include}"')
        return tables.table(found, columns(call.resource), meta, include, self._clock())


def columns(resource: resources.Resource) -> Sequence[tables.Column]:
    """The columns of a resource's tables."""
    if resource.custom is not None:
        return tables.columns_of(resource.custom)
    return tables.BUILT_IN[f"{resource.group}/{resource.kind}"]


def _joined(resource: resources.Resource, meta: Object, items: Sequence[objects.Stored]) -> bytes:
    kind = resource.list_kind or f"{resource.kind}List"
    head = f'{{"apiVersion":"{resource.api_version}","items":['.encode()
    tail = f'],"kind":"{kind}","metadata":'.encode()
    body = b",".join(wire.item(resource, stored) for stored in items)
    return b"".join((head, body, tail, objects.encode(meta), b"}"))
