"""Stored state, sights and deployments as polling decides on them, with usual values."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from controller.models.meta import ObjectMeta
from controller.models.toolconfig import (
    ComponentWatch,
    ToolConfig,
    ToolConfigSpec,
    ToolConfigStatus,
)
from tests import builders
from tests.builders import NOW, REPOSITORY, ago
from watchers.decide import (
    Case,
    Known,
    Record,
    Sight,
    deployment_name,
)

OLD, NEW = "a" * 40, "b" * 40
FOLLOWS_WEB = builders.config().model_copy(update={"auto_deploy": True})
FOLLOWS_BOTH = builders.config(
    web=builders.component(), api=builders.component(ref="dev")
).model_copy(update={"auto_deploy": True})


def watch(**fields: Any) -> ComponentWatch:
    """What is stored of `web`: by default a commit that had its deployment, and a fresh check."""
    usual: dict[str, Any] = {
        "repository": REPOSITORY,
        "ref": "main",
        "commit": OLD,
        "seen_at": ago(3600),
        "checked_at": ago(60),
        "deployment": "d1",
        "created": True,
    }
    return ComponentWatch(**(usual | fields))


def case(
    stored: Mapping[str, ComponentWatch] | None = None,
    sights: Mapping[str, Sight] | None = None,
    *deployments: Known,
    spec: ToolConfigSpec = FOLLOWS_WEB,
    now: datetime = NOW,
    answered: datetime | None = None,
) -> Case:
    """A tool that follows `web`, unless `spec` says otherwise; the host answered now, if ever."""
    metadata = ObjectMeta(
        name="demo-config", namespace="tool-demo", creation_timestamp=ago(9999), generation=3
    )
    status = ToolConfigStatus(components=dict(stored or {}), observed_generation=3)
    config = ToolConfig(metadata=metadata, spec=spec, status=status)
    checked = dict.fromkeys(sights or (), answered or now)
    return Case("demo", config, deployments, now, sights or {}, checked)


def known(name: str, created: float = 100, *, open: bool = False, **commits: str) -> Known:  # noqa: A002
    """A deployment that was made `created` seconds ago."""
    return Known(name, ago(created), commits, open=open)


def looked_up(name: str, created: float = 100, **commits: str) -> Known:
    """A deployment that found these commits by looking up the refs itself."""
    return Known(name, ago(created), {}, commits)


def name_of(**commits: str) -> str:
    """The name of the deployment for commits that are first seen at NOW."""
    return deployment_name("demo", NOW, commits)


def intent(commit: str = NEW, **fields: Any) -> ComponentWatch:
    """What is stored of `web` when a deployment was decided on, but perhaps not made."""
    usual: dict[str, Any] = {"seen_at": NOW, "created": False, "deployment": name_of(web=commit)}
    return watch(**(usual | {"commit": commit} | fields))


def records(watches: dict[str, ComponentWatch]) -> Record:
    """The write of a whole status."""
    return Record(ToolConfigStatus(components=watches, observed_generation=3))
