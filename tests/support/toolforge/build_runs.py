"""The simulated builds behind the stand-in of builds-api: what Tekton and git would do.

A build's state is a function of the clock. Words in its ref or repository decide how it ends:
`fail`, `hang` (never ends), `nodigest` (succeeds without naming a digest).
"""

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.support.toolforge.clock import rfc3339
from tests.support.toolforge.registry import Registry

Resolver = Callable[[str, str], Awaitable[str]]
"""Repository and ref to a commit, "" when there is none; as `git ls-remote | head -1` does it."""

RUNNING = ("BUILD_PENDING", "BUILD_RUNNING")


@dataclass
class Refs:
    """Repositories as `git ls-remote` sees them; unknown ones have every branch.

    The real service takes the first line of `git ls-remote <url> <ref>`, which matches by the tail
    of a path, in alphabetic order: `main` also finds `refs/heads/feature/main`.
    """

    known: dict[str, dict[str, str]] = field(default_factory=dict)

    async def __call__(self, repository: str, ref: str) -> str:
        """The commit, or "" where git would print nothing."""
        if repository in self.known:
            for name, commit in sorted(self.known[repository].items()):
                if name == ref or name.endswith("/" + ref) or (ref == "HEAD" and name == "HEAD"):
                    return commit
            return ""
        if re.fullmatch("[0-9a-f]{40}", ref) or ref.startswith("refs/tags/"):
            return ""
        return commit_of(repository, ref)


def commit_of(repository: str, ref: str) -> str:
    """The commit that a branch of an unknown repository has."""
    branch = ref.removeprefix("refs/heads/")
    return hashlib.sha1(f"{repository} {branch}".encode(), usedforsecurity=False).hexdigest()


@dataclass
class Pace:
    """How long things take, in simulated seconds."""

    pending: float = 0.5
    building: float = 4.0
    cancelling: float = 0.5


@dataclass
class Run:
    """One build."""

    id: str
    tool: str
    parameters: Mapping[str, Any]
    commit: str
    created: datetime
    pace: Pace
    registry: Registry
    cancelled: datetime | None = None
    _pushed: str = ""

    @property
    def image(self) -> str:
        """Where the image goes."""
        return f"tool-{self.tool}/{self.parameters['image_name']}"

    def ends_at(self) -> datetime | None:
        """When it ends by itself."""
        if self._word("hang"):
            return None
        return self.created + timedelta(seconds=self.pace.pending + self.pace.building)

    def ended_at(self, now: datetime) -> datetime | None:
        """When it ended, if it did."""
        ends = [at for at in (self.ends_at(), self._stops_at()) if at is not None]
        end = min(ends, default=None)
        return end if end is not None and end <= now else None

    def status(self, now: datetime) -> str:
        """The status word."""
        ended = self.ended_at(now)
        if ended is None:
            begun = self.created + timedelta(seconds=self.pace.pending)
            return "BUILD_PENDING" if now < begun else "BUILD_RUNNING"
        if ended == self._stops_at():
            return "BUILD_CANCELLED"
        return "BUILD_FAILURE" if self._word("fail") else "BUILD_SUCCESS"

    def message(self, now: datetime) -> str:
        """What the service says about it."""
        hint = f"You can see the logs with `toolforge build logs {self.id}`"
        return {
            "BUILD_FAILURE": f"Tasks Completed: 1 (Failed: 1, Cancelled 0), Skipped: 0. {hint}",
            "BUILD_CANCELLED": f'PipelineRun "{self.id}" was cancelled. {hint}',
        }.get(self.status(now), "")

    def shown(self, now: datetime) -> dict[str, Any]:
        """As the service shows it."""
        status, ended = self.status(now), self.ended_at(now)
        image = f"{self.registry.host}/{self.image}:latest"
        if status == "BUILD_SUCCESS" and not self._word("nodigest"):
            self._pushed = self._pushed or self.registry.push(self.image, self.digest())
            image = self._pushed
        return {
            "build_id": self.id,
            "status": status,
            "message": self.message(now),
            "start_time": "" if status == "BUILD_PENDING" else rfc3339(self.created),
            "end_time": rfc3339(ended) if ended else "",
            "resolved_ref": self.commit,
            "destination_image": image,
            "parameters": dict(self.parameters),
        }

    def digest(self) -> str:
        """Every build of every commit has its own content."""
        return "sha256:" + hashlib.sha256(f"{self.id} {self.commit}".encode()).hexdigest()

    def lines(self, now: datetime) -> list[str]:
        """The log so far."""
        at = rfc3339(self.created)
        lines = [f"[step-clone] {at} cloning {self.parameters['source_url']} at {self.commit}"]
        if self.status(now) != "BUILD_PENDING":
            lines.append(f"[step-build] {at} building {self.parameters['image_name']}")
        ends = {
            "BUILD_SUCCESS": "Built image",
            "BUILD_FAILURE": "ERROR: failed to build: exit status 1",
            "BUILD_CANCELLED": "cancelled",
        }
        if (status := self.status(now)) in ends:
            lines.append(f"[step-build] {at} {ends[status]}")
        return lines

    def _stops_at(self) -> datetime | None:
        return self.cancelled + timedelta(seconds=self.pace.cancelling) if self.cancelled else None

    def _word(self, word: str) -> bool:
        return word in str(self.parameters.get("ref")) or word in self.parameters["source_url"]


def prune(runs: list[Run], now: datetime, keep_good: int, keep_bad: int) -> list[Run]:
    """What is left of a tool's runs at the start of the next: all that go, few that ended."""
    kept: list[Run] = []
    good = bad = 0
    for run in sorted(runs, key=lambda run: run.created, reverse=True):
        status = run.status(now)
        if status in RUNNING:
            kept.append(run)
        elif status == "BUILD_SUCCESS":
            good += 1
            kept += [run] if good <= keep_good else []
        else:
            bad += 1
            kept += [run] if bad <= keep_bad else []
    return kept
