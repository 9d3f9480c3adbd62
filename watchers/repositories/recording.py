"""Carries out what `watchers.decide` decides, one write after the other.

Used by `poller` after each check and at the start. A crash between any two writes is made good by
the next call. One tool is worked on by one call at a time.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from weakref import WeakValueDictionary

from controller import logs
from controller.store import errors as store_errors
from watchers import decide
from watchers.decide import Case, Known, Sight, Verdict
from watchers.repositories.ports import Objects

# Intents of two groups, and a status before, between and after them; more is a bug.
_MOST_STEPS = 8
_log = logs.logger("polling")


class Recorder:
    """Brings the stored state of a tool up to what was seen."""

    def __init__(
        self, objects: Objects, may_act: Callable[[], bool], clock: Callable[[], datetime]
    ) -> None:
        self._objects = objects
        self._may_act = may_act
        self._clock = clock
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def record(
        self, tool: str, sights: Mapping[str, Sight], checked: Mapping[str, datetime]
    ) -> None:
        """Write down what was seen, and create what is to be deployed.

        Raises errors.EdgeError when a write fails: what is stored then is enough to go on later.
        """
        lock = self._locks.setdefault(tool, asyncio.Lock())
        async with lock:
            await self._record(tool, sights, checked)

    async def _record(
        self, tool: str, sights: Mapping[str, Sight], checked: Mapping[str, datetime]
    ) -> None:
        made: dict[str, Known] = {}
        conflicts = 0
        for _ in range(_MOST_STEPS):
            config = self._objects.config(tool)
            if config is None or not self._may_act():
                return
            known = {each.name: each for each in self._objects.deployments(tool)}
            now = self._clock()
            case = Case(tool, config, tuple((made | known).values()), now, sights, checked)
            decision = decide.decide(case)
            match decision.step:
                case decide.Record(status=status):
                    try:
                        await self._objects.write_status(config, status)
                    except store_errors.Conflict:
                        # The condition Valid is written by this process too: what it wrote can be
                        # read by now. What others wrote cannot, so there is no third time.
                        conflicts += 1
                        if conflicts > 1:
                            raise
                case decide.Create(name=name, spec=spec):
                    await self._objects.create(tool, name, spec)
                    made[name] = Known(name, now, spec.trigger.commits, open=True)
                    _log.info("deployment_created", tool=tool, deployment=name)
                case decide.Rest():
                    _explain(tool, decision.verdicts)
                    return
        raise RuntimeError(f"polling of {tool} does not come to rest")


def _explain(tool: str, verdicts: Mapping[str, Verdict]) -> None:
    """Why nothing was created, where that is not what a reader would expect."""
    for component, verdict in verdicts.items():
        if verdict == Verdict.AWAITED:
            _log.info("commit_waits_for_deployment", tool=tool, component=component)
