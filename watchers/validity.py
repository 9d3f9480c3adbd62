"""Whether a stored config can be used, and the condition that says so on the ToolConfig.

A config that came through `ptd config` or the HTTP API was checked before; one that came through
kubectl is checked here, by the same rules. Used by the composition root: `usable` for what the core
and the poller read, `record` for each tool whose objects changed. Only the condition `Valid` is
written here; the rest of a ToolConfig's status belongs to `watchers.repositories`.
"""

from collections.abc import Callable
from datetime import datetime

from controller import config
from controller.models.meta import Condition, ConditionStatus
from controller.models.summary import InvalidConfig
from controller.models.toolconfig import ToolConfig
from controller.store import errors
from controller.store.objects import Store
from watchers.cache import Cache

VALID = "Valid"
_MOST = 1024  # characters of a message that a person will read


class Validity:
    """Judges configs by an operator's policy; remembers its verdict as long as the object."""

    def __init__(
        self, cache: Cache, store: Store, policy: config.Policy, clock: Callable[[], datetime]
    ) -> None:
        self._cache = cache
        self._store = store
        self._policy = policy
        self._clock = clock
        # Namespace → the object's uid and generation, and what was wrong with that.
        self._verdicts: dict[str, tuple[str, int, tuple[str, ...]]] = {}

    def usable(self, tool: str) -> tuple[ToolConfig | None, tuple[str, ...]]:
        """The tool's config if it may be used; else None and why (nothing where there is none)."""
        found = self._cache.config(tool)
        if found is None:
            return None, ()
        problems = self._problems(found)
        return (None, problems) if isinstance(found, InvalidConfig) or problems else (found, ())

    async def record(self, tool: str) -> None:
        """Have the condition Valid say what is true now; writes only what changed."""
        found = self._cache.config(tool)
        if found is None:
            return
        wanted = self._condition(found)
        if wanted in found.status.conditions:
            return
        others = tuple(c for c in found.status.conditions if c.type != VALID)
        status = found.status.model_copy(update={"conditions": (*others, wanted)})
        try:
            await self._store.judge(found, status)
        except errors.NotFound:
            return

    def _problems(self, found: ToolConfig | InvalidConfig) -> tuple[str, ...]:
        if isinstance(found, InvalidConfig):
            return found.problems
        place = found.metadata
        known = self._verdicts.get(place.namespace)
        if known is None or known[:2] != (place.uid, place.generation):
            known = (place.uid, place.generation, self._judge(found))
            self._verdicts[place.namespace] = known
        return known[2]

    def _judge(self, found: ToolConfig) -> tuple[str, ...]:
        stored = found.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
        loaded = config.load_object(stored, policy=self._policy)
        return tuple(f"{problem.path}: {problem.message}" for problem in loaded.errors)

    def _condition(self, found: ToolConfig | InvalidConfig) -> Condition:
        problems = self._problems(found)
        status = ConditionStatus.FALSE if problems else ConditionStatus.TRUE
        known = (c for c in found.status.conditions if (c.type, c.status) == (VALID, status))
        before = next(known, None)
        return Condition(
            type=VALID,
            status=status,
            reason="ConfigInvalid" if problems else "ConfigValid",
            message="; ".join(problems)[:_MOST],
            last_transition_time=before.last_transition_time if before else self._clock(),
            observed_generation=found.metadata.generation,
        )
