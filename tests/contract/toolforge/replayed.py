"""A jobs-api that answers from the recording, so that the real client meets the real answers.

Before a change it shows the job as it was recorded last, after it as it was recorded next. What
the recording does not hold (definitions as stored, a PATCH that changes nothing) is made up from
what had been sent.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from tests.contract.toolforge.recording import Step
from tests.support.toolforge.clock import EPOCH

Fields = dict[str, Any]


@dataclass
class Replayed:
    """The recording at one of its steps."""

    steps: list[Step]
    position: int = 0
    sent: dict[str, Fields] = field(default_factory=dict)

    def clock(self) -> datetime:
        """The time of the step that is being answered."""
        return EPOCH + timedelta(seconds=self.steps[self.position].at)

    def app(self) -> web.Application:
        """The routes that the client uses."""
        app = web.Application()
        tool = "/v1/tool/sample/jobs"
        app.add_routes(
            [
                web.get(f"{tool}/", self._list),
                web.get(f"{tool}/{{name}}", self._get),
                web.patch(f"{tool}/", self._patch),
                web.post(f"{tool}/{{name}}/restart", self._restart),
                web.get(f"{tool}/{{name}}/logs", self._logs),
                web.get("/v1/tool/sample/quotas", self._quotas),
            ]
        )
        return app

    def shown(self, name: str, steps: list[Step]) -> Fields | None:
        """The first of these steps' pictures of a job."""
        pictures = (step.job for step in steps if step.job is not None)
        return next((job for job in pictures if job["name"] == name), None)

    async def _list(self, request: web.Request) -> web.Response:
        job = self.steps[self.position].job
        return web.json_response({"jobs": [job], "messages": {}})

    async def _get(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        job = self.shown(name, self.steps[self.position :: -1])
        if self.sent.get(name) == self.steps[self.position].sent:
            job = self.shown(name, self.steps[self.position :])
        if request.query.get("include_unset") == "false":
            job = self.sent.get(name)
        if job is None:
            text = f"Job '{name}' does not exist"
            return web.json_response({"error": [text]}, status=404)
        return web.json_response({"job": job, "messages": {}})

    async def _patch(self, request: web.Request) -> web.Response:
        body, step = json.loads(await request.text()), self.steps[self.position]
        self.sent[body["name"]] = body
        if step.method == "PATCH":
            assert body == step.sent, "the client sends what was recorded"
            return web.json_response(step.answer, status=step.status)
        return web.json_response({"messages": {}, "job_changed": False})

    async def _restart(self, request: web.Request) -> web.Response:
        step = self.steps[self.position]
        assert step.method == "POST", "the client restarts only where the recording does"
        return web.json_response(step.answer, status=step.status)

    async def _quotas(self, request: web.Request) -> web.Response:
        return web.json_response({"quota": {"categories": []}, "messages": {}})

    async def _logs(self, request: web.Request) -> web.Response:
        return web.json_response({"error": ["Unknown error"]}, status=500)
