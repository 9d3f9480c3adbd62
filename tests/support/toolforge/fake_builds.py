"""The stand-in of builds-api: routes, checks and error shapes.

`builds_app()` makes the application; what it simulates is in `build_runs`.
"""

import functools
import itertools
import json
import random
import re
import string
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.toolforge import clock as clocks
from tests.support.toolforge.build_runs import RUNNING, Pace, Refs, Resolver, Run, prune
from tests.support.toolforge.faults import Faults, with_faults
from tests.support.toolforge.openapi import Document, checked
from tests.support.toolforge.registry import Registry

_TOOL = "/v1/tool/{tool}"
_ENVVAR = re.compile(r"^[A-Za-z_][A-Za-z_0-9]{2,}$")
_ALPHABET = string.ascii_lowercase + string.digits
_FIELDS = {
    "source_url": str,
    "ref": str,
    "image_name": str,
    "envvars": dict,
    "use_latest_versions": bool,
    "use_deprecated_versions": bool,
}


@dataclass
class Limits:
    """The operator's settings of the service (production's values)."""

    parallel: int = 4
    keep_good: int = 4
    keep_bad: int = 2


@dataclass
class BuildsService:
    """Everything that the stand-in knows; tests look in and change it."""

    clock: clocks.SimulatedClock = field(default_factory=clocks.SimulatedClock)
    resolve: Resolver = field(default_factory=Refs)
    registry: Registry = field(default_factory=Registry)
    limits: Limits = field(default_factory=Limits)
    pace: Pace = field(default_factory=Pace)
    faults: Faults = field(default_factory=Faults)
    deprecated_deadline: datetime | None = None
    runs: dict[str, list[Run]] = field(default_factory=dict)
    started: int = 0
    _ids: random.Random = field(default_factory=lambda: random.Random(1))

    def running(self, tool: str) -> int:
        """How many builds of a tool have not ended."""
        now = self.clock()
        return sum(run.status(now) in RUNNING for run in self.runs.get(tool, []))

    def newest_first(self, tool: str) -> list[Run]:
        """A tool's builds as the service lists them."""
        return list(reversed(self.runs.get(tool, [])))

    def find(self, tool: str, build_id: str, dot: str = "") -> Run:
        """A tool's build, or the service's refusal."""
        if not build_id.startswith(f"{tool}-buildpacks-pipelinerun-"):
            text = f"Build '{build_id}' does not exist or belong to tool '{tool}'."
            raise _Refused(401, f"{text} Double check the name and try again.")
        for run in self.runs.get(tool, []):
            if run.id == build_id:
                return run
        raise _Refused(404, f"Build with id {build_id} not found{dot}")

    async def start(self, tool: str, body: dict[str, Any]) -> Run:
        """A new build, in the real service's order of checks."""
        envvars = body.get("envvars") or {}
        if bad := [name for name in envvars if not _ENVVAR.match(name)]:
            raise _Refused(400, f"Not valid environment variables passed: {', '.join(bad)}")
        now = self.clock()
        limits = self.limits
        self.runs[tool] = prune(self.runs.get(tool, []), now, limits.keep_good, limits.keep_bad)
        if (going := self.running(tool)) >= limits.parallel:
            text = f"Got too many builds running ({going} out of {limits.parallel} max)"
            raise _Refused(409, f"{text}, cancel some or wait for them to finish")
        commit = await self.resolve(body["source_url"], body.get("ref") or "HEAD")
        if not commit:
            raise _Refused(400, _unresolved(body))
        self._check_deprecation(body, now)
        suffix = "".join(self._ids.choices(_ALPHABET, k=5))
        run = Run(
            id=f"{tool}-buildpacks-pipelinerun-{suffix}",
            tool=tool,
            parameters=_completed(body, tool),
            commit=commit,
            created=now,
            pace=self.pace,
            registry=self.registry,
        )
        self.runs[tool].append(run)
        self.started += 1
        return run

    def _check_deprecation(self, body: dict[str, Any], now: datetime) -> None:
        wants = body.get("use_deprecated_versions") and not body.get("use_latest_versions")
        if wants and self.deprecated_deadline is not None and now > self.deprecated_deadline:
            deadline = f"{self.deprecated_deadline:%Y-%m-%d}"
            text = "Deprecated version are not supported anymore (the deadline was until"
            raise _Refused(400, f"{text} {deadline} UTC)")


