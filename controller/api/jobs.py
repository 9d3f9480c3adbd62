"""The jobs of a tool over HTTP as they are now: `GET /ptd/v1/tool/{tool}/jobs`.

What a deployment says is what was seen when it ended; whether its components still run only the
backend knows. Mounted, as the logs are, by composition roots whose backend runs on this machine.
`authorise` decides who may read; it raises the answer.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from aiohttp import web

from controller.api import beside
from controller.errors import EdgeError
from controller.models.reasons import Reason


class KnownStatus(Protocol):
    """The facts about the newest instances of a job (`backends.base.JobStatus`)."""

    @property
    def phase(self) -> str:
        """Where they are: up, down, pending, installed, unknown."""
        ...

    @property
    def since(self) -> datetime | None:
        """When that began."""
        ...

    @property
    def restarts(self) -> int:
        """How often they ended by themselves."""
        ...

    @property
    def trouble(self) -> Reason | None:
        """Why it will not come up without a change."""
        ...

    @property
    def messages(self) -> tuple[str, ...]:
        """The backend's words."""
        ...

    @property
    def outlook(self) -> str:
        """What it does next by itself."""
        ...


class KnownJob(Protocol):
    """A job and its status."""

    @property
    def name(self) -> str:
        """The component that it runs."""
        ...

    @property
    def status(self) -> KnownStatus:
        """How it is."""
        ...


class Jobs(Protocol):
    """What runs components."""

    async def list(self, tool: str) -> Sequence[KnownJob]:
        """The tool's jobs."""
        ...


class JobRoutes:
    """The route for jobs."""

    def __init__(self, jobs: Jobs, authorise: beside.Authorise) -> None:
        self._jobs = jobs
        self._authorise = authorise

    def mount(self, app: web.Application) -> None:
        """Add the route to an application."""
        app.router.add_get("/ptd/v1/tool/{tool}/jobs", self._list)

    async def _list(self, request: web.Request) -> web.Response:
        tool = request.match_info["tool"]
        self._authorise(request, tool)
        try:
            found = await self._jobs.list(tool)
        except EdgeError as error:
            return beside.problem(503, error.message)
        return web.json_response(
            {"data": {"jobs": {job.name: _shown(job.status) for job in found}}}
        )


def _shown(status: KnownStatus) -> dict[str, Any]:
    return {
        "phase": str(status.phase),
        "since": status.since.isoformat(timespec="seconds") if status.since else "",
        "restarts": status.restarts,
        "trouble": status.trouble.value if status.trouble else "",
        "message": "; ".join(status.messages),
        "outlook": status.outlook,
    }
