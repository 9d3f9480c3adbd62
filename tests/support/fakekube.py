"""A small Kubernetes API server for tests that need faults which no healthy server has.

It stores any resource in memory, serves lists in pages, watches with bookmarks, merge and JSON
patches of whole objects and of status, and checks versions and uids. `fail` makes the next requests
of a verb go wrong in a given way. What a healthy server answers is checked against the embedded
control plane by the contract tests of the store and the watcher.
"""

import asyncio
import copy
import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

JSON = dict[str, Any]
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
ALWAYS = 1_000_000


@dataclass
class Request:
    """A request as it arrived."""

    verb: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    at: float


@dataclass
class _Fault:
    verb: str
    answer: Answer
    times: int
    part: str


@dataclass
class _Watch:
    prefix: str
    namespace: str
    lines: asyncio.Queue[bytes | None] = field(default_factory=asyncio.Queue)
    muted: bool = False


def status(code: int, reason: str = "", *, headers: JSON | None = None, indent: int = 0) -> Answer:
    """A Status object with this code."""
    text = json.dumps(
        {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": "made"},
        indent=indent or None,
    )
    return text_answer(code, text, "application/json", headers)


def text_answer(
    code: int, text: str, content_type: str = "text/plain", headers: JSON | None = None
) -> Answer:
    """Any text, such as the plain 429 of the API server or a proxy's HTML."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text=text, content_type=content_type, headers=headers)

    return answer


async def silence(_request: web.Request) -> web.StreamResponse:
    """Never answers: a black hole."""
    await asyncio.sleep(10_000_000)
    raise AssertionError("unreachable")


async def reset(request: web.Request) -> web.StreamResponse:
    """Cuts the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def lines(*content: JSON | str, end: str = "eof") -> Answer:
    """A 200 stream of these lines, then "eof", "silence" or "reset"."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for line in content:
            text = line if isinstance(line, str) else json.dumps(line) + "\n"
            await response.write(text.encode())
        if end == "silence":
            await asyncio.sleep(10_000_000)
        if end == "reset":
            await reset(request)
        return response

    return answer


def expired(reason: str | None = "Expired") -> JSON:
    """The ERROR line of a watch whose version is too old."""
    body: JSON = {"kind": "Status", "code": 410, "message": "too old resource version"}
    return {"type": "ERROR", "object": body if reason is None else {**body, "reason": reason}}


class FakeKube:
    """The server; `url` after entering. Paths are `group/version/namespace/plural/name`."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self.objects: dict[tuple[str, str, str], JSON] = {}  # (prefix, namespace, name)
        self.version = 100
        self.oldest = 0
        self.bookmark_every = 60.0
        self.tokens: set[str] | None = None
        self._log: list[tuple[int, str, str, JSON]] = []  # version, prefix, type, object
        self._watches: list[_Watch] = []
        self._faults: list[_Fault] = []
        self._uids = itertools.count(1)
        self._names = itertools.count(1)
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.01, keepalive_timeout=1e9)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.cut()
        await self._runner.cleanup()

    # what a test does to the server

    def fail(self, verb: str, answer: Answer, times: int = 1, *, part: str = "") -> None:
        """Answer the next `times` requests of `verb` (whose path holds `part`) like this."""
        self._faults.append(_Fault(verb, answer, times, part))

    def heal(self) -> None:
        """Take back all faults that are left."""
        self._faults.clear()

    def cut(self) -> None:
        """End all watches, cleanly."""
        for watch in self._watches:
            watch.lines.put_nowait(None)
        self._watches.clear()

    def forget_history(self) -> None:
        """Compact: watches from older versions get 410."""
        self.oldest = self.version
        self._log.clear()

    def expire(self) -> None:
        """End all watches by an ERROR line with 410."""
        for watch in self._watches:
            watch.lines.put_nowait(json.dumps(expired()).encode() + b"\n")
        self.cut()

    def mute(self) -> None:
        """Keep the sockets of the present watches open, and send nothing on them any more."""
        for watch in self._watches:
            watch.muted = True

    def bookmark(self) -> None:
        """Send a bookmark to all watches."""
        for watch in self._watches:
            watch.lines.put_nowait(_bookmark(self.version))

    def verbs(self, verb: str, part: str = "") -> list[Request]:
        """The requests of a verb, in order."""
        return [seen for seen in self.requests if seen.verb == verb and part in seen.path]

    def store(self, prefix: str, body: JSON, *, quietly: bool = False) -> JSON:
        """Create or change an object from the side; `quietly`: watches are not told."""
        stored = copy.deepcopy(body)
        metadata = stored["metadata"]
        key = (prefix, metadata["namespace"], metadata["name"])
        old = self.objects.get(key)
        self.version += 1
        metadata["resourceVersion"] = str(self.version)
        metadata.setdefault("uid", old["metadata"]["uid"] if old else f"uid-{next(self._uids)}")
        metadata.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        before = old["metadata"]["generation"] if old else 0
        changed = old is None or old.get("spec") != stored.get("spec")
        metadata["generation"] = before + changed
        self.objects[key] = stored
        self._tell(prefix, "MODIFIED" if old else "ADDED", stored, quietly)
        return copy.deepcopy(stored)

    def remove(self, prefix: str, namespace: str, name: str, *, quietly: bool = False) -> None:
        """Delete an object from the side."""
        gone = self.objects.pop((prefix, namespace, name))
        self.version += 1
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._tell(prefix, "DELETED", gone, quietly)

    def _tell(self, prefix: str, kind: str, stored: JSON, quietly: bool) -> None:
        if quietly:
            return
        event = {"type": kind, "object": copy.deepcopy(stored)}
        self._log.append((self.version, prefix, stored["metadata"]["namespace"], event))
        for watch in self._watches:
            if watch.prefix == prefix and watch.namespace in ("", stored["metadata"]["namespace"]):
                watch.lines.put_nowait(json.dumps(event).encode() + b"\n")

    # what clients ask

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        prefix, namespace, name, sub = _parse(request.path)
        verb = request.method
        if verb == "GET" and not name:
            verb = "WATCH" if request.query.get("watch") in ("true", "True", "1") else "LIST"
        now = asyncio.get_running_loop().time()
        self.requests.append(
            Request(verb, request.path, dict(request.query), dict(request.headers), now)
        )
        if self.tokens is not None and request.headers.get("Authorization") not in self.tokens:
            return await status(401, "Unauthorized")(request)
        for fault in self._faults:
            if fault.verb in (verb, "*") and fault.times > 0 and fault.part in request.path:
                fault.times -= 1
                return await fault.answer(request)
        if verb == "WATCH":
            return await self._watch(request, prefix, namespace)
        if verb == "LIST":
            return self._list(request, prefix, namespace)
        body = await request.json() if request.can_read_body else {}
        return self._single(request, (prefix, namespace, name), sub, body)

    def _list(self, request: web.Request, prefix: str, namespace: str) -> web.Response:
        found = [
            stored
            for (where, place, _), stored in sorted(self.objects.items())
            if where == prefix and namespace in ("", place)
        ]
        limit = int(request.query.get("limit", "0")) or len(found)
        start = int(request.query.get("continue", "0"))
        rest = start + limit
        metadata: JSON = {"resourceVersion": str(self.version)}
        if rest < len(found):
            metadata["continue"] = str(rest)
        return _json({"kind": "List", "metadata": metadata, "items": found[start:rest]})

    async def _watch(self, request: web.Request, prefix: str, namespace: str) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        since = int(request.query.get("resourceVersion", "0"))
        if since < self.oldest:
            await response.write(json.dumps(expired()).encode() + b"\n")
            return response
        watch = _Watch(prefix, namespace)
        for version, where, place, event in self._log:
            if version > since and where == prefix and namespace in ("", place):
                watch.lines.put_nowait(json.dumps(event).encode() + b"\n")
        self._watches.append(watch)
        try:
            await self._pump(request, response, watch)
        finally:
            if watch in self._watches:
                self._watches.remove(watch)
        return response

    async def _pump(
        self, request: web.Request, response: web.StreamResponse, watch: _Watch
    ) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + int(request.query.get("timeoutSeconds", "1800"))
        while (left := end - loop.time()) > 0:
            try:
                async with asyncio.timeout(min(left, self.bookmark_every)):
                    line = await watch.lines.get()
            except TimeoutError:
                line = _bookmark(self.version)
            if watch.muted:
                continue
            if line is None:
                return
            await response.write(line)

    def _single(
        self, request: web.Request, key: tuple[str, str, str], sub: str, body: JSON
    ) -> web.Response:
        prefix, namespace, name = key
        if request.method == "POST":
            name = body["metadata"]["name"]
            if (prefix, namespace, name) in self.objects:
                return _status(409, "AlreadyExists")
            body["metadata"]["namespace"] = namespace
            return _json(self.store(prefix, body), 201)
        old = self.objects.get(key)
        if old is None:
            return _status(404, "NotFound", name=name)
        if request.method == "GET":
            return _json(old)
        if request.method == "DELETE":
            return self._delete(key, old, body)
        new = _patched(request, old, body, sub)
        theirs = new["metadata"]
        if theirs.get("resourceVersion") not in (None, "", old["metadata"]["resourceVersion"]):
            return _status(409, "Conflict")
        if theirs.get("uid") not in (None, old["metadata"]["uid"]):
            return _status(422, "Invalid", "metadata.uid")
        theirs["uid"] = old["metadata"]["uid"]
        if new == old:
            return _json(old)
        return _json(self.store(prefix, new))

    def _delete(self, key: tuple[str, str, str], old: JSON, body: JSON) -> web.Response:
        wanted = (body.get("preconditions") or {}).get("uid")
        if wanted not in (None, old["metadata"]["uid"]):
            return _status(409, "Conflict")
        if old["metadata"].get("finalizers"):
            marked = copy.deepcopy(old)
            marked["metadata"].setdefault("deletionTimestamp", "2026-05-01T12:00:00Z")
            return _json(old if marked == old else self.store(key[0], marked))
        self.remove(*key)
        return _json({"kind": "Status", "status": "Success"})


