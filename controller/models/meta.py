"""What every kind shares: object metadata, conditions, names derived from the tool.

Used by the kinds' models, the store and the pure core. No kind-specific fields, no I/O.
"""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

GROUP = "components-api.toolforge.org"
VERSION = "v1"
API_VERSION = f"{GROUP}/{VERSION}"
NAMESPACE_PREFIX = "tool-"


class Frozen(BaseModel):
    """Base of all models: immutable, unknown fields ignored (they come from newer versions)."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class ConditionStatus(StrEnum):
    """The three values that Kubernetes knows for a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(Frozen):
    """A condition as Kubernetes spells it (metav1.Condition), so that `kubectl wait` works."""

    type: str
    status: ConditionStatus
    reason: str
    message: str = ""
    last_transition_time: datetime = Field(alias="lastTransitionTime")
    observed_generation: int | None = Field(default=None, alias="observedGeneration")


class ObjectMeta(Frozen):
    """The part of metadata that the controller reads."""

    name: str
    namespace: str
    uid: str = ""
    resource_version: str = Field(default="", alias="resourceVersion")
    generation: int = 1
    creation_timestamp: datetime = Field(alias="creationTimestamp")
    deletion_timestamp: datetime | None = Field(default=None, alias="deletionTimestamp")
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


def namespace_of(tool: str) -> str:
    """The namespace that a tool lives in: `x` → `tool-x`."""
    return NAMESPACE_PREFIX + tool


def tool_of(namespace: str) -> str | None:
    """The tool of a namespace, or None where the namespace is not a tool's."""
    return (
        namespace.removeprefix(NAMESPACE_PREFIX) if namespace.startswith(NAMESPACE_PREFIX) else None
    )


def config_name(tool: str) -> str:
    """The name of a tool's ToolConfig object: `x` → `x-config`."""
    return f"{tool}-config"
