"""The build half of a plan: which build serves which component.

Called by `plan`. Pure: it finds builds by what they are made of, so that one that was started just
before a crash is found again, and says what is missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from controller.backends.base import Build, BuildOptions, BuildRequest, BuildState
from controller.models import terminal
from controller.models.reasons import EXPLANATIONS, Reason
from controller.models.toolconfig import ReuseBuild, SourceBuild, ToolConfigSpec
from controller.models.tooldeployment import (
    NO_BUILD_ID,
    NO_BUILD_NEEDED,
    NO_IMAGE,
    BuildOrigin,
    BuildRecord,
    BuildStatus,
    Failure,
    ToolDeployment,
)
from controller.reconcile import actions
from controller.reconcile.observed import Observed

__all__ = ["BUILD_STATUS", "BuildView", "failure_of", "image_of", "look_at_builds"]

BUILD_STATUS = {
    BuildState.PENDING: BuildStatus.PENDING,
    BuildState.RUNNING: BuildStatus.RUNNING,
    BuildState.UNKNOWN: BuildStatus.UNKNOWN,
    BuildState.SUCCESSFUL: BuildStatus.SUCCESSFUL,
    BuildState.FAILED: BuildStatus.FAILED,
    BuildState.TIMED_OUT: BuildStatus.FAILED,
    BuildState.CANCELLED: BuildStatus.CANCELLED,
}
_BAD_ENDS = {
    BuildState.FAILED: Reason.BUILD_FAILED,
    BuildState.TIMED_OUT: Reason.BUILD_TIMED_OUT,
    BuildState.CANCELLED: Reason.BUILD_CANCELLED,
}


@dataclass(frozen=True, slots=True)
class BuildView:
    """What is known of one component's build, and what is to be done about it."""

    record: BuildRecord
    action: actions.ResolveRef | actions.StartBuild | None = None
    failure: Failure | None = None

    @property
    def ready(self) -> bool:
        """Whether there is an image, or another component's will be used."""
        return self.record.build_id == NO_BUILD_NEEDED or self.record.build_image != NO_IMAGE


def look_at_builds(
    observed: Observed, deployment: ToolDeployment, config: ToolConfigSpec, now: datetime
) -> Mapping[str, BuildView]:
    """The build of every component of the config, in the config's order."""
    views = {}
    for name, component in config.components.items():
        record = deployment.status.builds.get(name, BuildRecord())
        if isinstance(component.build, ReuseBuild):
            views[name] = BuildView(_reused(component.build.reuse_from))
        else:
            views[name] = _look(observed, deployment, name, component.build, record, now)
    return views


def image_of(config: ToolConfigSpec, views: Mapping[str, BuildView], component: str) -> str:
    """The image that a component runs, once all builds are ready."""
    return views[config.source_of(component)].record.build_image


def failure_of(
    reason: Reason, message: str, component: str = "", commit: str = "", hint: str = ""
) -> Failure:
    """A failure with the owner and, unless given, the hint that belong to its reason."""
    explanation = EXPLANATIONS[reason]
    return Failure(
        reason=reason,
        owner=explanation.owner,
        message=message,
        hint=hint or explanation.hint.replace("COMPONENT", component or "COMPONENT"),
        component=component,
        commit=commit,
    )


def _reused(origin: str) -> BuildRecord:
    return BuildRecord(
        build_id=NO_BUILD_NEEDED,
        build_status=BuildStatus.SKIPPED,
        build_long_status=f"Component re-uses build from {origin}",
    )


