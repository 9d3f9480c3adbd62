"""Keyword builders with defaults, so that a test names only what it is about.

`config(web=component(...))`, `deployment("d1", started=True)`, `build("web")`, `job("web")`.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.backends.base import (
    Build,
    BuildOptions,
    BuildState,
    Job,
    JobPhase,
    JobSpec,
    JobStatus,
)
from controller.models.meta import ObjectMeta, namespace_of
from controller.models.refs import RefPolicy
from controller.models.summary import DeploymentSummary
from controller.models.toolconfig import (
    Component,
    ContinuousComponent,
    ContinuousRun,
    ReuseBuild,
    ScheduledComponent,
    ScheduledRun,
    SourceBuild,
    ToolConfigSpec,
)
from controller.models.tooldeployment import (
    State,
    ToolDeployment,
    ToolDeploymentSpec,
    ToolDeploymentStatus,
    Trigger,
    TriggerSpec,
)
from controller.reconcile.observed import Observed, Policy

TOOL = "demo"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
COMMIT = "a" * 40
NEWER = "b" * 40
REPOSITORY = "https://git.example.org/demo.git"
BUILT = {
    "web": {
        "commit": COMMIT,
        "build_id": "build-web-d1",
        "build_status": "successful",
        "build_image": f"local/demo/web@sha256:{COMMIT}",
    }
}
"""The builds of a status whose only component has its image."""


def ago(seconds: float) -> datetime:
    """A moment before NOW."""
    return NOW - timedelta(seconds=seconds)


def component(
    repository: str = REPOSITORY, ref: str | RefPolicy = "main", **run: Any
) -> ContinuousComponent:
    """A continuous component that is built from a repository."""
    return ContinuousComponent(
        build=SourceBuild(repository=repository, ref=ref),
        run=ContinuousRun(**({"command": "serve"} | run)),
    )


def scheduled(reuse_from: str, **run: Any) -> ScheduledComponent:
    """A scheduled component that reuses another's build."""
    return ScheduledComponent(
        build=ReuseBuild(reuse_from=reuse_from),
        run=ScheduledRun(**({"command": "report", "schedule": "@daily"} | run)),
    )


def config(prune: bool = True, **components: Component) -> ToolConfigSpec:
    """A tool's config; one component `web` unless others are given."""
    return ToolConfigSpec(components=components or {"web": component()}, prune=prune)


def deployment(
    name: str = "d1",
    *,
    created: datetime = NOW,
    trigger: Trigger = Trigger.MANUAL,
    commits: Mapping[str, str] | None = None,
    status: Mapping[str, Any] | None = None,
    **spec: Any,
) -> ToolDeployment:
    """A deployment; keyword arguments are fields of its spec, `status` those of its status."""
    return ToolDeployment(
        metadata=ObjectMeta(
            name=name, namespace=namespace_of(TOOL), uid=f"uid-{name}", creation_timestamp=created
        ),
        spec=ToolDeploymentSpec(
            trigger=TriggerSpec(kind=trigger, commits=dict(commits or {})), **spec
        ),
        status=ToolDeploymentStatus(**(status or {})),
    )


def started(at: datetime = NOW, **status: Any) -> dict[str, Any]:
    """The status fields of a deployment that has begun."""
    return {
        "status": "running",
        "started_at": at,
        "deadline": at + timedelta(hours=1),
        "tool_config": config(),
    } | status


def finished(
    name: str = "d0",
    *,
    created: datetime = NOW,
    components: tuple[str, ...] = ("web",),
    history: bool = False,
    state: State = State.SUCCESSFUL,
) -> DeploymentSummary:
    """What is remembered of a finished deployment."""
    return DeploymentSummary(
        name=name,
        uid=f"uid-{name}",
        version=1,
        state=state,
        created_at=created,
        finished_at=created,
        trigger=Trigger.MANUAL,
        reason=None,
        commits=(),
        components=components,
        applied=components,
        history=history,
    )


def build(
    name: str = "web",
    state: BuildState = BuildState.SUCCESSFUL,
    *,
    commit: str = COMMIT,
    by: str = "d0",
    created: datetime = NOW,
    build_id: str = "",
    **more: Any,
) -> Build:
    """A build, successful unless said otherwise, started by an earlier deployment."""
    image = f"local/demo/{name}@sha256:{commit}" if state == BuildState.SUCCESSFUL else None
    return Build(
        id=build_id or f"build-{name}-{by}",
        component=name,
        repository=more.pop("repository", REPOSITORY),
        commit=commit,
        options=BuildOptions(),
        state=state,
        created_at=created,
        image=image,
        deployment=by,
        **more,
    )


def job(
    name: str = "web",
    phase: JobPhase = JobPhase.UP,
    *,
    spec: JobSpec | None = None,
    since: datetime | None = None,
    serving: JobSpec | None = None,
    owned: bool | None = True,
    **status: Any,
) -> Job:
    """A job that has been up for a minute, unless said otherwise."""
    stored = spec or job_spec(name)
    return Job(
        name=name,
        kind=stored.kind,
        spec=stored,
        status=JobStatus(phase=phase, since=since or ago(60), **status),
        serving=serving,
        owned=owned,
    )


def job_spec(name: str = "web", commit: str = COMMIT, restart_id: str = "", **run: Any) -> JobSpec:
    """The definition that the default component's job has."""
    return JobSpec(
        name,
        f"local/demo/{name}@sha256:{commit}",
        ContinuousRun(**({"command": "serve"} | run)),
        restart_id,
    )


def observed(*deployments: ToolDeployment, **fields: Any) -> Observed:
    """A world with a default config; keyword arguments are fields of Observed."""
    values: dict[str, Any] = {"tool": TOOL, "policy": Policy(), "config": config()} | fields
    return Observed(unfinished=deployments, **values)
