"""The contract of a backend: builds and jobs, as the core sees them.

`Builds` turns a pinned commit into an image; `Jobs` keeps components running. Implemented by
`backends.local` and `backends.toolforge`; the contract suite in `tests/contract/backends` runs
against each. Only data and Protocols may be put here.

Errors of every call: `errors.Waiting`, `errors.Transient`, `errors.Terminal`; anything else is a
bug. Every call may be repeated: after a crash the core does not know whether its last call arrived.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from controller.models.reasons import Reason
from controller.models.toolconfig import ContinuousRun, ScheduledRun
from controller.models.tooldeployment import JobChange


class BuildState(StrEnum):
    """What a build service says of a build."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    UNKNOWN = "unknown"

    @property
    def live(self) -> bool:
        """Whether it may still become successful."""
        return self in (BuildState.PENDING, BuildState.RUNNING, BuildState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """Settings of a build that change its result."""

    use_latest_versions: bool = False
    use_deprecated_versions: bool = False


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """Build `commit` (a full SHA, resolved from `ref`) of `repository` for `component`.

    `deployment` is the id of the deployment that asks. It is part of the identity: asking twice
    for the same component, source, options and deployment is one build. `credentials` names the
    Secret of the tool that the repository is read with, "" for none.
    """

    component: str
    repository: str
    ref: str
    commit: str
    options: BuildOptions
    deployment: str
    credentials: str = ""


@dataclass(frozen=True, slots=True)
class Build:
    """A build as the service shows it.

    `image` names immutable content (ends in a digest) and is set exactly when successful.
    `deployment` is the id of the one that asked for it, "" for a build that none of ours asked for.
    `log_tail` is filled for failed builds.
    """

    id: str
    component: str
    repository: str
    commit: str
    options: BuildOptions
    state: BuildState
    created_at: datetime
    finished_at: datetime | None = None
    image: str | None = None
    deployment: str = ""
    message: str = ""
    log_tail: tuple[str, ...] = ()


class JobKind(StrEnum):
    """What keeps a job going: itself, or the clock."""

    CONTINUOUS = "continuous"
    SCHEDULED = "scheduled"


@dataclass(frozen=True, slots=True)
class JobSpec:
    """What a component's job should be.

    `restart_id` names the deployment that last changed or restarted the job: a job whose stored
    spec differs in nothing but the restart_id is restarted, once. A service that stores no such id
    (its jobs have `spec` None) restarts an otherwise unchanged job when it is not "". `turn_began`:
    since when that deployment alone changes jobs, so that such a service can tell by a job's age
    whether it was restarted for it. It is no part of what the job is: specs are equal without it.
    """

    name: str
    image: str
    run: ContinuousRun | ScheduledRun
    restart_id: str = ""
    turn_began: datetime | None = field(default=None, compare=False)

    @property
    def kind(self) -> JobKind:
        """Continuous or scheduled, by the shape of `run`."""
        return JobKind.SCHEDULED if isinstance(self.run, ScheduledRun) else JobKind.CONTINUOUS


class JobPhase(StrEnum):
    """Where the newest instances of a job are.

    INSTALLED: a scheduled job that the clock knows. PENDING: not all replicas up yet.
    UP: all replicas of the stored spec run. DOWN: stopped or crashed, and in the backoff
    before the next start. UNKNOWN: the service cannot tell at the moment.
    """

    INSTALLED = "installed"
    PENDING = "pending"
    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class JobStatus:
    """Facts about the newest instances of a job (of the spec stored last, never of older ones).

    `since`: when the present phase began. `healthy`: whether the health check has passed on all of
    the newest instances (None: there is no check). `restarts`: how often the newest instances
    ended by themselves. `trouble`: set when it will not come up without a change
    (crash loop, quota, image), with the evidence in `messages` and `log_tail`. `outlook`: what the
    backend will do next by itself; it is told while that is waited for, and not of a failure.
    """

    phase: JobPhase
    since: datetime | None = None
    restarts: int = 0
    healthy: bool | None = None
    trouble: Reason | None = None
    messages: tuple[str, ...] = ()
    log_tail: tuple[str, ...] = ()
    outlook: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the backend shows it.

    `spec` is the stored definition where it can be compared with a wanted one, else None.
    `serving` is the older definition whose instances still do the work until the new one is
    healthy (None when `spec` itself does). `owned`: a deployment of ours created it
    (None: the backend cannot tell).
    """

    name: str
    kind: JobKind
    spec: JobSpec | None
    status: JobStatus
    serving: JobSpec | None = None
    owned: bool | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """What `Jobs.apply` did, with the service's own words."""

    change: JobChange
    messages: tuple[str, ...] = ()


class Builds(Protocol):
    """A build service."""

    async def list(self, tool: str) -> Sequence[Build]:
        """All builds of a tool that the service still knows, newest first."""
        ...

    async def start(self, tool: str, request: BuildRequest) -> Build:
        """Start a build, or return the one that an equal request started before.

        Raises Waiting (no free slot) or Terminal (refused, with the service's words).
        """
        ...

    async def cancel(self, tool: str, build_id: str) -> None:
        """Stop a build. Unknown or finished builds are no error."""
        ...

    def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        """The build's log, line by line; with `follow` until the build ends."""
        ...


class Jobs(Protocol):
    """What runs components."""

    async def list(self, tool: str) -> Sequence[Job]:
        """All jobs of a tool, with their status."""
        ...

    async def apply(self, tool: str, spec: JobSpec) -> Applied:
        """Create or update a job so that it becomes `spec`; answers before it is up.

        An equal stored spec leaves it alone: same process, same pod. Applying the spec that is
        still `serving` drops the newer one that has not taken over.
        """
        ...

    async def delete(self, tool: str, name: str) -> None:
        """Stop and remove a job. An unknown job is no error."""
        ...

    def log(
        self, tool: str, name: str, *, follow: bool = False, lines: int = 500
    ) -> AsyncIterator[str]:
        """The last `lines` lines of a job's output, then, with `follow`, what is added."""
        ...


@dataclass(frozen=True, slots=True)
class Backend:
    """A build service and a jobs service that belong together."""

    builds: Builds
    jobs: Jobs
