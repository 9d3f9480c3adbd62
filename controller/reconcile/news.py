"""What a change of status is worth telling: Kubernetes Events, as pure data.

Called by `reconciler` after a patch succeeded. One event per transition that a person reading
`kubectl describe` would want to see.
"""

from dataclasses import dataclass

from controller.models.tooldeployment import (
    NO_BUILD_ID,
    BuildStatus,
    JobChange,
    State,
    ToolDeploymentStatus,
)

__all__ = ["News", "news_of"]


@dataclass(frozen=True, slots=True)
class News:
    """An Event to be: `warning` is its type, `reason` a CamelCase word."""

    reason: str
    message: str
    warning: bool = False


def news_of(old: ToolDeploymentStatus, new: ToolDeploymentStatus) -> tuple[News, ...]:
    """What happened between two states of one deployment."""
    return tuple(
        _begin(old, new) + _builds(old, new) + _jobs(old, new) + _removed(old, new) + _end(old, new)
    )


def _begin(old: ToolDeploymentStatus, new: ToolDeploymentStatus) -> list[News]:
    if new.queue_position and not old.queue_position:
        return [News("Waiting", new.message)]
    if new.started_at is not None and old.started_at is None:
        return [News("Started", "its turn has come")]
    return []


def _builds(old: ToolDeploymentStatus, new: ToolDeploymentStatus) -> list[News]:
    news = []
    for name, build in new.builds.items():
        before = old.builds.get(name)
        known = before is not None and before.build_id != NO_BUILD_ID
        if build.commit and not (before and before.commit) and build.ref_warning:
            news.append(News("RefAmbiguous", f"{name}: {build.ref_warning}", warning=True))
        if build.commit and build.build_id != NO_BUILD_ID and not known:
            reused = build.build_status == BuildStatus.SKIPPED
            verb = "uses the existing build" if reused else "is built by"
            reason = "BuildReused" if reused else "BuildStarted"
            news.append(News(reason, f"{name} {verb} {build.build_id} of {build.commit[:10]}"))
    return news


def _jobs(old: ToolDeploymentStatus, new: ToolDeploymentStatus) -> list[News]:
    news = []
    for name, run in new.runs.items():
        before = old.runs.get(name)
        known = before is not None and before.change is not None
        if run.change is not None and not known:
            quiet = run.change == JobChange.UNCHANGED
            reason = "JobLeftAlone" if quiet else f"Job{run.change.value.capitalize()}"
            news.append(News(reason, run.run_long_status or f"job {name} is already up to date"))
    return news


def _removed(old: ToolDeploymentStatus, new: ToolDeploymentStatus) -> list[News]:
    gone = [name for name in new.removed_jobs if name not in old.removed_jobs]
    return [News("JobRemoved", f"job {name}: its component left the config") for name in gone]


def _end(old: ToolDeploymentStatus, new: ToolDeploymentStatus) -> list[News]:
    if not new.status.final or old.status.final:
        return []
    good = new.status == State.SUCCESSFUL
    reason = new.reason.value if new.reason else new.status.value.capitalize()
    return [News(reason, new.message, warning=not good and new.status != State.CANCELLED)]
