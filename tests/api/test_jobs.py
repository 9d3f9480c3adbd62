"""The jobs of a tool over HTTP."""

from datetime import UTC, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from controller.api.jobs import JobRoutes
from controller.backends.base import Job, JobKind, JobPhase, JobStatus
from controller.errors import Transient
from controller.models.reasons import Reason

DOWN = JobStatus(
    JobPhase.DOWN,
    since=datetime(2026, 11, 22, 4, 10, 0, 123, UTC),
    restarts=7,
    trouble=Reason.CRASH_LOOP,
    messages=("exited with code 1", "twice"),
    outlook="starts again in 60 s",
)


class Jobs:
    """A job that crashes, and one of which nothing is known."""

    async def list(self, tool: str) -> list[Job]:
        if tool == "away":
            raise Transient(Reason.RETRYING, "the disk is full")
        kind = JobKind.CONTINUOUS
        return [Job("web", kind, None, DOWN), Job("new", kind, None, JobStatus(JobPhase.PENDING))]


def authorise(request: web.Request, tool: str) -> None:
    if tool == "other":
        raise web.HTTPForbidden


ROWS = {
    "how each is": (
        "demo",
        200,
        {
            "data": {
                "jobs": {
                    "web": {
                        "phase": "down",
                        "since": "2026-11-22T04:10:00+00:00",
                        "restarts": 7,
                        "trouble": "CrashLoop",
                        "message": "exited with code 1; twice",
                        "outlook": "starts again in 60 s",
                    },
                    "new": {
                        "phase": "pending",
                        "since": "",
                        "restarts": 0,
                        "trouble": "",
                        "message": "",
                        "outlook": "",
                    },
                }
            }
        },
    ),
    "a backend that is away": ("away", 503, {"messages": {"error": ["the disk is full"]}}),
    "somebody else's": ("other", 403, None),
}


@pytest.mark.parametrize(("tool", "status", "body"), ROWS.values(), ids=ROWS.keys())
async def test_jobs(tool: str, status: int, body: object) -> None:
    app = web.Application()
    JobRoutes(Jobs(), authorise).mount(app)
    async with TestClient(TestServer(app)) as client:
        answer = await client.get(f"/ptd/v1/tool/{tool}/jobs")
        assert answer.status == status
        if body is not None:
            assert await answer.json() == body
