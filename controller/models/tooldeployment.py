"""ToolDeployment: one attempt to bring a tool to its config.

`spec` is what was asked, `status` what was seen and done. Field names of status are those of the
public API (the deployment object of Toolforge's components-api), plus additions of ours that old
clients ignore. Only the reconcile loop writes status. No behaviour beyond small derived facts.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import (
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_serializer,
)
from pydantic.fields import FieldInfo

from controller.models.fields import MAX_COMPONENTS, MAX_TEXT
from controller.models.meta import Condition, Frozen, ObjectMeta
from controller.models.reasons import Owner, Reason
from controller.models.sources import MAX_REF
from controller.models.toolconfig import ToolConfigSpec


class State(StrEnum):
    """States of a deployment, as the public API spells them."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    TIMED_OUT = "timed_out"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether a deployment in this state has ended for good."""
        return self in _FINAL


_FINAL = frozenset({State.SUCCESSFUL, State.FAILED, State.TIMED_OUT, State.CANCELLED})


class BuildStatus(StrEnum):
    """States of one component's build within a deployment (public API)."""

    PENDING = "pending"
    RUNNING = "running"
    FAILED = "failed"
    SUCCESSFUL = "successful"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class BuildOrigin(StrEnum):
    """Where a component's build comes from."""

    STARTED = "started"
    JOINED = "joined"
    REUSED = "reused"


class RunStatus(StrEnum):
    """States of one component's run within a deployment (public API)."""

    PENDING = "pending"
    FAILED = "failed"
    SUCCESSFUL = "successful"
    SKIPPED = "skipped"
    UNKNOWN = "unknown"


class Trigger(StrEnum):
    """What made a deployment."""

    MANUAL = "manual"
    API = "api"
    TOKEN = "token"
    POLL = "poll"
    WEBHOOK = "webhook"

    @property
    def automatic(self) -> bool:
        """Whether nobody asked for just this deployment: a newer one serves the same wish."""
        return self in (Trigger.POLL, Trigger.WEBHOOK)


class JobChange(StrEnum):
    """What became of a component's job."""

    CREATED = "created"
    UPDATED = "updated"
    RESTARTED = "restarted"
    UNCHANGED = "unchanged"


NO_BUILD_ID = "no-id-yet"
NO_BUILD_NEEDED = "no-build-needed"
NO_IMAGE = "no-image-yet"


def _limit(characters: int) -> FieldInfo:
    """A limit for what is written; what is read back is taken as it is."""
    return Field(json_schema_extra={"maxLength": characters})  # type: ignore[no-any-return]


class Phase(StrEnum):
    """What a deployment spends its time with."""

    WAITING = "waiting"
    RESOLVING = "resolving"
    BUILDING = "building"
    RUNNING = "running"
    VERIFYING = "verifying"


class TriggerSpec(Frozen):
    """Who asked, and for which commits where that is known."""

    kind: Trigger = Field(default=Trigger.MANUAL, description="What made the deployment.")
    commits: dict[str, Annotated[str, _limit(64)]] = Field(
        default_factory=dict,
        json_schema_extra={"maxProperties": MAX_COMPONENTS},
        description="Component → full SHA, where it is known what to deploy.",
    )
    refs: dict[str, Annotated[str, _limit(MAX_REF)]] = Field(
        default_factory=dict,
        json_schema_extra={"maxProperties": MAX_COMPONENTS},
        description="Component → full name of the tag, where its ref is a policy.",
    )


_HISTORY = "Of an object that the older components-api wrote: it is shown and never deployed again."


