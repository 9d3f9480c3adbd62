"""The stand-in of jobs-api: routes and error shapes.

`jobs_app()` makes the application; definitions live in `job_store`, pods in `cluster`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from tests.support.toolforge import clock as clocks
from tests.support.toolforge import job_models
from tests.support.toolforge.cluster import Cluster
from tests.support.toolforge.faults import Faults, with_faults
from tests.support.toolforge.job_store import Refused, ToolJobs
from tests.support.toolforge.openapi import Document, checked
from tests.support.toolforge.registry import Registry

_TOOL = "/v1/tool/{tool}"


@dataclass
class JobsService:
    """Everything that the stand-in knows; tests look in and change it.

    `logs` holds lines per `tool/job`; None stands for a broken log store.
    `out_of_quota` makes every PATCH of these jobs fail as the real one does: after storing it.
    """

    clock: clocks.SimulatedClock = field(default_factory=clocks.SimulatedClock)
    registry: Registry = field(default_factory=Registry)
    faults: Faults = field(default_factory=Faults)
    tools: dict[str, ToolJobs] = field(default_factory=dict)
    logs: dict[str, list[str]] | None = field(default_factory=dict)
    make_cluster: Callable[[], Cluster] = Cluster
    out_of_quota: set[str] = field(default_factory=set)

    def tool(self, name: str) -> ToolJobs:
        """A tool's jobs."""
        if name not in self.tools:
            self.tools[name] = ToolJobs(name, self.registry, self.make_cluster())
        return self.tools[name]


def jobs_app(service: JobsService, document: Document | None = None) -> web.Application:
    """The application; with a document, every answer is held to it."""
    middlewares = [with_faults(service.faults), *([checked(document)] if document else []), _errors]
    app = web.Application(middlewares=middlewares)
    routes = _Routes(service)
    for slash in ("", "/"):
        job = f"{_TOOL}/jobs/{{name}}"
        app.add_routes(
            [
                web.get(f"{_TOOL}/jobs{slash}", routes.list),
                web.patch(f"{_TOOL}/jobs{slash}", routes.update),
                web.post(f"{_TOOL}/jobs{slash}", routes.create),
                web.put(f"{_TOOL}/jobs{slash}", routes.create),
                web.delete(f"{_TOOL}/jobs{slash}", routes.flush),
                web.get(f"{job}{slash}", routes.show),
                web.delete(f"{job}{slash}", routes.delete),
                web.post(f"{job}/restart{slash}", routes.restart),
                web.get(f"{job}/logs{slash}", routes.logs),
                web.get(f"{_TOOL}/quotas{slash}", routes.quotas),
                web.get(f"/v1/healthz{slash}", routes.health),
            ]
        )
    return app


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path.startswith("/v1/tool/") and "x-toolforge-tool" not in request.headers:
        text = "missing 'x-toolforge-tool' header"
        return web.json_response({"error": [text]}, status=403)
    try:
        return await handler(request)
    except Refused as error:
        return web.json_response({"error": [error.text]}, status=error.status)
    except job_models.Unprocessable as error:
        return web.json_response({"detail": error.detail}, status=422)


