"""`…/deployment/{id}/events`: the progress of a deployment as server-sent events.

Each event is the whole state (`problem_body.record`), so that whoever missed some has missed
nothing: `Last-Event-ID` only keeps the present one from being sent again. Ends with `event: end`.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from datetime import timedelta

from controller.api import problem_body, wire
from controller.api.calls import Answer, Call, Stream
from controller.api.changes import Changes, TooMany
from controller.api.problems import Refused
from controller.api.sight import Sight
from controller.models.tooldeployment import ToolDeployment

HEARTBEAT = timedelta(seconds=15)
_RECONNECT = 2000  # milliseconds


class Events:
    """Streams of events."""

    def __init__(self, sight: Sight, changes: Changes, heartbeat: timedelta = HEARTBEAT) -> None:
        self._sight = sight
        self._changes = changes
        self._heartbeat = heartbeat.total_seconds()

    async def stream(self, call: Call) -> Answer | Stream:
        """GET events. 204 ends the reconnecting of a browser that has seen the end."""
        name = await self._sight.named(call.tool, call.parts["deployment_id"])
        found = await self._sight.look(call.tool, name)
        known = call.headers.get("Last-Event-ID", "")
        if wire.state(found).final and known == _id(found):
            return Answer({}, status=204)
        return Stream(self._events(call, name, known))

    async def _events(self, call: Call, name: str, known: str) -> AsyncGenerator[str, None]:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._changes.limits.longest.total_seconds()
        yield f"retry: {_RECONNECT}\n\n"
        try:
            with self._changes.listening(
                call.tool, with_token=call.caller.value == "token"
            ) as bell:
                while loop.time() < end and not self._changes.closing:
                    bell.hush()
                    found = await self._sight.look(call.tool, name)
                    final = wire.state(found).final
                    if known != _id(found):
                        known = _id(found)
                        yield self._event("end" if final else "state", found)
                    if final:
                        return
                    if not await bell.rings(loop.time() + self._heartbeat):
                        yield ": still going\n\n"
        except TooMany as error:
            body = problem_body.plain(problem_body.TOO_MANY, 429, str(error))
            yield f"event: error\ndata: {json.dumps(body)}\n\n"
        except Refused as gone:
            body = problem_body.plain(problem_body.GONE, gone.status, gone.messages[0])
            yield f"event: end\ndata: {json.dumps(body)}\n\n"

    def _event(self, kind: str, found: ToolDeployment) -> str:
        data = json.dumps(problem_body.record(found))
        return f"id: {_id(found)}\nevent: {kind}\ndata: {data}\n\n"


def _id(found: ToolDeployment) -> str:
    return found.metadata.resource_version
