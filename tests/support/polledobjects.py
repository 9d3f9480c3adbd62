"""The objects that polling works on, in memory: a second implementation of `ports.Objects`.

Writes are numbered, and one of them can be the moment of a crash. The contract tests of
`test_recording` hold it to what the store on a control plane does.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from controller.models.meta import ObjectMeta, config_name, namespace_of
from controller.models.toolconfig import ToolConfig, ToolConfigSpec, ToolConfigStatus
from controller.models.tooldeployment import ToolDeploymentSpec
from controller.store import errors
from tests import builders
from watchers.decide import Known


class CrashError(BaseException):
    """The process dies here. Not an Exception: nothing may catch it."""


class ObjectsInMemory:
    """Configs and deployments of some tools. `changed(tool)` is called after each change."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.configs: dict[str, ToolConfig] = {}
        self.known: dict[str, dict[str, Known]] = {}
        self.made: list[tuple[str, str, ToolDeploymentSpec]] = []
        self.writes = 0
        self.crash_before: int | None = None
        self.crash_after: int | None = None
        self.crashed = False
        self.failures: list[Exception] = []
        self.changed: Callable[[str], None] = lambda _: None
        self._clock = clock
        self._versions = 0

    def put(self, tool: str, spec: ToolConfigSpec) -> None:
        """A user stores a config."""
        old = self.configs.get(tool)
        metadata = ObjectMeta(
            name=config_name(tool),
            namespace=namespace_of(tool),
            resource_version=self._next_version(),
            generation=old.metadata.generation + 1 if old else 1,
            creation_timestamp=builders.NOW,
        )
        status = old.status if old else ToolConfigStatus()
        self.configs[tool] = ToolConfig(metadata=metadata, spec=spec, status=status)
        self.changed(tool)

    def annotate(self, tool: str, annotations: dict[str, str]) -> None:
        """Somebody annotates a config."""
        found = self.configs[tool]
        update = {"annotations": annotations, "resource_version": self._next_version()}
        metadata = found.metadata.model_copy(update=update)
        self.configs[tool] = found.model_copy(update={"metadata": metadata})
        self.changed(tool)

    def remove(self, tool: str) -> None:
        """A user deletes a config."""
        del self.configs[tool]
        self.changed(tool)

    def tools(self) -> Iterable[str]:
        """See `ports.Objects`."""
        return self.configs

    def config(self, tool: str) -> ToolConfig | None:
        """See `ports.Objects`."""
        return self.configs.get(tool)

    def deployments(self, tool: str) -> Sequence[Known]:
        """See `ports.Objects`."""
        return tuple(self.known.get(tool, {}).values())

    async def write_status(self, config: ToolConfig, status: ToolConfigStatus) -> None:
        """See `ports.Objects`."""
        self._die_or_fail(self.crash_before)
        tool = config.metadata.namespace.removeprefix(namespace_of(""))
        stored = self.configs.get(tool)
        if stored is None:
            return
        if stored.metadata.resource_version != config.metadata.resource_version:
            raise errors.Conflict("it changed")
        metadata = stored.metadata.model_copy(update={"resource_version": self._next_version()})
        text = status.model_dump_json(by_alias=True)
        status = ToolConfigStatus.model_validate_json(text)
        self.configs[tool] = stored.model_copy(update={"metadata": metadata, "status": status})
        self._wrote(tool)

    async def create(self, tool: str, name: str, spec: ToolDeploymentSpec) -> None:
        """See `ports.Objects`."""
        self._die_or_fail(self.crash_before)
        if name not in self.known.setdefault(tool, {}):
            self.made.append((tool, name, spec))
            self.known[tool][name] = Known(name, self._clock(), spec.trigger.commits, open=True)
        self._wrote(tool)

    def commits(self, tool: str) -> list[dict[str, str]]:
        """The commits of the tool's deployments, in the order in which they were made."""
        return [dict(spec.trigger.commits) for made, _, spec in self.made if made == tool]

    def _next_version(self) -> str:
        self._versions += 1
        return str(self._versions)

    def _die_or_fail(self, crash: int | None) -> None:
        self.writes += 1
        self._die(crash)
        if self.failures:
            raise self.failures.pop(0)

    def _wrote(self, tool: str) -> None:
        self._die(self.crash_after)
        self.changed(tool)

    def _die(self, crash: int | None) -> None:
        if self.writes == crash:
            self.crashed = True
            raise CrashError
