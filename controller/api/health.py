"""`/v1/healthz`: whether this process can do its work, which means: reach the control plane.

One question every few seconds, however often somebody asks: probes cost nothing. A composition root
may run `keep_looking`, and give `problem` to its readiness probe.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from controller.api import texts
from controller.api.calls import Answer, Call
from controller.errors import EdgeError
from controller.store import errors, kinds
from controller.store.objects import Store

PAUSE = timedelta(seconds=5)
_NOBODY = "push-to-deploy-health"
"""A tool that does not exist: its list is empty, or the answer says what is wrong."""


class Health:
    """What the control plane answered last. `clock` is monotonic seconds."""

    def __init__(self, store: Store, clock: Callable[[], float], pause: timedelta = PAUSE) -> None:
        self._store = store
        self._clock = clock
        self._pause = pause.total_seconds()
        self._asked_at: float | None = None
        self._asking = asyncio.Lock()
        self._problem: str | None = "the control plane was not asked yet"

    def problem(self) -> str | None:
        """What was wrong at the last look, in a sentence; None when all was well."""
        return self._problem

    async def show(self, call: Call) -> Answer:  # noqa: ARG002
        """GET."""
        async with self._asking:
            if self._asked_at is None or self._clock() - self._asked_at >= self._pause:
                await self.look()
        messages: dict[str, list[str]] = {"info": [], "warning": [texts.BETA], "error": []}
        if self._problem is None:
            return Answer({"status": "OK"}, messages)
        return Answer({"status": "ERROR"}, messages | {"error": [self._problem]}, status=503)

    async def keep_looking(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._pause)

    async def look(self) -> None:
        """Ask now."""
        try:
            await self._store.list(kinds.CONFIGS, _NOBODY)
            self._problem = None
        except errors.NotFound:
            self._problem = "the control plane does not know our kinds: apply manifests/crds"
        except errors.Forbidden:
            self._problem = "the control plane refuses our account"
        except EdgeError:
            self._problem = "the control plane does not answer"
        self._asked_at = self._clock()