class _Refused(Exception):
    """An error of a handler: `{"error": [text]}`."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def builds_app(service: BuildsService, document: Document | None = None) -> web.Application:
    """The application; with a document, every answer is held to it."""
    middlewares = [with_faults(service.faults), *([checked(document)] if document else []), _errors]
    app = web.Application(middlewares=middlewares)
    routes = _Routes(service)
    app.add_routes(
        [
            web.post(f"{_TOOL}/builds", routes.start),
            web.get(f"{_TOOL}/builds", routes.list),
            web.get(f"{_TOOL}/builds/latest", routes.latest),
            web.get(f"{_TOOL}/builds/{{id}}", routes.get),
            web.delete(f"{_TOOL}/builds/{{id}}", routes.delete),
            web.put(f"{_TOOL}/builds/{{id}}/cancel", routes.cancel),
            web.get(f"{_TOOL}/builds/{{id}}/logs", routes.logs),
            web.get(f"{_TOOL}/quotas", routes.quotas),
            web.post(f"{_TOOL}/clean", routes.clean),
            web.get("/v1/healthz", routes.health),
        ]
    )
    return app


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    tool = request.headers.getall("X-Toolforge-Tool", [])
    if request.path.startswith("/v1/tool/") and not tool:
        return web.json_response({"message": "Unauthorized"}, status=401)
    if len(tool) > 1:
        return web.json_response({"message": "multiple tool headers"}, status=403)
    try:
        return await handler(request)
    except _Refused as error:
        return web.json_response({"error": [error.text]}, status=error.status)


@dataclass
class _Routes:
    service: BuildsService

    async def start(self, request: web.Request) -> web.Response:
        try:
            body = json.loads(await request.text())
        except ValueError as error:
            return web.json_response(f"Bad parameters passed: {error}", status=400)
        if (problem := _schema_problem(body)) is not None:
            return web.json_response({"message": problem}, status=400)
        run = await self.service.start(_tool(request), body)
        new = {"name": run.id, "resolved_ref": run.commit, "parameters": dict(run.parameters)}
        return web.json_response({"new_build": new, "messages": {}})

    async def list(self, request: web.Request) -> web.Response:
        now = self.service.clock()
        builds = [run.shown(now) for run in self.service.newest_first(_tool(request))]
        return web.json_response({"builds": builds, "messages": {}})

    async def latest(self, request: web.Request) -> web.Response:
        runs = self.service.newest_first(_tool(request))
        if not runs:
            raise _Refused(404, "No builds exist yet.")
        return web.json_response({"build": runs[0].shown(self.service.clock()), "messages": {}})

    async def get(self, request: web.Request) -> web.Response:
        run = self.service.find(_tool(request), request.match_info["id"], dot=".")
        return web.json_response({"build": run.shown(self.service.clock()), "messages": {}})

    async def delete(self, request: web.Request) -> web.Response:
        run = self.service.find(_tool(request), request.match_info["id"])
        self.service.runs[run.tool].remove(run)
        return web.json_response({"id": run.id, "messages": {}})

    async def cancel(self, request: web.Request) -> web.Response:
        run = self.service.find(_tool(request), request.match_info["id"])
        now = self.service.clock()
        status = run.status(now)
        if status == "BUILD_CANCELLED" or run.cancelled is not None:
            text = "cannot be cancelled again. It has already been cancelled"
            raise _Refused(409, f"Build {run.id} {text}")
        if status not in RUNNING:
            text = "cannot be cancelled because it has already completed"
            raise _Refused(409, f"Build {run.id} {text}")
        run.cancelled = now
        return web.json_response({"id": run.id, "messages": {}})

    async def logs(self, request: web.Request) -> web.StreamResponse:
        run = self.service.find(_tool(request), request.match_info["id"])
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        clock, sent = self.service.clock, 0
        while True:
            ended = run.ended_at(clock()) is not None
            for line in itertools.islice(run.lines(clock()), sent, None):
                await response.write(json.dumps({"line": line}).encode() + b"\n")
                sent += 1
            if ended or request.query.get("follow", "false") != "true":
                return response
            await clocks.until(functools.partial(_moved_on, run, clock, sent), clock)

    async def quotas(self, request: web.Request) -> web.Response:
        storage = {"name": "Storage", "limit": "1.00Gi", "used": "0.42Gi", "available": "0.58Gi"}
        items = [storage | {"capacity": "42%"}]
        quota = {"categories": [{"name": "Registry", "items": items}]}
        return web.json_response({"quota": quota, "messages": {}})

    async def clean(self, request: web.Request) -> web.Response:
        tool = _tool(request)
        gone = [name for name in self.service.registry.tags if name.startswith(f"tool-{tool}/")]
        for name in gone:
            self.service.registry.tags[name] = set()
        text = f"Deleted {len(gone)} artifacts" if gone else "Nothing to clean up"
        return web.json_response({"messages": {"info": [text]}})

    async def health(self, request: web.Request) -> web.Response:
        messages = {"info": ["All systems normal"]}
        return web.json_response({"status": "OK", "messages": messages})


def _tool(request: web.Request) -> str:
    """The header decides, the path is ignored."""
    return request.headers["X-Toolforge-Tool"]


def _moved_on(run: Run, clock: clocks.SimulatedClock, sent: int) -> bool:
    now = clock()
    return run.ended_at(now) is not None or len(run.lines(now)) > sent


def _schema_problem(body: Any) -> str | None:
    if not isinstance(body, dict):
        return "request body has an error: doesn't match schema: value must be an object"
    if "source_url" not in body:
        where = 'Error at "/source_url": property "source_url" is missing'
        return f"request body has an error: doesn't match schema: {where}"
    for name, kind in _FIELDS.items():
        if name in body and not isinstance(body[name], kind):
            where = f'Error at "/{name}": value must be of another type'
            return f"request body has an error: doesn't match schema: {where}"
    return None


def _completed(body: dict[str, Any], tool: str) -> dict[str, Any]:
    return {
        "source_url": body["source_url"],
        "ref": body.get("ref", ""),
        "image_name": body.get("image_name") or f"tool-{tool}",
        "envvars": body.get("envvars") or {},
        "use_latest_versions": bool(body.get("use_latest_versions")),
        "use_deprecated_versions": bool(body.get("use_deprecated_versions")),
    }


def _unresolved(body: dict[str, Any]) -> str:
    url = body["source_url"]
    text = f"Failed to resolve ref {body.get('ref', '')}, maybe the repository {url}"
    return f"{text} is not public? Error: <nil>"
