"""What a change of status is worth telling: Kubernetes Events, as pure data.

Called by `reconciler` after a patch succeeded: what a person reading `kubectl describe` would want
to see, in few events.
"""

from dataclasses import dataclass

from controller.models.tooldeployment import (
    BuildOrigin,
    JobChange,
    State,
    ToolDeploymentStatus,
)
from controller.reconcile import words

__all__ = ["News", "news_of"]

_VERBS = {
    BuildOrigin.STARTED: "is built by",
    BuildOrigin.JOINED: "waits for the build",
    BuildOrigin.REUSED: "uses the build",
}
_CHANGES = {
    JobChange.CREATED: "created",
    JobChange.UPDATED: "updated",
    JobChange.RESTARTED: "restarted",
    JobChange.UNCHANGED: "left alone",
}


@dataclass(frozen=True, slots=True)
class News:
    """An Event to be: `warning` is its type, `reason` a CamelCase word."""

    reason: str
    message: str
    warning: bool = False


def news_of(old: ToolDeploymentStatus, new: ToolDeploymentStatus) -> tuple[News, ...]:
    """What happened between two states of one deployment: at most one event of each sort.

    Twenty components are one event, not twenty: each is a write to the control plane.
    """
    found = (_waiting(old, new), _ambiguous(old, new), _builds(old, new), _end(old, new))
    return tuple(news for news in found if news is not None)


def _waiting(old: ToolDeploymentStatus, new: ToolDeploymentStatus) -> News | None:
    begins = new.queue_position and not old.queue_position
    return News("Waiting", new.message) if begins else None


def _ambiguous(old: ToolDeploymentStatus, new: ToolDeploymentStatus) -> News | None:
    told = [
        f"{name}: {build.ref_warning}"
        for name, build in new.builds.items()
        if build.ref_warning and not (name in old.builds and old.builds[name].ref_warning)
    ]
    return News("RefAmbiguous", words.few(told), warning=True) if told else None


def _builds(old: ToolDeploymentStatus, new: ToolDeploymentStatus) -> News | None:
    told, started = [], False
    for name, build in new.builds.items():
        known = name in old.builds and old.builds[name].origin is not None
        if build.origin is None or known:
            continue
        started = started or build.origin == BuildOrigin.STARTED
        verb = _VERBS[build.origin]
        told.append(f"{name} {verb} {build.build_id} of {build.commit[:10]}")
    return News("BuildStarted" if started else "BuildReused", words.few(told)) if told else None


def _end(old: ToolDeploymentStatus, new: ToolDeploymentStatus) -> News | None:
    if not new.status.final or old.status.final:
        return None
    good = new.status == State.SUCCESSFUL
    reason = new.reason.value if new.reason else new.status.value.capitalize()
    jobs = [f"{name} {_CHANGES[run.change]}" for name, run in new.runs.items() if run.change]
    jobs += [f"{name} removed" for name in new.removed_jobs]
    message = f"{new.message} ({words.some(jobs)})" if jobs else new.message
    return News(reason, message, warning=not good and new.status != State.CANCELLED)
