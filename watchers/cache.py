"""The objects as last seen, by tool: what a reconcile reads instead of asking the server.

Filled by the object watcher (lists and events) and by the store (our own writes, at once), read by
the reconcile core and by metrics. Unfinished deployments and configs are held whole, finished ones
as summaries. An older version never replaces a newer one, whoever brings it, and what was deleted
never comes back: uids are unique for ever. No requests, no clock, no decisions.
"""

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from controller import logs
from controller.models.meta import config_name, namespace_of, tool_of
from controller.models.summary import DeploymentSummary, InvalidConfig, Words, is_final
from controller.models.toolconfig import ToolConfig
from controller.models.tooldeployment import ToolDeployment
from controller.store import errors, kinds

JSON = Mapping[str, Any]

_SHARED = 4096
_log = logs.logger("cache")


@dataclass(frozen=True, slots=True)
class Unread:
    """A stored object that cannot be read: left alone, and counted."""

    uid: str
    version: int
    problem: str


Held = ToolDeployment | DeploymentSummary | ToolConfig | InvalidConfig | Unread
Place = tuple[str, str]
"""Namespace and name."""


class Shelf:
    """All objects of one kind."""

    def __init__(self, read: Callable[[JSON], Held]) -> None:
        self._read = read
        self._spaces: dict[str, dict[str, Held]] = {}
        self._graves: dict[str, int | None] = {}  # uid → version of its deletion, where known
        self._complete = 0  # everything that lived at this version has been seen
        self.unread = 0

    def of(self, namespace: str) -> Mapping[str, Held]:
        """The objects of a namespace by name."""
        return self._spaces.get(namespace, {})

    def namespaces(self) -> Iterator[str]:
        """The namespaces that hold something."""
        return iter(self._spaces)

    def put(self, stored: JSON) -> bool:
        """Hold this unless it is old news; answers whether anything changed."""
        if not self.lacks(stored):
            return False
        namespace, name = place_of(stored)
        self._set(namespace, name, self._reading(stored))
        return True

    def lacks(self, stored: JSON) -> bool:
        """Whether this is newer than what is held.

        Of what is not held, news from before a complete list is news of the dead.
        """
        metadata = stored["metadata"]
        if metadata["uid"] in self._graves:
            return False
        held = self.of(metadata["namespace"]).get(metadata["name"])
        known = self._complete if held is None else identity(held)[1]
        return int(metadata["resourceVersion"]) > known

    def drop(self, place: Place, uid: str, version: int | None) -> bool:
        """This object is deleted, since `version` if that is known; answers whether it was held.

        A newer object of the same name stays.
        """
        self._graves[uid] = version
        held = self.of(place[0]).get(place[1])
        if held is None or identity(held)[0] != uid:
            return False
        self._set(*place, None)
        return True

    def absent(self, seen: set[Place], version: int) -> list[Place]:
        """What a list of that version would show if it existed, but did not."""
        return [
            (namespace, name)
            for namespace, objects in self._spaces.items()
            for name, held in objects.items()
            if (namespace, name) not in seen and identity(held)[1] <= version
        ]

    def graves(self) -> set[str]:
        """The uids that are known to be deleted."""
        return set(self._graves)

    def completed(self, version: int, unlisted: Collection[str]) -> None:
        """All of a list of that version has been put: those who died before need no graves.

        `unlisted`: dead whose version is not known, but which the list did not show.
        """
        self._complete = max(self._complete, version)
        self._graves = {
            uid: died
            for uid, died in self._graves.items()
            if (uid not in unlisted if died is None else died > version)
        }

    def _set(self, namespace: str, name: str, held: Held | None) -> None:
        objects = self._spaces.setdefault(namespace, {})
        self.unread += isinstance(held, Unread) - isinstance(objects.pop(name, None), Unread)
        if held is not None:
            objects[name] = held
        elif not objects:
            del self._spaces[namespace]

    def _reading(self, stored: JSON) -> Held:
        try:
            return self._read(stored)
        except (errors.Unreadable, KeyError, TypeError, ValueError, AttributeError) as error:
            metadata = stored["metadata"]
            _log.warning(
                "object_unreadable",
                namespace=metadata["namespace"],
                name=metadata["name"],
                problem=str(error),
            )
            return Unread(metadata["uid"], int(metadata["resourceVersion"]), str(error))