def _look(
    observed: Observed,
    deployment: ToolDeployment,
    name: str,
    source: SourceBuild,
    record: BuildRecord,
    now: datetime,
) -> BuildView:
    if record.build_image != NO_IMAGE:
        return BuildView(record)  # a finished result is never looked at again
    commit = record.commit or deployment.spec.trigger.commits.get(name, "")
    if not commit:
        secret = source.credentials or ""
        resolve = actions.ResolveRef(name, source.repository, source.ref_text, secret)
        return BuildView(record, resolve)
    ref = record.ref or deployment.spec.trigger.refs.get(name, "")
    record = record.model_copy(update={"commit": commit, "ref": ref})
    request = _request(deployment, name, source, record)
    build = _recorded(observed, record, request) or _find(
        observed, request, force=deployment.spec.force_build
    )
    if build is not None:
        # By our own clock, which may not be the service's: it cannot have been going for longer.
        began = max(build.created_at, deployment.status.started_at or build.created_at)
        too_long = now - began > observed.policy.build_timeout
        return _seen(build, request, record, too_long=too_long)
    if record.build_id != NO_BUILD_ID and observed.build(record.build_id) is None:
        message = f"build {record.build_id} not found, maybe it was deleted?"
        return _failed(record, Reason.BUILD_LOST, message, name)
    return BuildView(record, actions.StartBuild(request))


def _request(
    deployment: ToolDeployment, name: str, source: SourceBuild, record: BuildRecord
) -> BuildRequest:
    """The build of the pinned commit; of a policy, builders get the tag that it chose."""
    named = source.ref if isinstance(source.ref, str) else record.ref or record.commit
    options = BuildOptions(
        use_latest_versions=bool(source.use_latest_versions),
        use_deprecated_versions=bool(source.use_deprecated_versions),
    )
    return BuildRequest(
        name,
        source.repository,
        named,
        record.commit,
        options,
        deployment.name,
        source.credentials or "",
    )


def _recorded(observed: Observed, record: BuildRecord, request: BuildRequest) -> Build | None:
    """The build that the status names, unless it was another's and somebody stopped it."""
    build = observed.build(record.build_id)
    if build is None:
        return None
    stopped = build.state == BuildState.CANCELLED
    return None if stopped and build.deployment != request.deployment else build


def _find(observed: Observed, request: BuildRequest, *, force: bool) -> Build | None:
    """The deployment's own build if there is one, else an older one that may be used."""
    same = [build for build in observed.builds if _same_content(build, request)]
    own = next((build for build in same if build.deployment == request.deployment), None)
    if own is not None or force:
        return own
    finished = (build for build in same if build.state == BuildState.SUCCESSFUL)
    going = (build for build in same if build.state.live)
    return next(finished, None) or next(going, None)


def _same_content(build: Build, request: BuildRequest) -> bool:
    return (build.component, build.repository, build.commit, build.options) == (
        request.component,
        request.repository,
        request.commit,
        request.options,
    )


def _seen(build: Build, request: BuildRequest, record: BuildRecord, *, too_long: bool) -> BuildView:
    own = build.deployment == request.deployment
    finished = build.state == BuildState.SUCCESSFUL
    first_seen = BuildOrigin.REUSED if finished else BuildOrigin.JOINED
    origin = record.origin or (BuildOrigin.STARTED if own else first_seen)
    skipped = finished and origin == BuildOrigin.REUSED
    record = record.model_copy(
        update={
            "build_id": build.id,
            "build_status": BuildStatus.SKIPPED if skipped else BUILD_STATUS[build.state],
            "build_image": build.image or NO_IMAGE,
            "build_long_status": "Reusing existing build" if skipped else build.message,
            "origin": origin,
        }
    )
    if build.state in _BAD_ENDS:
        message = f"build {build.id} of {request.component}: {build.message or build.state.value}"
        return _failed(record, _BAD_ENDS[build.state], message, request.component, build.log_tail)
    if build.state.live and own and too_long:
        message = f"build {build.id} of {request.component} took too long to finish"
        return _failed(record, Reason.BUILD_TIMED_OUT, message, request.component)
    return BuildView(record)


def _failed(
    record: BuildRecord,
    reason: Reason,
    message: str,
    component: str,
    log_tail: tuple[str, ...] = (),
) -> BuildView:
    status = BuildStatus.CANCELLED if reason == Reason.BUILD_CANCELLED else BuildStatus.FAILED
    record = record.model_copy(
        update={"build_status": status, "build_long_status": record.build_long_status or message}
    )
    failure = failure_of(reason, message, component, record.commit)
    return BuildView(
        record, failure=failure.model_copy(update={"log_tail": terminal.last_lines(log_tail)})
    )
