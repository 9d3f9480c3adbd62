"""The calls of jobs-api that `jobs` and `rolling` need, typed. Decides nothing."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from controller.backends.toolforge import definition, errors
from controller.backends.toolforge.client import Client, part

Seen = Mapping[str, Any]
"""A job as the service shows it, with all its fields."""

_DELETE = timedelta(seconds=40)  # the service waits up to 30 s for pods to end
_PODS = "Total running jobs at once (Kubernetes pods)"


@dataclass(frozen=True, slots=True)
class Patched:
    """Whether a PATCH changed something, and what the service said."""

    changed: bool
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobsApi:
    """One method per call; refusals are raised as outcomes."""

    client: Client

    async def jobs(self, tool: str) -> list[dict[str, Any]]:
        """All jobs of a tool."""
        answer = await self.client.ask("jobs", "GET", tool, "/jobs/")
        if not answer.ok:
            raise errors.of_jobs(answer)
        return answer.part("jobs", list)

    async def job(self, tool: str, name: str, query: str = "") -> dict[str, Any] | None:
        """One job; None where there is none."""
        answer = await self.client.ask("jobs", "GET", tool, f"/jobs/{part(name)}{query}")
        if answer.status == 404:
            return None
        if not answer.ok:
            raise errors.of_jobs(answer)
        return answer.part("job", dict)

    async def stored(self, tool: str, name: str) -> dict[str, Any] | None:
        """A job's definition as it can be sent again."""
        job = await self.job(tool, name, "?include_unset=false")
        return None if job is None else definition.stored(job)

    async def seen_and_stored(
        self, tool: str, name: str
    ) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Both views of one job; both None where it is not there or going away."""
        seen, stored = await asyncio.gather(self.job(tool, name), self.stored(tool, name))
        return (None, None) if seen is None or stored is None else (seen, stored)

    async def patch(self, tool: str, body: Mapping[str, Any], shape: str = "") -> Patched:
        """Create or update; `shape` is the kind of job whose problems are told."""
        answer = await self.client.ask("jobs", "PATCH", tool, "/jobs/", send=body)
        if not answer.ok:
            raise errors.of_jobs(answer, shape)
        messages = answer.part("messages", dict)
        levels = ("info", "warning", "error")
        said = tuple(str(text) for level in levels for text in messages.get(level) or ())
        return Patched(answer.part("job_changed", bool), said)

    async def restart(self, tool: str, name: str) -> None:
        """Replace the pods of a continuous job, run a scheduled one now."""
        answer = await self.client.ask("jobs", "POST", tool, f"/jobs/{part(name)}/restart")
        if not answer.ok:
            raise errors.of_jobs(answer)
        errors.confirmed(answer)

    async def delete(self, tool: str, name: str) -> None:
        """Remove a job, when its pods are gone; an unknown one is no error."""
        path = f"/jobs/{part(name)}"
        answer = await self.client.ask("jobs", "DELETE", tool, path, timeout=_DELETE)
        if answer.status == 404:
            return
        if not answer.ok:
            raise errors.of_jobs(answer)
        errors.confirmed(answer)

    async def pods(self, tool: str) -> int | None:
        """How many pods the tool has, those of everything; None where that is not told."""
        answer = await self.client.ask("jobs", "GET", tool, "/quotas")
        if not answer.ok:
            raise errors.of_jobs(answer)
        for category in answer.part("quota", dict).get("categories") or ():
            for item in category.get("items") or ():
                if item.get("name") == _PODS and str(item.get("used")).isdecimal():
                    return int(item["used"])
        return None

    async def log(
        self, tool: str, name: str, *, follow: bool = False, lines: int = 500
    ) -> AsyncIterator[str]:
        """The texts of a job's log; nothing where there is no log."""
        path = f"/jobs/{part(name)}/logs?lines={lines}&follow={str(follow).lower()}"
        async for line in self.client.lines("jobs", tool, path, follow=follow):
            if isinstance(line, errors.Answer):
                if line.status == 404:
                    return
                raise errors.of_jobs(line)
            yield _text(line)


def _text(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    return str(entry.get("message", line)) if isinstance(entry, dict) else line
