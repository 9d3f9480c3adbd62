"""What those who wait over HTTP are told by: `api.changes` on the cache of the object watcher.

Used by the composition roots: `ptd local` shares the controller's cache, `ptd api` has one of its
own. Translation and wiring only.
"""

import random
from collections.abc import Callable

from controller.api.changes import Changes, Waiters
from controller.app.clocks import Clocks
from controller.app.control import SILENT
from controller.metrics import WatchMetrics
from controller.models.meta import namespace_of
from controller.models.summary import DeploymentSummary
from controller.models.tooldeployment import ToolDeployment
from controller.settings import Settings
from controller.store import kinds
from controller.store.calls import Calls
from controller.store.feed import Feed
from watchers.cache import Cache
from watchers.objects import Pace, Reflector


def waiters_of(settings: Settings) -> Waiters:
    """How many may wait, and how long."""
    return Waiters(
        token=settings.waiters_token_limit,
        tool=settings.waiters_tool_limit,
        all=settings.waiters_limit,
        longest=settings.wait_longest,
    )


class CachedDeployments:
    """`api.changes.Mirror` on the cache."""

    def __init__(self, cache: Cache, fresh: Callable[[], bool]) -> None:
        self._cache = cache
        self._fresh = fresh

    def fresh(self) -> bool:
        """Whether the watch behind the cache is heard."""
        return self._fresh()

    def held(self, tool: str, name: str) -> ToolDeployment | DeploymentSummary | None:
        """A deployment as last seen."""
        shelf = self._cache.shelves[kinds.DEPLOYMENTS.plural]
        held = shelf.of(namespace_of(tool)).get(name)
        return held if isinstance(held, ToolDeployment | DeploymentSummary) else None


class DeploymentWatch:
    """The one watch of an API process."""

    def __init__(
        self, calls: Calls, clocks: Clocks, metrics: WatchMetrics, changes: Changes
    ) -> None:
        self.cache = Cache(changes.changed)
        pace = Pace(clocks.monotonic, random.random)
        self._reflector = Reflector(kinds.DEPLOYMENTS, Feed(calls), self.cache, metrics, pace)
        changes.mirror = CachedDeployments(self.cache, self.fresh)

    def unsynced(self) -> str | None:
        """A check for readiness: None when all deployments have been read."""
        return None if self._reflector.synced.is_set() else "the deployments are being read"

    def fresh(self) -> bool:
        """Whether everything was read, and the control plane is heard."""
        return self._reflector.synced.is_set() and self._reflector.age <= SILENT

    async def run(self) -> None:
        """Watch until cancelled."""
        await self._reflector.run()
