"""Logs over HTTP: what a component's job printed, what its build said.

`GET /ptd/v1/tool/{tool}/logs/{component}?follow=true&lines=100` answers what the job printed,
with `build=latest` (or a build's id) what that build of the component said: plain text, line by
line. Mounted by composition roots whose backend keeps logs. `authorise` decides who may read; it
raises the answer.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from aiohttp import web

from controller.api import beside
from controller.errors import EdgeError, Terminal

_LINES = 500
_MOST_LINES = 10_000


class KnownJob(Protocol):
    """A job, as far as its log is concerned."""

    @property
    def name(self) -> str:
        """The component that it runs."""
        ...


class JobLogs(Protocol):
    """Keeps what jobs printed."""

    async def list(self, tool: str) -> Sequence[KnownJob]:
        """The tool's jobs."""
        ...

    def log(
        self, tool: str, name: str, *, follow: bool = False, lines: int = 500
    ) -> AsyncIterator[str]:
        """The last lines, then what is added."""
        ...


class KnownBuild(Protocol):
    """A build, as far as its log is concerned."""

    @property
    def id(self) -> str:
        """Its name at the build service."""
        ...

    @property
    def component(self) -> str:
        """What it was built for."""
        ...


class BuildLogs(Protocol):
    """Keeps what builds printed."""

    async def list(self, tool: str) -> Sequence[KnownBuild]:
        """The tool's builds, newest first."""
        ...

    def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        """The whole log, then what is added."""
        ...


class LogRoutes:
    """The route for logs."""

    def __init__(self, jobs: JobLogs, builds: BuildLogs, authorise: beside.Authorise) -> None:
        self._jobs = jobs
        self._builds = builds
        self._authorise = authorise

    def mount(self, app: web.Application) -> None:
        """Add the route to an application."""
        app.router.add_get("/ptd/v1/tool/{tool}/logs/{component}", self._logs)

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        tool, component = request.match_info["tool"], request.match_info["component"]
        self._authorise(request, tool)
        follow, lines = _flag(request), _number(request, "lines", _LINES)
        if "build" not in request.query:
            known = sorted(job.name for job in await self._jobs.list(tool))
            if component not in known:
                return beside.problem(404, _no_job(tool, component, known))
            return await _stream(
                request, self._jobs.log(tool, component, follow=follow, lines=lines)
            )
        build = await self._build_of(tool, component, request.query["build"])
        if build is None:
            return beside.problem(404, await self._no_build(tool, component))
        return await _stream(request, self._builds.log(tool, build, follow=follow))

    async def _no_build(self, tool: str, component: str) -> str:
        built = sorted({build.component for build in await self._builds.list(tool)})
        some = f"there are builds of {', '.join(built)}" if built else "none has begun yet"
        return f"{tool} has no build of {component}: {some} (with `reuse_from` there is none)"

    async def _build_of(self, tool: str, component: str, wanted: str) -> str | None:
        builds = [b.id for b in await self._builds.list(tool) if b.component == component]
        if wanted == "latest":
            return builds[0] if builds else None
        return wanted if wanted in builds else None


async def _stream(request: web.Request, lines: AsyncIterator[str]) -> web.StreamResponse:
    """Send lines as they come; what is wrong before the first line is an error answer."""
    try:
        first = await anext(lines, None)
    except EdgeError as error:
        return beside.problem(404 if isinstance(error, Terminal) else 503, error.message)
    response = web.StreamResponse(headers={"Content-Type": "text/plain; charset=utf-8"})
    await response.prepare(request)
    if first is not None:
        await response.write(f"{first}\n".encode())
        async for line in lines:
            await response.write(f"{line}\n".encode())
    await response.write_eof()
    return response


def _flag(request: web.Request) -> bool:
    return request.query.get("follow", "").lower() in ("1", "true", "yes", "on")


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or not 0 < int(text) <= _MOST_LINES:
        raise web.HTTPBadRequest(text=f"{name} must be a number from 1 to {_MOST_LINES}")
    return int(text)


def _no_job(tool: str, component: str, known: Sequence[str]) -> str:
    if known:
        return f"{tool} has no job {component}; its jobs: {', '.join(known)}"
    return f"{tool} has no job {component}: none was deployed yet (`ptd deploy --wait` does it)"