class ToolDeploymentSpec(Frozen):
    """What was asked. Everything is optional: `spec: {}` deploys the current config."""

    description: str = Field(
        default="",
        description="What it is for, in your own words.",
        json_schema_extra={"maxLength": MAX_TEXT},
    )
    force_build: bool = Field(default=False, description="Build also what is built already.")
    force_run: bool = Field(default=False, description="Restart also what has not changed.")
    cancel: bool = Field(
        default=False, description="Stop it. Can be set while it is not finished, and not unset."
    )
    trigger: TriggerSpec = TriggerSpec()
    # What the older components-api kept under spec; the presence of status marks history.
    legacy_status: Annotated[str, _limit(64)] | None = Field(
        default=None, alias="status", description=_HISTORY
    )
    legacy_long_status: str | None = Field(default=None, alias="long_status", description=_HISTORY)
    legacy_deploy_id: Annotated[str, _limit(253)] | None = Field(
        default=None, alias="deploy_id", description=_HISTORY
    )
    legacy_creation_time: Annotated[str, _limit(64)] | None = Field(
        default=None, alias="creation_time", description=_HISTORY
    )
    legacy_builds: dict[str, Any] | None = Field(default=None, alias="builds", description=_HISTORY)
    legacy_runs: dict[str, Any] | None = Field(default=None, alias="runs", description=_HISTORY)
    legacy_tool_config: dict[str, Any] | None = Field(
        default=None, alias="tool_config", description=_HISTORY
    )


def _readable(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    """A snapshot that this version cannot read is none: it must not hide the whole object."""
    try:
        return handler(value)
    except ValidationError:
        return None


class BuildRecord(Frozen):
    """One component's build as the public API shows it, and the commit that was pinned for it."""

    build_id: str = NO_BUILD_ID
    build_status: BuildStatus = BuildStatus.PENDING
    build_image: str = NO_IMAGE
    build_long_status: str = ""
    commit: str = ""
    ref: str = ""  # the full name of the tag that a ref policy chose
    origin: BuildOrigin | None = None
    ref_warning: str = ""


class RunRecord(Frozen):
    """One component's run as the public API shows it, and what was done to its job and when.

    Its job was changed at some moment from `applied_at` (asked for) to `answered_at`.
    """

    run_status: RunStatus = RunStatus.PENDING
    run_long_status: str = ""
    change: JobChange | None = None
    applied_at: datetime | None = None
    answered_at: datetime | None = None


class Failure(Frozen):
    """Why it did not succeed, for people and machines alike (status, HTTP, CLI, annotations)."""

    reason: Reason
    owner: Owner
    message: str
    hint: str = ""
    component: str = ""
    commit: str = ""
    log_tail: tuple[str, ...] = ()


class KeptRunning(Frozen):
    """The deployment whose version goes on running because a later one has not succeeded."""

    deploy_id: str
    commits: dict[str, str] = Field(default_factory=dict)


class ToolDeploymentStatus(Frozen):
    """What was seen and done so far."""

    status: State = State.PENDING
    long_status: str = ""
    message: str = ""
    reason: Reason | None = None
    phase: Phase = Phase.WAITING
    phase_since: datetime | None = None
    reported_at: datetime | None = None
    queue_position: int = 0
    blocked_by: str = ""
    builds: dict[str, BuildRecord] = Field(default_factory=dict)
    runs: dict[str, RunRecord] = Field(default_factory=dict)
    tool_config: Annotated[ToolConfigSpec | None, WrapValidator(_readable)] = None
    started_at: datetime | None = None
    ending_since: datetime | None = None
    finished_at: datetime | None = None
    deadline: datetime | None = None
    superseded_by: str = ""
    commit: str = ""
    failure: Failure | None = None
    kept_running: KeptRunning | None = None
    removed_jobs: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    observed_generation: int = Field(default=0, alias="observedGeneration")

    @field_serializer("tool_config")
    def _as_the_user_wrote_it(self, config: ToolConfigSpec | None) -> dict[str, Any] | None:
        """The snapshot is the user's file, without defaults that were never written."""
        if config is None:
            return None
        return config.model_dump(mode="json", by_alias=True, exclude_unset=True)


class ToolDeployment(Frozen):
    """The custom resource."""

    metadata: ObjectMeta
    spec: ToolDeploymentSpec = ToolDeploymentSpec()
    status: ToolDeploymentStatus = ToolDeploymentStatus()

    @property
    def name(self) -> str:
        """The deployment's id (`YYYYMMDD-HHMMSS-<10 of a-z0-9>` where we named it)."""
        return self.metadata.name

    @property
    def is_history(self) -> bool:
        """Whether the older components-api wrote it: it is shown, and never deployed again."""
        return self.spec.legacy_status is not None

    @property
    def final(self) -> bool:
        """Whether nothing is to be done for it any more."""
        return self.is_history or self.status.status.final