def _parse(path: str) -> tuple[str, str, str, str]:
    """(`group/version/plural`, namespace, name, subresource) of a request's path."""
    parts = path.strip("/").split("/")
    head, rest = (parts[:3], parts[3:]) if parts[0] == "apis" else (["", "core", "v1"], parts[2:])
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    plural, name, sub = [*rest, "", ""][:3]
    return f"{head[1]}/{head[2]}/{plural}", namespace, name, sub


def _patched(request: web.Request, old: JSON, body: Any, sub: str) -> JSON:
    if request.method == "PUT":
        return dict(body)
    new = copy.deepcopy(old)
    if isinstance(body, list):
        for step in body:
            new[step["path"].strip("/")] = step["value"]
        return new
    if sub == "status":
        body = {name: body[name] for name in ("metadata", "status") if name in body}
    return _merge(new, body)


def _merge(target: JSON, patch: JSON) -> JSON:
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict):
            target[name] = _merge(dict(target.get(name) or {}), value)
        else:
            target[name] = value
    return target


def _bookmark(version: int) -> bytes:
    body = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}
    return json.dumps(body).encode() + b"\n"


def _json(body: JSON, code: int = 200) -> web.Response:
    return web.json_response(body, status=code)


def _status(code: int, reason: str, cause: str = "", name: str = "") -> web.Response:
    details: JSON = {"name": name} if name else {}
    if cause:
        details["causes"] = [{"field": cause, "message": "field is immutable"}]
    return _json(
        {"kind": "Status", "code": code, "reason": reason, "message": reason, "details": details},
        code,
    )
