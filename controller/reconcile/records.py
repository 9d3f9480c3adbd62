"""The build and run records of a status, after an action: texts as the public API has them.

Called by `status`. Pure; small functions from record and result to record.
"""

from collections.abc import Iterable
from datetime import datetime

from controller.backends.base import Applied, Build, BuildState
from controller.errors import EdgeError, Terminal
from controller.models.tooldeployment import (
    NO_IMAGE,
    BuildOrigin,
    BuildRecord,
    BuildStatus,
    JobChange,
    RunRecord,
    RunStatus,
)
from controller.reconcile import actions
from controller.reconcile.sources import BUILD_STATUS

__all__ = [
    "applied",
    "not_applied",
    "not_started",
    "resolved",
    "short_commits",
    "started",
    "subject",
]

_SHORT = 10

_CHANGES = {
    JobChange.CREATED: "created or updated job {name}",
    JobChange.UPDATED: "created or updated job {name}",
    JobChange.RESTARTED: "restarted job {name}",
    JobChange.UNCHANGED: "job {name} is already up to date",
}


def resolved(record: BuildRecord, result: actions.Resolved) -> BuildRecord:
    """The commit is pinned."""
    found = {"commit": result.commit, "ref": result.ref, "ref_warning": result.warning}
    return record.model_copy(update={**found, "build_long_status": ""})


def started(record: BuildRecord, build: Build) -> BuildRecord:
    """The build is known to the service."""
    waiting = "Not started yet" if build.state == BuildState.PENDING else ""
    return record.model_copy(
        update={
            "build_id": build.id,
            "build_status": BUILD_STATUS[build.state],
            "build_image": build.image or NO_IMAGE,
            "build_long_status": build.message or waiting,
            "origin": BuildOrigin.STARTED,
        }
    )


def not_started(record: BuildRecord, error: EdgeError) -> BuildRecord:
    """There is no build: its ref has no commit, or the service has no slot, failed, or refused."""
    status = BuildStatus.FAILED if isinstance(error, Terminal) else BuildStatus.PENDING
    return record.model_copy(update={"build_status": status, "build_long_status": error.message})


def applied(
    record: RunRecord, name: str, result: Applied, began: datetime, now: datetime
) -> RunRecord:
    """The job's definition is in place, at the earliest since `began`; if it runs is seen later."""
    text = _CHANGES[result.change].format(name=name)
    if result.messages:
        text += f", [info]({', '.join(result.messages)})"
    times = {"applied_at": began, "answered_at": now}
    return record.model_copy(update={"change": result.change, "run_long_status": text, **times})


def not_applied(record: RunRecord, error: EdgeError) -> RunRecord:
    """The service did not take the job."""
    status = RunStatus.FAILED if isinstance(error, Terminal) else RunStatus.PENDING
    return record.model_copy(update={"run_status": status, "run_long_status": error.message})


def subject(action: actions.Action) -> tuple[str, str]:
    """The component and the commit that an action is about ("" where there is none)."""
    match action:
        case actions.ResolveRef(component=name):
            return name, ""
        case actions.StartBuild(request=request):
            return request.component, request.commit
        case actions.ApplyJob(spec=spec):
            return spec.name, ""
        case actions.DeleteJob(name=name):
            return name, ""
        case _:
            return "", ""


def short_commits(builds: Iterable[BuildRecord]) -> str:
    """What a column can show: the first commit, shortened, and how many others there are."""
    commits = list(dict.fromkeys(record.commit[:_SHORT] for record in builds if record.commit))
    if not commits:
        return ""
    return commits[0] if len(commits) == 1 else f"{commits[0]} +{len(commits) - 1}"
