"""All reads for one tool, made into one frozen value. Writes nothing, decides nothing."""

import asyncio

from controller.backends.base import Backend
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
    builds, jobs = await asyncio.gather(backend.builds.list(tool), backend.jobs.list(tool))
    return Observed(
        tool, policy, config, problems, unfinished, finished, tuple(builds), tuple(jobs)
    )
