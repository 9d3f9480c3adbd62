"""`T/config`: a tool's config, shown, replaced and deleted; and fetched from its source_url.

Everything is checked before anything is stored, and a replacement is one write: a reader sees the
old config or the new one.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from controller import config as reader
from controller.api import reading, texts, wire
from controller.api.calls import Answer, Call
from controller.api.problems import Refused
from controller.config import Loaded, Policy, Problem
from controller.models.meta import config_name
from controller.models.reasons import Reason
from controller.models.toolconfig import ToolConfig, ToolConfigSpec
from controller.store import errors, kinds
from controller.store.objects import Store

_MISTAKES = 20
Prepare = Callable[[str], Awaitable[None]]
"""Has a tool's namespace exist, where that is ours to do (local mode)."""


class SourceError(Exception):
    """A config cannot be had from its source_url; the message is for its owner."""


class Sources(Protocol):
    """Fetches a config's text (`api.sources`)."""

    async def fetch(self, url: str) -> str:
        """The text at `url`; raises SourceError."""
        ...


async def leave(_tool: str) -> None:
    """Namespaces are somebody else's to make."""


class Configs:
    """The configs of all tools. `policy` says what users may write."""

    def __init__(
        self, store: Store, sources: Sources, policy: Policy, prepare: Prepare = leave
    ) -> None:
        self._store = store
        self._sources = sources
        self._policy = policy
        self._prepare = prepare

    async def show(self, call: Call) -> Answer:
        """GET."""
        found = await self.current(call.tool)
        return Answer(wire.config(found.spec), {"warning": [texts.BETA]})

    async def polled(self, call: Call) -> Answer:
        """GET what polling saw last of each component that it follows."""
        found = await self.current(call.tool)
        return Answer({"components": wire.watches(found.status)}, {"warning": [texts.BETA]})

    async def replace(self, call: Call) -> Answer:
        """POST. What is stored is what is answered."""
        loaded = self._checked(reading.mapping(call.body))
        warnings = list(loaded.warnings)
        stored, url = loaded.stored, _source_of(loaded.spec)
        if url:
            fetched = await self._fetched(url)
            warnings += fetched.warnings
            stored = {**fetched.stored, "source_url": url}
        await self._prepare(call.tool)
        spec = await self._put(call.tool, stored)
        said = [texts.BETA, *dict.fromkeys(problem.api_text for problem in warnings)]
        done = f"Configuration for {call.tool} updated successfully."
        return Answer(wire.config(spec), {"info": [done], "warning": said})

    async def delete(self, call: Call) -> Answer:
        """DELETE, also one that cannot be read: that is answered as it was stored.

        Deployments that are going keep the config that they began with.
        """
        name = config_name(call.tool)
        try:
            uid, was = await self._stored(call.tool, name)
            await self._store.delete(kinds.CONFIGS, call.tool, name, uid)
        except errors.NotFound:
            raise Refused(404, texts.no_config(call.tool), reason=Reason.CONFIG_MISSING) from None
        return Answer(was)

    async def _stored(self, tool: str, name: str) -> tuple[str, Mapping[str, Any]]:
        try:
            found = await self._store.get(kinds.CONFIGS, tool, name)
        except errors.Unreadable as error:
            return error.stored["metadata"]["uid"], error.stored.get("spec") or {}
        return found.metadata.uid, wire.config(found.spec)

    async def current(self, tool: str) -> ToolConfig:
        """The stored config; Refused with 404 if there is none, 422 if it cannot be read."""
        try:
            return await self._store.get(kinds.CONFIGS, tool, config_name(tool))
        except errors.NotFound:
            raise Refused(404, texts.no_config(tool), reason=Reason.CONFIG_MISSING) from None
        except errors.Unreadable as error:
            found = map(_stored_mistake, error.problems)
            hint = "The stored config has errors; replace or delete it"
            raise Refused(422, *found, hint, reason=Reason.CONFIG_INVALID) from None

    async def refreshed(self, tool: str, found: ToolConfig) -> ToolConfigSpec:
        """The config after its source_url was fetched again, where it has one.

        Stored only when it differs, in one write. Refused with 400 if it cannot be had; the stored
        config is as it was then.
        """
        url = _source_of(found.spec)
        if not url:
            return found.spec
        stored = {**(await self._fetched(url)).stored, "source_url": url}
        if stored == wire.config(found.spec):
            return found.spec
        return await self._put(tool, stored)

    def _checked(self, data: dict[str, Any]) -> Loaded:
        loaded = reader.load_object(data, policy=self._policy)
        if loaded.errors:
            said = (problem.api_text for problem in loaded.errors)
            raise Refused(422, *said, reason=Reason.CONFIG_INVALID, mistakes=_mistakes(loaded))
        return loaded

    async def _fetched(self, url: str) -> Loaded:
        try:
            text = await self._sources.fetch(url)
        except SourceError as error:
            words = texts.source_failed(url, str(error))
            raise Refused(400, words, reason=Reason.CONFIG_FETCH_FAILED) from None
        loaded = reader.load(text, policy=self._policy)
        if loaded.errors:
            said = (texts.source_failed(url, _told(it)) for it in loaded.errors)
            mistakes = _mistakes(loaded, texts.shown(url))
            raise Refused(400, *said, reason=Reason.CONFIG_INVALID, mistakes=mistakes)
        return loaded

    async def _put(self, tool: str, stored: dict[str, Any]) -> ToolConfigSpec:
        try:
            made = await self._store.put(kinds.CONFIGS, tool, config_name(tool), stored)
        except errors.NotFound:
            raise Refused(404, texts.no_config(tool)) from None
        return made.spec


def _mistakes(loaded: Loaded, file: str = "") -> list[Mapping[str, object]]:
    """For machines: where each mistake is; `file` is the address that it was fetched from."""
    return [{"file": file, **problem.as_dict()} for problem in loaded.errors[:_MISTAKES]]


def _stored_mistake(problem: str) -> str:
    """`spec.components.web.run.port: why` as a request's own mistakes are told."""
    path, _, why = problem.partition(": ")
    return texts.invalid(" -> ".join(path.removeprefix("spec.").split(".")), why)


def _source_of(spec: ToolConfigSpec | None) -> str:
    return (spec.source_url or "") if spec else ""


def _told(problem: Problem) -> str:
    """A mistake in a fetched file: where and what, without what stands there."""
    line = f"line {problem.line}: " if problem.line else ""
    place = f"{problem.path}: " if problem.path else ""
    return f"{line}{place}{problem.message}"
