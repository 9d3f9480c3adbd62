"""`Idempotency-Key`: the same POST once more answers the deployment that the first one made.

A key is an annotation of the tool's config: its hash → the id of the deployment. It is claimed in
one write that fails if anybody else wrote meanwhile, and before the deployment is made under that
id. So neither a restart in between nor another replica makes a second one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controller.api.configs import Configs
from controller.api.problems import Refused
from controller.models.toolconfig import ToolConfig
from controller.store import errors
from controller.store.objects import Store

PREFIX = "deploy-key.components-api.toolforge.org/"
KEPT = 50
"""Keys that are remembered of each tool; the oldest is forgotten first."""

_LONGEST = 255
_TRIES = 5


@dataclass(frozen=True, slots=True)
class Key:
    """A key and what was asked with it, both as hashes: a key may hold anything."""

    annotation: str
    request: str

    @classmethod
    def of(cls, sent: str, spec: Mapping[str, Any]) -> "Key | None":
        """The key that was sent with a request, or None; Refused with 400 for an endless one."""
        if not sent:
            return None
        if len(sent) > _LONGEST:
            raise Refused(400, f"The Idempotency-Key is longer than {_LONGEST} characters")
        asked = json.dumps(spec, sort_keys=True)
        return cls(PREFIX + _hash(sent, 40), _hash(asked, 12))

    def claimed(self, config: ToolConfig) -> str:
        """The id that the key stands for, "" if it is new; Refused with 422 for another request."""
        name, _, request = config.metadata.annotations.get(self.annotation, "").partition("/")
        if name and request != self.request:
            raise Refused(
                422,
                f"The Idempotency-Key was used for another request, which made {name}; "
                "use a new key for each job and each of its attempts",
            )
        return name


class Keys:
    """Claims keys."""

    def __init__(self, store: Store, configs: Configs) -> None:
        self._store = store
        self._configs = configs

    async def claim(self, tool: str, key: Key, name: str) -> str:
        """The id that the key stands for from now on: `name`, unless somebody was faster."""
        for _ in range(_TRIES):
            config = await self._configs.current(tool)
            known = key.claimed(config)
            if known:
                return known
            changes = {**_oldest(config), key.annotation: f"{name}/{key.request}"}
            try:
                await self._store.annotate(config, changes)
            except errors.Conflict:
                continue
            return name
        raise Refused(409, "The config is being changed again and again; try again")


def _oldest(config: ToolConfig) -> dict[str, str | None]:
    """What is forgotten so that there is room for one more; ids sort by time."""
    held = [(v, k) for k, v in config.metadata.annotations.items() if k.startswith(PREFIX)]
    return {name: None for _, name in sorted(held)[: max(0, len(held) + 1 - KEPT)]}


def _hash(text: str, length: int) -> str:
    # A header may hold bytes that are no UTF-8.
    raw = text.encode("utf-8", "surrogateescape")
    return hashlib.sha256(raw).hexdigest()[:length]
