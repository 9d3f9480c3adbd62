"""A backend in memory and virtual time: builds take a while, jobs come up, crash or stay unhealthy.

A second implementation of `backends.base`, under the same contract suite as the real ones. What
goes wrong is data: `broken_builds`, `endless_builds`, `crashing`, `unhealthy` name commits.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from controller.backends.base import (
    Applied,
    Backend,
    Build,
    BuildRequest,
    BuildState,
    Job,
    JobKind,
    JobPhase,
    JobSpec,
    JobStatus,
)
from controller.errors import Transient, Waiting
from controller.models.reasons import Reason
from controller.models.tooldeployment import JobChange

Effect = Callable[[str], None]


def image_of(component: str, commit: str) -> str:
    """The image that a build of a commit gives."""
    return f"local/demo/{component}@sha256:{commit}"


@dataclass
class _Instance:
    spec: JobSpec
    begun: datetime


@dataclass
class _Stored:
    spec: JobSpec
    candidate: _Instance
    serving: _Instance | None = None


@dataclass
class FakeBackend:
    """Both halves of a backend. `effect(name)` is called before and after every change."""

    clock: Callable[[], datetime]
    effect: Effect = lambda _: None
    build_time: timedelta = timedelta(seconds=3)
    start_time: timedelta = timedelta(seconds=1)
    slots: int = 100
    away_until: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    broken_builds: set[str] = field(default_factory=set)
    endless_builds: set[str] = field(default_factory=set)
    crashing: set[str] = field(default_factory=set)
    unhealthy: set[str] = field(default_factory=set)
    started: list[BuildRequest] = field(default_factory=list)
    restarts: list[JobSpec] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.builds = FakeBuilds(self)
        self.jobs = FakeJobs(self)

    def live_builds(self, tool: str) -> tuple[Build, ...]:
        """The builds that are going at the moment."""
        return self.builds.live(tool)

    @property
    def backend(self) -> Backend:
        """Both halves, as the core takes them."""
        return Backend(self.builds, self.jobs)


class FakeBuilds:
    """Builds that take `build_time`, then are successful, or failed where the commit is broken."""

    def __init__(self, world: FakeBackend) -> None:
        self._world = world
        self._builds: dict[str, dict[str, Build]] = {}

    async def list(self, tool: str) -> list[Build]:
        """All builds, newest first."""
        if self._world.clock() < self._world.away_until:
            raise Transient(Reason.PLATFORM_UNAVAILABLE, "the build service does not answer")
        builds = [self._now(build) for build in self._builds.get(tool, {}).values()]
        return sorted(builds, key=lambda b: b.created_at, reverse=True)

    def live(self, tool: str) -> tuple[Build, ...]:
        """Those that are going."""
        known = [self._now(build) for build in self._builds.get(tool, {}).values()]
        return tuple(build for build in known if build.state.live)

    async def start(self, tool: str, request: BuildRequest) -> Build:
        """Start a build, or answer with the one that an equal request started."""
        builds = self._builds.setdefault(tool, {})
        build_id = f"{request.component}-{request.deployment}-{request.commit[:7]}"
        if build_id in builds:
            return self._now(builds[build_id])
        going = self.live(tool)
        if len(going) >= self._world.slots:
            message = f"Got too many builds running ({len(going)})"
            raise Waiting(Reason.BUILD_QUEUE_FULL, message, timedelta(seconds=2))
        self._world.effect("start build")
        self._world.started.append(request)
        builds[build_id] = Build(
            id=build_id,
            component=request.component,
            repository=request.repository,
            commit=request.commit,
            options=request.options,
            state=BuildState.PENDING,
            created_at=self._world.clock(),
            deployment=request.deployment,
        )
        self._world.effect("build started")
        return self._now(builds[build_id])

    async def cancel(self, tool: str, build_id: str) -> None:
        """Stop a build that is still going."""
        build = self._builds.get(tool, {}).get(build_id)
        if build is not None and self._now(build).state.live:
            self._world.effect("cancel build")
            self._builds[tool][build_id] = replace(build, state=BuildState.CANCELLED)
            self._world.effect("build cancelled")

    async def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        """One line."""
        yield f"log of {build_id}"

    def _now(self, build: Build) -> Build:
        if build.state != BuildState.PENDING:
            return build
        age = self._world.clock() - build.created_at
        if age < self._world.build_time / 3:
            return build
        if age < self._world.build_time or build.commit in self._world.endless_builds:
            return replace(build, state=BuildState.RUNNING)
        if build.commit in self._world.broken_builds:
            return replace(build, state=BuildState.FAILED, log_tail=("error: it is broken",))
        image = image_of(build.component, build.commit)
        return replace(build, state=BuildState.SUCCESSFUL, image=image)


class FakeJobs:
    """Jobs that come up after `start_time`; the older one serves until the newer is healthy."""

    def __init__(self, world: FakeBackend) -> None:
        self._world = world
        self._jobs: dict[str, dict[str, _Stored]] = {}

    async def list(self, tool: str) -> list[Job]:
        """All jobs with what is known of their newest instances."""
        return [self._job(stored) for stored in self._jobs.get(tool, {}).values()]

    async def apply(self, tool: str, spec: JobSpec) -> Applied:
        """Create, update or restart, or leave alone."""
        jobs = self._jobs.setdefault(tool, {})
        stored = jobs.get(spec.name)
        if stored is not None and stored.spec == spec:
            return Applied(JobChange.UNCHANGED)
        self._world.effect("apply job")
        fresh = _Instance(spec, self._world.clock())
        if stored is None:
            jobs[spec.name] = _Stored(spec, fresh)
            change = JobChange.CREATED
        else:
            change = self._replace(jobs, stored, fresh)
        self._world.effect("job applied")
        return Applied(change)

    async def delete(self, tool: str, name: str) -> None:
        """Remove a job."""
        if name in self._jobs.get(tool, {}):
            self._world.effect("delete job")
            del self._jobs[tool][name]
            self._world.effect("job deleted")

    async def log(
        self, tool: str, name: str, *, follow: bool = False, lines: int = 500
    ) -> AsyncIterator[str]:
        """One line."""
        yield f"log of {name}"

    def begun(self, tool: str, name: str) -> datetime:
        """When the instance that does the work was started: a process id, as it were."""
        stored = self._jobs[tool][name]
        return (stored.serving or stored.candidate).begun

    def _replace(self, jobs: dict[str, _Stored], stored: _Stored, fresh: _Instance) -> JobChange:
        serving = self._serving(stored)
        if serving is not None and serving.spec == fresh.spec:
            jobs[fresh.spec.name] = _Stored(serving.spec, serving)
            return JobChange.UPDATED
        self._world.restarts.append(fresh.spec)
        good = serving or (stored.candidate if self._good(stored.candidate) else None)
        jobs[fresh.spec.name] = _Stored(fresh.spec, fresh, good)
        same = replace(stored.spec, restart_id=fresh.spec.restart_id) == fresh.spec
        return JobChange.RESTARTED if same else JobChange.UPDATED

    def _serving(self, stored: _Stored) -> _Instance | None:
        return None if self._good(stored.candidate) else stored.serving

    def _good(self, instance: _Instance) -> bool:
        commit = instance.spec.image.rpartition(":")[2]
        up = self._world.clock() - instance.begun >= self._world.start_time
        return up and commit not in self._world.crashing | self._world.unhealthy

    def _job(self, stored: _Stored) -> Job:
        serving = self._serving(stored)
        return Job(
            name=stored.spec.name,
            kind=stored.spec.kind,
            spec=stored.spec,
            status=self._status(stored.candidate),
            serving=serving.spec if serving else None,
            owned=True,
        )

    def _status(self, instance: _Instance) -> JobStatus:
        if instance.spec.kind == JobKind.SCHEDULED:
            return JobStatus(JobPhase.INSTALLED, since=instance.begun)
        up_since = instance.begun + self._world.start_time
        if self._world.clock() < up_since:
            return JobStatus(JobPhase.PENDING, since=instance.begun)
        commit = instance.spec.image.rpartition(":")[2]
        if commit in self._world.crashing:
            trouble, tail = Reason.CRASH_LOOP, ("Traceback: it is broken",)
            return JobStatus(
                JobPhase.DOWN, up_since, 3, trouble=trouble, messages=("exit 1",), log_tail=tail
            )
        return JobStatus(JobPhase.UP, up_since, healthy=commit not in self._world.unhealthy)
