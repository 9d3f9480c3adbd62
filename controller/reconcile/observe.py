"""All reads for one tool, made into one frozen value. Writes nothing, decides nothing."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from controller.backends.base import Backend
from controller.errors import EdgeError
from controller.reconcile.observed import Observed, Policy
from controller.reconcile.ports import Objects

__all__ = ["observe"]

T = TypeVar("T")


async def observe(tool: str, objects: Objects, backend: Backend, policy: Policy) -> Observed:
    """What there is of a tool. The backends are asked only while a deployment is under way."""
    unfinished = tuple(objects.unfinished(tool))
    finished = tuple(objects.finished(tool))
    config, problems = objects.config_of(tool)
    if not unfinished:
        return Observed(tool, policy, config, problems, finished=finished)
    (builds, no_builds), (jobs, no_jobs) = await asyncio.gather(
        _seen(backend.builds.list(tool)), _seen(backend.jobs.list(tool))
    )
    blind = no_builds or no_jobs
    return Observed(tool, policy, config, problems, unfinished, finished, builds, jobs, blind)


async def _seen(listing: Awaitable[Sequence[T]]) -> tuple[tuple[T, ...], str]:
    """What a backend shows, or why it shows nothing.

    Deadlines and cancels hold also while a backend is away: the core decides without it, and what
    the other one shows can still be undone.
    """
    try:
        return tuple(await listing), ""
    except EdgeError as error:
        return (), error.message or error.reason
