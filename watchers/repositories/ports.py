"""What the repository watcher needs of others: the stored objects, the git hosts, the metrics.

Implemented by `stored.StoredObjects`, `watchers.git.repositories.Repositories` and
`controller.metrics.PollMetrics`, and in tests. Only Protocols may be put here.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from controller.models.credentials import SecretRef
from controller.models.toolconfig import ToolConfig, ToolConfigStatus
from controller.models.tooldeployment import ToolDeploymentSpec
from watchers import decide
from watchers.git.addresses import Address
from watchers.git.resolution import RefProblem, Resolved


class Objects(Protocol):
    """The tools' objects. What was written here is seen by the next read."""

    def tools(self) -> Iterable[str]:
        """All tools that may have a config."""
        ...

    def config(self, tool: str) -> ToolConfig | None:
        """The tool's config, or None where there is none that can be used."""
        ...

    def deployments(self, tool: str) -> Sequence[decide.Known]:
        """The tool's deployments that still exist, history excluded."""
        ...

    async def write_status(self, config: ToolConfig, status: ToolConfigStatus) -> None:
        """Make this the config's status. Transient when it is not as it was read any more."""
        ...

    async def create(self, tool: str, name: str, spec: ToolDeploymentSpec) -> None:
        """Make a deployment; one of that name that exists is success."""
        ...


class Refs(Protocol):
    """The git hosts."""

    def normalise(self, repository: str) -> Address:
        """The repository's identity and host; Terminal where it may not be asked."""
        ...

    async def resolve(
        self, repository: str, refs: Sequence[str], secret: SecretRef | None = None
    ) -> Mapping[str, Resolved | RefProblem]:
        """The commit of each ref, or what is wrong with it; raises Terminal or Transient."""
        ...


class Journal(Protocol):
    """Counts checks."""

    def polled(self, took: timedelta, lag: timedelta, *, refs: int, at: datetime) -> None:
        """A check succeeded at `at`, began `lag` late and resolved `refs` refs."""
        ...

    def failed(self, reason: str, lag: timedelta) -> None:
        """A check failed for a reason of the vocabulary."""
        ...

    def saved(self, checks: int) -> None:
        """So many checks were not needed, because one answers for several components."""
        ...

    def watched(self, repositories: int) -> None:
        """So many repositories are looked at now."""
        ...

    def watch(
        self,
        *,
        overdue: Callable[[], timedelta],
        on_host: Callable[[], Mapping[str, int]],
        unreachable: Callable[[], Mapping[str, int]],
    ) -> None:
        """What can be asked at any time: the latest check's lateness, and numbers by host."""
        ...
