"""The objects that polling reads and writes, on the cache and the store. Translation only."""

import contextlib
from collections.abc import Iterable, Sequence

from controller.models.summary import DeploymentSummary
from controller.models.toolconfig import ToolConfig, ToolConfigStatus
from controller.models.tooldeployment import ToolDeploymentSpec
from controller.store import errors, kinds
from controller.store.objects import Store
from watchers import decide
from watchers.cache import Cache
from watchers.validity import Validity


class StoredObjects:
    """`ports.Objects`. The store tells the cache of its writes before it answers."""

    def __init__(self, cache: Cache, store: Store, validity: Validity) -> None:
        self._cache = cache
        self._store = store
        self._validity = validity

    def tools(self) -> Iterable[str]:
        """All tools that may have a config."""
        return self._cache.tools()

    def config(self, tool: str) -> ToolConfig | None:
        """The tool's config, or None where there is none that can be used."""
        return self._validity.usable(tool)[0]

    def deployments(self, tool: str) -> Sequence[decide.Known]:
        """The tool's deployments, as far as polling cares."""
        unfinished, finished = self._cache.deployments(tool)
        return [
            *(decide.known_of(each) for each in unfinished),
            *(_known(each) for each in finished if not each.history),
        ]

    async def write_status(self, config: ToolConfig, status: ToolConfigStatus) -> None:
        """Make this the config's status; a config that was deleted needs none."""
        with contextlib.suppress(errors.NotFound):
            await self._store.patch_status(config, status)

    async def create(self, tool: str, name: str, spec: ToolDeploymentSpec) -> None:
        """Make a deployment; one of that name that exists is success."""
        with contextlib.suppress(errors.AlreadyExists):
            await self._store.create(kinds.DEPLOYMENTS, tool, name, spec)


def _known(summary: DeploymentSummary) -> decide.Known:
    commits = dict(summary.commits)
    return decide.Known(
        summary.name,
        summary.created_at,
        {name: commit for name, commit in commits.items() if name in summary.pinned},
        {name: commit for name, commit in commits.items() if name not in summary.pinned},
    )
