"""From an HTTP request to the part that answers it: authentication, paths, verbs, errors.

One handler for every path of the Kubernetes API. Called by aiohttp; put together by `server`.
"""

import hmac
import logging
import urllib.parse
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from controller.local import (
    answers,
    bodies,
    decoding,
    deletes,
    discovery,
    lists,
    objects,
    openapi,
    requests,
    resources,
    reviews,
    statuses,
    storage,
    watches,
    writes,
)

Object = dict[str, Any]

_log = logging.getLogger(__name__)

_HEALTH = ("/healthz", "/readyz", "/livez")


class Routes:
    """The handler and what it hands requests to."""

    def __init__(
        self,
        store: objects.Objects,
        catalogue: resources.Catalogue,
        token: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._objects = store
        self._catalogue = catalogue
        self._token = token
        self._clock = clock
        self._presenter = answers.Presenter(clock)
        self._writer = writes.Writer(store, clock)
        self.deleter = deletes.Deleter(store, clock)
        self._documents = openapi.Documents(catalogue)
        self.watches = watches.Watches(store, self._presenter)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer any request."""
        try:
            return await self._answer(request)
        except statuses.ApiError as error:
            response = answers.respond(error.body(), error.code)
            response.headers.update(error.headers)
            return response
        except statuses.PageNotFound:
            return web.Response(text="404 page not found\n", status=404)
        except storage.StorageError as error:
            _log.error("a write was refused: %s", error)
            refusal = statuses.ApiError(500, "InternalError", f"Internal error: {error}")
            return answers.respond(refusal.body(), 500)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if path in _HEALTH or path.startswith(tuple(f"{each}/" for each in _HEALTH)):
            return web.Response(text="ok")
        self._authenticate(request)
        parts = [urllib.parse.unquote(part) for part in path.strip("/").split("/")]
        where = requests.parse_path(parts)
        if where is not None:
            return await self._serve(request, where)
        if request.method not in ("GET", "HEAD"):
            raise statuses.PageNotFound
        return self._discover(request, parts)

    def _authenticate(self, request: web.Request) -> None:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        # A header may hold bytes that are no UTF-8; they are compared like any others.
        sent = given.strip().encode(errors="surrogateescape")
        if scheme.lower() != "bearer" or not hmac.compare_digest(sent, self._token.encode()):
            raise statuses.ApiError(401, "Unauthorized", "Unauthorized")

    def _discover(self, request: web.Request, parts: list[str]) -> web.Response:
        accept = request.headers.get("Accept", "")
        media = discovery.aggregated_type(accept)
        found: Object | None = None
        match parts:
            case ["version"]:
                found = discovery.VERSION
            case ["api" | "apis" as root] if media:
                found = discovery.aggregated(self._catalogue, root == "api", media)
                return web.Response(body=objects.encode(found), headers={"Content-Type": media})
            case ["api"]:
                found = discovery.versions(request.host)
            case ["apis"]:
                found = discovery.group_list(self._catalogue)
            case ["api", version]:
                found = discovery.resource_list(self._catalogue, "", version)
            case ["apis", group]:
                found = discovery.group(self._catalogue, group)
            case ["apis", group, version]:
                found = discovery.resource_list(self._catalogue, group, version)
            case ["openapi", *rest]:
                return self._document(request, rest)
        if found is None:
            raise statuses.PageNotFound
        return answers.respond(found, 200, answers.accepted(accept).media)

    def _document(self, request: web.Request, path: list[str]) -> web.Response:
        """An OpenAPI document; a client that has it already is told so."""
        found = self._documents.answer(path, request.headers.get("Accept", ""))
        if found is None:
            raise statuses.PageNotFound
        # kube-apiserver calls the index text, and its documents JSON.
        media = "text/plain; charset=utf-8" if path == ["v3"] else found.media
        headers = {"Content-Type": media, "ETag": f'"{found.hash}"'}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        return web.Response(body=found.body, headers=headers)

    async def _serve(self, request: web.Request, path: requests.Path) -> web.StreamResponse:
        resource = self._catalogue.get(path.group, path.version, path.plural)
        if resource is None:
            if path.group in self._catalogue.groups() and not self._catalogue.is_custom(path.group):
                raise statuses.no_such_resource()
            raise statuses.PageNotFound
        if path.subresource and path.subresource not in resource.subresources:
            raise statuses.no_such_resource()
        if path.name and path.namespace == "" and resource.namespaced:
            raise statuses.no_such_resource()
        call = requests.Call(
            method=request.method,
            path=path,
            resource=resource,
            query=requests.Query(request.query),
            accept=request.headers.get("Accept", ""),
            content_type=request.headers.get("Content-Type", ""),
            agent=request.headers.get("User-Agent", ""),
            warnings=[resource.warning] if resource.warning else [],
        )
        if request.method in ("POST", "PUT", "PATCH", "DELETE"):
            call.raw = await _body(request)
        if not resource.collection:
            return self._review(call)
        if request.method in ("GET", "HEAD") and call.query.watch:
            return await self.watches.serve(call, request)
        try:
            return await self._verb(call)(call)
        except statuses.ApiError:
            if request.method not in ("GET", "HEAD"):
                # A refusal may be because of a write that nobody can read yet.
                await self._objects.settled()
            raise

    def _verb(
        self, call: requests.Call
    ) -> Callable[[requests.Call], Awaitable[web.StreamResponse]]:
        """The method that answers, by HTTP method and whether an object is named."""
        named, method, verbs = bool(call.path.name), call.method, call.resource.verbs
        if method in ("GET", "HEAD"):
            return self._get if named else self._list
        if method in ("PUT", "PATCH") and not named:
            raise statuses.bad_request("name must be provided")
        if method in ("POST", "PUT", "PATCH") and not (method == "POST" and named):
            return self._write
        if method == "DELETE" and not call.path.subresource:
            if named:
                return self._delete
            if "deletecollection" in verbs:
                return self._delete_collection
        raise statuses.method_not_allowed(
            "the server does not allow this method on the requested resource"
        )

    async def _get(self, call: requests.Call) -> web.StreamResponse:
        collection = self._objects.collection(call.resource.collection)
        stored = collection.objects.get(call.key)
        answers.accepted(call.accept, answers.OBJECT_SHAPES)
        if stored is None:
            raise statuses.not_found(call.resource, call.path.name)
        return self._presenter.one(call, stored)

    async def _list(self, call: requests.Call) -> web.StreamResponse:
        return self._presenter.many(call, lists.page(self._objects, call))

    async def _write(self, call: requests.Call) -> web.StreamResponse:
        act = {
            "POST": self._writer.create,
            "PUT": self._writer.update,
            "PATCH": self._writer.patch,
        }[call.method]
        answers.accepted(call.accept, answers.OBJECT_SHAPES)
        status, stored = await act(call)
        return self._presenter.one(call, stored, status)

    async def _delete(self, call: requests.Call) -> web.StreamResponse:
        left = await self.deleter.delete(call)
        media = answers.accepted(call.accept, answers.OBJECT_SHAPES).media
        return answers.respond(deletes.shown(call.resource, left), 200, media, call.warnings)

    async def _delete_collection(self, call: requests.Call) -> web.StreamResponse:
        options = deletes.options_of(call)
        page = lists.page(self._objects, call)
        keys = [stored.key for stored in page.items]
        await self.deleter.remove_all(call.resource, keys, options)
        return self._presenter.many(call, page)

    def _review(self, call: requests.Call) -> web.Response:
        if call.method != "POST" or call.path.name:
            raise statuses.method_not_allowed(
                "the server does not allow this method on the requested resource"
            )
        body = decoding.read(call, "CreateOptions")
        found = reviews.answer(call.resource, body, writes.timestamp(self._clock()))
        return answers.respond(found, 201, answers.accepted(call.accept).media, call.warnings)


async def _body(request: web.Request) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        message = f"Request entity too large: limit is {bodies.LIMIT}"
        raise statuses.ApiError(413, "RequestEntityTooLarge", message, {}) from None
