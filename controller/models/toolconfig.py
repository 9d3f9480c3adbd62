"""ToolConfig: the user's file, as it is stored and as it is used.

`spec` has the public config format's fields and defaults. Validation that needs no look-up lives in
the models; reading files with line numbers lives in `controller.config`. No I/O.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from controller.models.meta import Condition, Frozen, ObjectMeta

Duration = Annotated[
    str, StringConstraints(pattern=r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$", min_length=2)
]


class ComponentType(StrEnum):
    """Kinds of component."""

    CONTINUOUS = "continuous"
    SCHEDULED = "scheduled"


class Emails(StrEnum):
    """When the jobs service sends mail."""

    NONE = "none"
    ALL = "all"
    ON_FINISH = "onfinish"
    ON_FAILURE = "onfailure"


class SourceBuild(Frozen):
    """Built from a git repository."""

    repository: str
    ref: str
    use_latest_versions: bool = False
    use_deprecated_versions: bool = False
    auto_deploy: bool | None = None


class ReuseBuild(Frozen):
    """Uses the image of another component."""

    reuse_from: str


class RunSettings(Frozen):
    """What both kinds of component share."""

    command: str
    cpu: str | None = None
    memory: str | None = None
    emails: Emails = Emails.NONE
    filelog: bool | None = None
    filelog_stdout: str | None = None
    filelog_stderr: str | None = None
    mount: Literal["all", "none"] = "none"


class ContinuousRun(RunSettings):
    """Always up."""

    port: int | None = None
    port_protocol: Literal["tcp", "udp"] = "tcp"
    publish: Literal["/"] | None = None
    replicas: int = 1
    health_check_script: str | None = None
    health_check_http: str | None = None


class ScheduledRun(RunSettings):
    """Started by the clock."""

    schedule: str
    retry: int = 0
    timeout: int = 0


class ContinuousComponent(Frozen):
    """A component that is always up."""

    component_type: Literal[ComponentType.CONTINUOUS] = ComponentType.CONTINUOUS
    description: str = ""
    build: SourceBuild | ReuseBuild
    run: ContinuousRun


class ScheduledComponent(Frozen):
    """A component that is started by the clock."""

    component_type: Literal[ComponentType.SCHEDULED] = ComponentType.SCHEDULED
    description: str = ""
    build: SourceBuild | ReuseBuild
    run: ScheduledRun


Component = ContinuousComponent | ScheduledComponent


class ToolConfigSpec(Frozen):
    """The user's file."""

    config_version: Literal["v1beta1"] = "v1beta1"
    description: str = ""
    source_url: str | None = None
    auto_deploy: bool = False
    poll_interval: Duration | None = None
    prune: bool = True
    components: dict[str, Component]


class ComponentWatch(Frozen):
    """What polling saw last for one component; `deployment` names what was created for it."""

    ref: str = ""
    commit: str = ""
    seen_at: datetime | None = None
    checked_at: datetime | None = None
    deployment: str = ""
    created: bool = False
    error: str = ""
    error_reason: str = ""


class ToolConfigStatus(Frozen):
    """Written by the repository watcher only."""

    components: dict[str, ComponentWatch] = Field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    observed_generation: int = Field(default=0, alias="observedGeneration")


class ToolConfig(Frozen):
    """The custom resource."""

    metadata: ObjectMeta
    spec: ToolConfigSpec
    status: ToolConfigStatus = ToolConfigStatus()
