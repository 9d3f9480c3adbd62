"""All reads for one tool, made into one frozen value. Writes nothing, decides nothing."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import TypeVar

from controller.backends.base import Backend
from controller.errors import EdgeError
from controller.reconcile.observed import Observed, Policy
from controller.reconcile.ports import Objects

__all__ = ["observe"]

LOOKS_WHILE_ENDING = 5  # for which there is time, even where a service never answers

T = TypeVar("T")


async def observe(tool: str, objects: Objects, backend: Backend, policy: Policy) -> Observed:
    """What there is of a tool. The backends are asked only while a deployment is under way."""
    unfinished = tuple(objects.unfinished(tool))
    finished = tuple(objects.finished(tool))
    config, problems = objects.config_of(tool)
    if not unfinished:
        return Observed(tool, policy, config, problems, finished=finished)
    # What ends has little time left, and a service that is silent now will hardly speak.
    ends = any(deployment.status.ending_since for deployment in unfinished)
    patience = policy.cleanup_timeout / LOOKS_WHILE_ENDING if ends else None
    (builds, no_builds), (jobs, no_jobs) = await asyncio.gather(
        _seen("build", backend.builds.list(tool), patience),
        _seen("job", backend.jobs.list(tool), patience),
    )
    blind = no_builds or no_jobs
    return Observed(tool, policy, config, problems, unfinished, finished, builds, jobs, blind)


async def _seen(
    what: str, listing: Awaitable[Sequence[T]], patience: timedelta | None
) -> tuple[tuple[T, ...], str]:
    """What a backend shows, or why it shows nothing.

    Deadlines and cancels hold also while a backend is away: the core decides without it, and what
    the other one shows can still be undone.
    """
    try:
        async with asyncio.timeout(patience.total_seconds() if patience else None):
            return tuple(await listing), ""
    except TimeoutError:
        return (), f"the {what} service does not answer"
    except EdgeError as error:
        return (), error.message or error.reason