class Cache:
    """ToolDeployments and ToolConfigs of all tools. `enqueue(tool)` is called on each change.

    A `controller.store.objects.Seen`.
    """

    def __init__(self, enqueue: Callable[[str], None]) -> None:
        self._enqueue = enqueue
        self._share = lru_cache(_SHARED)(_same)
        self._deployments = Shelf(self._read_deployment)
        self._configs = Shelf(kinds.read_config)
        self.shelves = {
            kinds.DEPLOYMENTS.plural: self._deployments,
            kinds.CONFIGS.plural: self._configs,
        }

    def tools(self) -> set[str]:
        """All tools that have a config or a deployment."""
        spaces = {space for shelf in self.shelves.values() for space in shelf.namespaces()}
        return {tool for space in spaces if (tool := tool_of(space)) is not None}

    def deployments(
        self, tool: str
    ) -> tuple[tuple[ToolDeployment, ...], tuple[DeploymentSummary, ...]]:
        """The tool's unfinished deployments, and summaries of the finished; oldest first."""
        held = self._deployments.of(namespace_of(tool)).values()
        return (
            tuple(sorted((each for each in held if isinstance(each, ToolDeployment)), key=_age)),
            tuple(
                sorted(
                    (each for each in held if isinstance(each, DeploymentSummary)),
                    key=lambda each: (each.created_at, each.name),
                )
            ),
        )

    def config(self, tool: str) -> ToolConfig | InvalidConfig | None:
        """The tool's config, what is wrong with it, or None where there is none."""
        held = self._configs.of(namespace_of(tool)).get(config_name(tool))
        return held if isinstance(held, ToolConfig | InvalidConfig) else None

    def unfinished(self) -> Iterator[ToolDeployment]:
        """The unfinished deployments of all tools, for metrics."""
        for namespace in self._deployments.namespaces():
            for held in self._deployments.of(namespace).values():
                if isinstance(held, ToolDeployment):
                    yield held

    def put(self, kind: str, stored: JSON) -> bool:
        """An object exists like this; answers whether that is news."""
        changed = self.shelves[kind].put(stored)
        if changed:
            self.changed(place_of(stored)[0])
        return changed

    def drop(self, kind: str, stored: JSON) -> None:
        """An object was deleted; `stored` is its last state, with the deletion's version."""
        metadata = stored["metadata"]
        version = int(metadata["resourceVersion"])
        if self.shelves[kind].drop(place_of(stored), metadata["uid"], version):
            self.changed(metadata["namespace"])

    def wrote(self, kind: str, stored: JSON) -> None:
        """We wrote this: a reconcile that starts now must see it."""
        self.put(kind, stored)

    def deleted(self, kind: str, namespace: str, name: str, uid: str) -> None:
        """We deleted this: older news of it must not bring it back."""
        if self.shelves[kind].drop((namespace, name), uid, None):
            self.changed(namespace)

    def _read_deployment(self, stored: JSON) -> Held:
        if is_final(stored):
            return DeploymentSummary.of(stored, self._share)
        return kinds.DEPLOYMENTS.read(stored)

    def changed(self, namespace: str) -> None:
        """Have the tool of a namespace looked at; namespaces of others are ignored."""
        tool = tool_of(namespace)
        if tool is not None:
            self._enqueue(tool)


def place_of(stored: JSON) -> Place:
    """Namespace and name of a stored object."""
    metadata = stored["metadata"]
    return sys.intern(metadata["namespace"]), metadata["name"]


def identity(held: Held) -> tuple[str, int]:
    """Uid and version of what is held."""
    if isinstance(held, DeploymentSummary | Unread):
        return held.uid, held.version
    return held.metadata.uid, int(held.metadata.resource_version)


def _same(words: Words) -> Words:
    return words


def _age(deployment: ToolDeployment) -> tuple[Any, str]:
    return deployment.metadata.creation_timestamp, deployment.name
