"""What the core sees of a tool when a backend is away, silent or both."""

import asyncio
from typing import Any, cast

from controller.backends.base import Backend, Builds, BuildState, Jobs
from controller.models.reasons import Owner, Reason
from controller.models.tooldeployment import Failure, ToolDeployment
from controller.reconcile.observe import observe
from controller.reconcile.observed import Observed, Policy
from tests.builders import NOW, ago, build, config, deployment, job, started
from tests.support.virtualtime import virtual_time

GOING = build(state=BuildState.RUNNING, by="d1")
FAILED = Failure(reason=Reason.BUILD_LOST, owner=Owner.PLATFORM, message="gone")


class Objects:
    """One deployment under way."""

    def __init__(self, **status: Any) -> None:
        self._one = deployment("d1", status=started(ago(60), **status))

    def unfinished(self, _tool: str) -> list[ToolDeployment]:
        return [self._one]

    def finished(self, _tool: str) -> list[Any]:
        return []

    def config_of(self, _tool: str) -> tuple[Any, tuple[str, ...]]:
        return config(), ()


class Listing:
    """A backend's half that shows something, after so many seconds."""

    def __init__(self, shown: list[Any], after: float = 0.0) -> None:
        self._shown, self._after = shown, after

    async def list(self, _tool: str) -> list[Any]:
        await asyncio.sleep(self._after)
        return self._shown


async def seen(builds: Listing, jobs: Listing, **status: Any) -> Observed:
    backend = Backend(cast(Builds, builds), cast(Jobs, jobs))
    return await observe("demo", Objects(**status), backend, Policy())


@virtual_time
async def test_a_service_that_is_silent_is_not_waited_for_while_something_ends() -> None:
    began = asyncio.get_running_loop().time()
    found = await seen(
        Listing([GOING]), Listing([job()], after=20), failure=FAILED, ending_since=NOW
    )
    assert (found.builds, found.jobs) == ((GOING,), ())
    assert found.blind == "the job service does not answer"
    assert asyncio.get_running_loop().time() - began == 6


@virtual_time
async def test_before_that_it_has_its_time() -> None:
    found = await seen(Listing([GOING]), Listing([job()], after=20))
    assert (found.builds, found.jobs, found.blind) == ((GOING,), (job(),), "")
