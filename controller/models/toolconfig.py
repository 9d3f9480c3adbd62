"""ToolConfig: the user's file, as it is stored and as it is used.

`spec` has the public config format's fields and defaults. These models are the one source of the
custom resource's schema, of the editors' schema, of docs/config.md and of validation everywhere.
Validation that needs no look-up lives in the models; reading files with line numbers lives in
`controller.config`. No I/O.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from controller.models import reuse, tool_rules
from controller.models.components import (
    Build,
    ContinuousRun,
    Emails,
    ReuseBuild,
    RunSettings,
    ScheduledRun,
    SourceBuild,
    build_shape,
)
from controller.models.fields import MAX_COMPONENTS, ComponentName, Duration, SourceUrl, Text
from controller.models.findings import Checked, Finding, Policy, mistake
from controller.models.meta import Condition, Frozen, ObjectMeta

__all__ = [
    "Build",
    "Component",
    "ComponentType",
    "ComponentWatch",
    "ContinuousComponent",
    "ContinuousRun",
    "Duration",
    "Emails",
    "LenientStatus",
    "Policy",
    "ReuseBuild",
    "RunSettings",
    "ScheduledComponent",
    "ScheduledRun",
    "SourceBuild",
    "ToolConfig",
    "ToolConfigSpec",
    "ToolConfigStatus",
    "build_shape",
    "component_shape",
]

CONFIG_VERSION: Literal["v1beta1"] = "v1beta1"
UPGRADED_VERSIONS = ("v0.1",)
"""Older versions that `controller.config` turns into the present one when it reads a file."""


class ComponentType(StrEnum):
    """Kinds of component."""

    CONTINUOUS = "continuous"
    SCHEDULED = "scheduled"


_DESCRIPTION = "What it is, in your own words."
_TYPE = (
    "continuous: always up; scheduled: started by the clock. Unset: scheduled where `schedule` is."
)


class _Component(Checked):
    """What both kinds of component share."""

    @classmethod
    def findings(cls, data: Mapping[str, Any]) -> Iterator[Finding]:
        """A kind that is none, and a schedule on a component that is always up."""
        kind, run = data.get("component_type"), data.get("run")
        if "component_type" in data and kind not in tuple(ComponentType):
            yield Finding(("component_type",), "This has to be `continuous` or `scheduled`")
        elif kind == "continuous" and isinstance(run, Mapping) and "schedule" in run:
            yield Finding(
                ("run", "schedule"),
                "A continuous component has no schedule",
                "Write component_type: scheduled, or remove the schedule.",
            )


class ContinuousComponent(_Component):
    """A component that is always up."""

    component_type: Literal[ComponentType.CONTINUOUS] = Field(
        default=ComponentType.CONTINUOUS, description=_TYPE, examples=["continuous"]
    )
    description: Text = Field(default="", description=_DESCRIPTION, examples=["A python-flask api"])
    build: Build = Field(description="Where its image comes from.")
    run: ContinuousRun = Field(description="How it runs.")


class ScheduledComponent(_Component):
    """A component that is started by the clock."""

    component_type: Literal[ComponentType.SCHEDULED] = Field(
        default=ComponentType.SCHEDULED, description=_TYPE, examples=["scheduled"]
    )
    description: Text = Field(default="", description=_DESCRIPTION, examples=["Nightly clean-up"])
    build: Build = Field(description="Where its image comes from.")
    run: ScheduledRun = Field(description="How it runs.")


def component_shape(value: object) -> str:
    """`continuous` or `scheduled`: which of the two models a component is read as.

    The type decides where it is valid; else the presence of a schedule does.
    """
    if isinstance(value, ScheduledComponent):
        return "scheduled"
    if not isinstance(value, Mapping):
        return "continuous"
    kind, run = value.get("component_type"), value.get("run")
    if kind in ("continuous", "scheduled"):
        return str(kind)
    scheduled = isinstance(run, ScheduledRun) or (isinstance(run, Mapping) and "schedule" in run)
    return "scheduled" if scheduled else "continuous"


Component = ContinuousComponent | ScheduledComponent

_Shaped = Annotated[
    Annotated[ContinuousComponent, Tag("continuous")]
    | Annotated[ScheduledComponent, Tag("scheduled")],
    Discriminator(component_shape),
]


def _known_version(value: object) -> object:
    if value is None or value == CONFIG_VERSION:
        return CONFIG_VERSION
    older = ", ".join(UPGRADED_VERSIONS)
    raise mistake(
        f"Unknown config_version `{str(value)[:40]}`. Known: {CONFIG_VERSION}, and {older} "
        "(upgraded when it is read)",
        f"Write config_version: {CONFIG_VERSION}.",
    )


class ToolConfigSpec(Checked):
    """The user's file."""

    null_allowed: ClassVar[frozenset[str]] = frozenset({"config_version"})

    config_version: Annotated[Literal["v1beta1"], BeforeValidator(_known_version)] = Field(
        default=CONFIG_VERSION, description="Version of this format.", examples=[CONFIG_VERSION]
    )
    description: Text = Field(
        default="", description="What the tool is, in your own words.", examples=["Maps of views"]
    )
    source_url: SourceUrl | None = Field(
        default=None,
        description="Address of the config itself: the HTTP API fetches it whenever it is asked to "
        "store the config or to deploy, and it replaces what is stored. `ptd config apply` and "
        "kubectl store what they are given; polling and kubectl deploy what is stored.",
        examples=["https://gitlab.wikimedia.org/toolforge-repos/mytool/-/raw/main/toolforge.yaml"],
    )
    auto_deploy: bool = Field(
        default=False,
        description="Deploy by itself when the ref of a component moves.",
        examples=[True],
    )
    poll_interval: Duration | None = Field(
        default=None,
        description="How often the refs are looked at, for example 90s, 5m or 1h; at least 30s. "
        "Unset: the platform's default (5m).",
        examples=["5m"],
    )
    prune: bool = Field(
        default=True,
        description="Remove the jobs of components that left the config (only jobs that a "
        "deployment created).",
        examples=[False],
    )
    components: dict[ComponentName, _Shaped] = Field(
        min_length=1,
        max_length=MAX_COMPONENTS,
        description="The parts of the tool, by name. A name is a job's name and a host name.",
    )

    @classmethod
    def findings(cls, data: Mapping[str, Any]) -> Iterator[Finding]:
        """Rules between components: what they reuse, what they publish, names as hosts."""
        components = data.get("components")
        if isinstance(components, Mapping) and len(components) <= MAX_COMPONENTS:
            yield from tool_rules.findings({str(name): it for name, it in components.items()})

    @property
    def links(self) -> dict[str, str | None]:
        """Component → the component that it reuses, or None where it is built."""
        return {
            name: component.build.reuse_from if isinstance(component.build, ReuseBuild) else None
            for name, component in self.components.items()
        }

    def source_of(self, name: str) -> str:
        """The component whose build `name` uses: itself, or the end of its reuse_from chain."""
        return reuse.source_of(name, self.links)


class ComponentWatch(Frozen):
    """What polling saw last for one component; `deployment` names what was created for it."""

    repository: str = ""
    ref: str = ""
    commit: str = ""
    # Where the ref is a policy: the full name of the tag that it chose, and why.
    resolved_ref: str = ""
    choice: str = ""
    seen_at: datetime | None = None
    checked_at: datetime | None = None
    deployment: str = ""
    created: bool = False
    # `webhook` where one told of the commit before it was found.
    found_by: str = ""
    error: str = ""
    error_reason: str = ""


class ToolConfigStatus(Frozen):
    """Written by the repository watcher only."""

    components: dict[str, ComponentWatch] = Field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    observed_generation: int = Field(default=0, alias="observedGeneration")


def _readable(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    """A status that this version cannot read is written anew: it must not hide the config."""
    try:
        return handler(value)
    except ValidationError:
        return ToolConfigStatus()


LenientStatus = Annotated[ToolConfigStatus, WrapValidator(_readable)]


class ToolConfig(Frozen):
    """The custom resource."""

    metadata: ObjectMeta
    spec: ToolConfigSpec
    status: LenientStatus = ToolConfigStatus()
