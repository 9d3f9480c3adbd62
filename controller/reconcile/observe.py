"""All reads for one tool, made into one frozen value. Writes nothing, decides nothing."""

import asyncio

from controller.backends.base import Backend
from controller.errors import EdgeError
from controller.reconcile.observed import Observed, Policy
from controller.reconcile.ports import Objects

__all__ = ["observe"]


async def observe(tool: str, objects: Objects, backend: Backend, policy: Policy) -> Observed:
    """What there is of a tool. The backends are asked only while a deployment is under way."""
    unfinished = tuple(objects.unfinished(tool))
    finished = tuple(objects.finished(tool))
    config, problems = objects.config_of(tool)
    if not unfinished:
        return Observed(tool, policy, config, problems, finished=finished)
    try:
        builds, jobs = await asyncio.gather(backend.builds.list(tool), backend.jobs.list(tool))
    except EdgeError as error:
        # Deadlines and cancels hold also while a backend is away: the core decides without it.
        return Observed(
            tool,
            policy,
            config,
            problems,
            unfinished,
            finished,
            blind=error.message or error.reason,
        )
    return Observed(
        tool, policy, config, problems, unfinished, finished, tuple(builds), tuple(jobs)
    )
