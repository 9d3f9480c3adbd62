"""What the core needs of the outside, as Protocols; given to it by the composition root.

Implemented by `controller.store`, `watchers.cache`, `watchers.git` and `controller.metrics`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from controller.models.credentials import SecretRef
from controller.models.summary import DeploymentSummary
from controller.models.toolconfig import ToolConfigSpec
from controller.models.tooldeployment import ToolDeployment, ToolDeploymentStatus
from controller.reconcile.actions import Outcome, Resolved
from controller.reconcile.news import News

__all__ = ["Clock", "Journal", "Objects", "Refs", "Writer"]


class Clock(Protocol):
    """Tells the time in UTC."""

    def __call__(self) -> datetime: ...


class Objects(Protocol):
    """The custom resources as last seen; always includes the controller's own last write."""

    def unfinished(self, tool: str) -> Sequence[ToolDeployment]:
        """The tool's deployments that have not ended."""
        ...

    def finished(self, tool: str) -> Sequence[DeploymentSummary]:
        """The little that is remembered of those that have ended."""
        ...

    def config_of(self, tool: str) -> tuple[ToolConfigSpec | None, tuple[str, ...]]:
        """The tool's config, or why there is none that can be used."""
        ...


class Writer(Protocol):
    """The few writes of the core; each raises one of the three errors."""

    async def patch_status(
        self, deployment: ToolDeployment, status: ToolDeploymentStatus
    ) -> ToolDeployment:
        """Replace the status if the object is still the one that was seen."""
        ...

    async def delete(self, tool: str, name: str, uid: str) -> None:
        """Delete a deployment; one that is gone is no error."""
        ...

    async def tell(self, deployment: ToolDeployment, news: News) -> None:
        """Write an Event; failing to is no error."""
        ...


class Refs(Protocol):
    """Finds the commit of a ref."""

    async def resolve(self, repository: str, ref: str, secret: SecretRef | None = None) -> Resolved:
        """The commit that the ref names now."""
        ...


class Journal(Protocol):
    """Counts what happened, for Prometheus."""

    def moved(
        self, deployment: ToolDeployment, old: ToolDeploymentStatus, new: ToolDeploymentStatus
    ) -> None:
        """A status was patched from old to new."""
        ...

    def done(self, outcome: Outcome) -> None:
        """An action was carried out."""
        ...
