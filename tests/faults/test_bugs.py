"""A bug of ours in one tool's reconcile: no other tool notices, and it is told and counted."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from controller.backends.base import Backend, Build
from controller.models.tooldeployment import State
from tests.faults import scenarios, timeline
from tests.faults.world import opened


@dataclass
class Buggy:
    """Builds whose list fails for one tool as no service can: by a bug."""

    real: Any
    tool: str
    met: int = 0

    async def list(self, tool: str) -> Sequence[Build]:
        """Fails for the one tool."""
        if tool == self.tool:
            self.met += 1
            raise ZeroDivisionError("division by zero")
        found: Sequence[Build] = await self.real.list(tool)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def test_a_bug_in_one_tool_stops_no_other_and_is_told_once() -> None:
    bugs: list[Buggy] = []

    def wrap(backend: Backend) -> Backend:
        bugs.append(Buggy(backend.builds, "other"))
        return replace(backend, builds=bugs[-1])

    async def main() -> None:
        async with opened((), heads=scenarios.heads(), wrap=wrap, workers=1) as world:
            await world.configure(scenarios.config(), tool="other")
            await world.deploy("o1", tool="other")
            with capture_logs([merge_contextvars]) as logs:
                await scenarios.first(world)
                await asyncio.sleep(1800)
            (found,) = await world.deployments()
            assert found.status.status == State.SUCCESSFUL
            told = [line for line in logs if line["event"] == "reconcile_bug"]
            in_full = [line for line in told if line.get("exc_info")]
            assert len(in_full) == 1
            assert {line["tool"] for line in told} == {"other"}
            assert {line["error"] for line in told} == {"ZeroDivisionError: division by zero"}
            assert world.lives[0].bugs() == bugs[0].met
            assert bugs[0].met < 40, "it backs off"

    timeline.run(main)