@dataclass
class _Routes:
    service: JobsService

    def _jobs(self, request: web.Request) -> ToolJobs:
        return self.service.tool(request.match_info["tool"])

    async def list(self, request: web.Request) -> web.Response:
        jobs, unset, now = self._jobs(request), _include_unset(request), self.service.clock()
        shown = [jobs.shown(name, now, unset=unset) for name in jobs.names()]
        return web.json_response({"jobs": shown, "messages": _messages() if unset else {}})

    async def show(self, request: web.Request) -> web.Response:
        unset, name = _include_unset(request), request.match_info["name"]
        job = self._jobs(request).shown(name, self.service.clock(), unset=unset)
        return web.json_response({"job": job, "messages": _messages() if unset else {}})

    async def update(self, request: web.Request) -> web.Response:
        job = await _parsed(request)
        jobs, now = self._jobs(request), self.service.clock()
        if job.name in self.service.out_of_quota:
            jobs.check(job)
            jobs._store(job)
            text = "Out of quota for this kind of job."
            raise Refused(500, f"{text} Please see https://w.wiki/6YLP for details.")
        changed, text = jobs.upsert(job, now)
        return web.json_response({"messages": _messages(text), "job_changed": changed})

    async def create(self, request: web.Request) -> web.Response:
        job = await _parsed(request)
        shown = self._jobs(request).create(job, self.service.clock())
        return web.json_response({"job": shown, "messages": {}}, status=201)

    async def restart(self, request: web.Request) -> web.Response:
        self._jobs(request).restart(request.match_info["name"], self.service.clock())
        return web.json_response({"messages": _messages()})

    async def delete(self, request: web.Request) -> web.Response:
        self._jobs(request).delete(request.match_info["name"])
        return web.json_response({"messages": _messages()})

    async def flush(self, request: web.Request) -> web.Response:
        jobs = self._jobs(request)
        for name in jobs.names():
            jobs.delete(name)
        return web.json_response({"messages": _messages()})

    async def logs(self, request: web.Request) -> web.StreamResponse:
        name, tool = request.match_info["name"], request.match_info["tool"]
        if self.service.logs is None:
            raise Refused(500, "Unknown error (HTTPConnectionPool(host='loki-tools.loki.svc'))")
        known = self.service.logs.get(f"{tool}/{name}", [])
        if not known:
            raise Refused(404, f"Job '{name}' does not have any logs available")
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        for line in known[-int(request.query.get("lines", "500")) :]:
            entry = {"pod": f"{name}-1", "container": "job", "datetime": "", "message": line}
            await response.write(json.dumps(entry).encode() + b"\n")
        return response

    async def quotas(self, request: web.Request) -> web.Response:
        jobs = self._jobs(request)
        return web.json_response(
            {"quota": {"categories": _quotas(jobs, self.service.clock())}, "messages": {}}
        )

    async def health(self, request: web.Request) -> web.Response:
        health = {"status": "OK", "message": "OK"}
        return web.json_response({"health": health, "messages": {}})


async def _parsed(request: web.Request) -> job_models.Job:
    try:
        body = json.loads(await request.text())
    except json.JSONDecodeError as error:
        entry: dict[str, Any] = {"type": "json_invalid", "loc": ["body", error.pos]}
        entry |= {"msg": "JSON decode error", "input": {}, "ctx": {"error": error.msg}}
        raise job_models.Unprocessable([entry]) from None
    return job_models.parse(body)


def _include_unset(request: web.Request) -> bool:
    return request.query.get("include_unset", "true").lower() not in ("false", "0", "no")


def _messages(*info: str) -> dict[str, list[str]]:
    return {"info": list(info), "warning": [], "error": []}


def _quotas(jobs: ToolJobs, now: datetime) -> list[dict[str, Any]]:
    runtime = jobs.cluster
    pods = jobs.pods(now)

    def item(name: str, limit: str, used: str | None) -> dict[str, str | None]:
        return {"name": name, "limit": limit, "used": used}

    running = [
        item("Total running jobs at once (Kubernetes pods)", str(runtime.pod_quota), str(pods)),
        item("Running one-off and cron jobs", "15", "0"),
        item("CPU", str(runtime.cpu_quota), str(runtime.used_cpu())),
        item("Memory", "64.0Gi", "0.0Gi"),
    ]
    definitions = [
        item("Cron jobs", "50", str(len(jobs.crons))),
        item("Continuous jobs (including web services)", "16", str(len(runtime.deployments))),
    ]
    return [
        {"name": "Running jobs", "items": running},
        {
            "name": "Per-job limits",
            "items": [item("CPU", "8.0", None), item("Memory", "6.0Gi", None)],
        },
        {"name": "Job definitions", "items": definitions},
    ]
