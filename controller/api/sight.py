"""The present state of one deployment, from the watch where it shows it, else by one request.

Used by `waiting` and `events`, and by `deployments` for what is stored now. An unfinished
deployment is held whole by the mirror, so looking costs nothing; a finished one is read once,
however many wait for it, and kept for those who come next. That there is no such deployment is said
here and nowhere else.
"""

from collections import OrderedDict
from collections.abc import Sequence

from controller.api import texts, wire
from controller.api.changes import Changes
from controller.api.problems import Refused
from controller.api.sharing import Shared
from controller.models import names
from controller.models.summary import DeploymentSummary
from controller.models.tooldeployment import ToolDeployment
from controller.store import errors, kinds
from controller.store.objects import Store

LATEST = "latest"
_KEPT = 256
_Key = tuple[str, int]


class NotKept(Refused):
    """There is no such deployment, but its id is older than what is kept.

    Routes of the existing service answer its words; those that wait say the second message.
    """


class Sight:
    """Looks at deployments."""

    def __init__(self, store: Store, changes: Changes) -> None:
        self._store = store
        self._changes = changes
        self._ends: OrderedDict[_Key, ToolDeployment] = OrderedDict()
        self._reads = Shared[ToolDeployment]()
        self._lists = Shared[Sequence[ToolDeployment]]()

    async def named(self, tool: str, name: str) -> str:
        """The id that a path names: `latest` is the newest one. Refused with 404 if there is none.

        A wait is for one deployment: whoever asks for `latest` gets what is the newest now.
        """
        if name != LATEST:
            return name
        return (await self.newest(tool)).name

    async def newest(self, tool: str) -> ToolDeployment:
        """The newest as it is stored now; Refused with 404 if there is none."""
        found = await self._all(tool)
        if not found:
            raise Refused(404, texts.no_deployments(tool), hint=texts.THE_FIRST)
        return found[-1]

    async def stored(self, tool: str, name: str) -> ToolDeployment:
        """The deployment as it is stored now; Refused with 404 if there is none of that id."""
        return await self._reads.read((tool, name), lambda: self._read(tool, name))

    async def look(self, tool: str, name: str) -> ToolDeployment:
        """The deployment; Refused with 404 if there is none."""
        mirror = self._changes.mirror
        held = mirror.held(tool, name) if mirror.fresh() else None
        if isinstance(held, ToolDeployment):
            return held
        if isinstance(held, DeploymentSummary):
            return await self._end(tool, held)
        return await self.stored(tool, name)

    async def _end(self, tool: str, held: DeploymentSummary) -> ToolDeployment:
        key = (held.uid, held.version)
        if key in self._ends:
            self._ends.move_to_end(key)
            return self._ends[key]
        found = self._ends[key] = await self.stored(tool, held.name)
        if len(self._ends) > _KEPT:
            self._ends.popitem(last=False)
        return found

    async def _read(self, tool: str, name: str) -> ToolDeployment:
        try:
            return await self._store.get(kinds.DEPLOYMENTS, tool, name)
        except (errors.NotFound, errors.Invalid, errors.Unreadable):
            raise await self.missing(tool, name) from None

    async def missing(self, tool: str, name: str) -> Refused:
        """Why there is no deployment of that id: what is old may have been there once."""
        unknown, made = texts.no_deployment(tool, name), names.creation_time(name)
        kept = await self._all(tool) if made else []
        if made and kept and made < wire.created(kept[0]):
            return NotKept(404, unknown, texts.not_kept(name, kept[0].name))
        return Refused(404, unknown, hint=texts.WHICH_THERE_ARE)

    async def _all(self, tool: str) -> Sequence[ToolDeployment]:
        """Oldest first; not from the watch, which may not know yet what was just made."""
        return await self._lists.read(tool, lambda: oldest_first(self._store, tool))


async def oldest_first(store: Store, tool: str) -> Sequence[ToolDeployment]:
    """All deployments of a tool as they are stored now, in the order in which they were made."""
    found = await store.list(kinds.DEPLOYMENTS, tool)
    return sorted(found, key=lambda each: (wire.created(each), each.name))
