"""`T/deployment`: deployments are listed, shown, asked for, cancelled and deleted.

An object is all that a request leaves behind: the controller finds it and does the work, so that no
restart of this process loses any. One deployment of a tool is worked on at a time, later ones wait
in order, up to a limit.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from controller.api import asked, problem_body, texts, wire
from controller.api.calls import Answer, Call
from controller.api.configs import Configs
from controller.api.keys import Key, Keys
from controller.api.problems import Refused
from controller.api.sharing import Shared
from controller.api.sight import LATEST, Sight, oldest_first
from controller.models import names
from controller.models.toolconfig import ToolConfig, ToolConfigSpec
from controller.models.tooldeployment import State, ToolDeployment
from controller.store import errors, kinds
from controller.store.objects import Store

_CANCELLABLE = (State.PENDING, State.RUNNING)
_ALPHABET = sorted(names.RANDOM_ALPHABET)
_TRIES = 3
_LOOK_AGAIN = timedelta(milliseconds=100)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many of a tool's deployments may be unfinished, and how long a delete waits for the
    builds of a running one to be stopped."""

    unfinished: int = 10
    ending: timedelta = timedelta(seconds=5)


class Deployments:
    """The deployments of all tools. `draw(n)` answers a random number from 0 to n - 1."""

    def __init__(
        self,
        store: Store,
        sight: Sight,
        configs: Configs,
        clock: Callable[[], datetime],
        draw: Callable[[int], int],
        limits: Limits,
    ) -> None:
        self._store = store
        self._sight = sight
        self._configs = configs
        self._keys = Keys(store, configs)
        self._clock = clock
        self._draw = draw
        self._limits = limits
        self._shared = Shared[ToolConfig]()

    async def list(self, call: Call) -> Answer:
        """GET: oldest first."""
        found = await oldest_first(self._store, call.tool)
        config = await self._config_for(call.tool, found)
        return Answer({"deployments": [wire.deployment(each, config) for each in found]})

    async def create(self, call: Call) -> Answer:
        """POST."""
        return await self._ask_for(call, asked.deployment(call))

    async def retry(self, call: Call) -> Answer:
        """POST retry: the same commits once more, where the deployment has not succeeded."""
        old = await self._named(call)
        state = wire.state(old)
        if old.is_history or not state.final or state is State.SUCCESSFUL:
            raise Refused(409, texts.cannot_retry(state.value))
        config = await self._configs.current(call.tool)
        return await self._ask_for(call, asked.again(call, old, config.spec))

    async def _ask_for(self, call: Call, spec: asked.Spec) -> Answer:
        """Nothing is fetched, stored or made unless everything before has succeeded."""
        key = Key.of(call.headers.get("Idempotency-Key", ""), spec)
        found, config = await asyncio.gather(
            oldest_first(self._store, call.tool), self._configs.current(call.tool)
        )
        claimed = key.claimed(config) if key else ""
        for each in found:
            if claimed and each.name == claimed:
                return _made(call, each, config.spec, (), texts.already_asked(each.name))
        ahead = [each.name for each in found if wire.state(each) in _CANCELLABLE]
        if len(ahead) >= self._limits.unfinished:
            raise Refused(409, texts.too_many(len(ahead), self._limits.unfinished))
        used = await self._configs.refreshed(call.tool, config)
        asked.check_pins(spec, used)
        newest = found[-1].name if found else ""
        if key is None:
            made = await self._make(call.tool, spec, newest)
        else:
            made = await self._make_once(call.tool, spec, key, newest)
        done = f"Deployment for {call.tool} created successfully."
        return _made(call, made, used, ahead, done)

    async def cancel(self, call: Call) -> Answer:
        """PUT. A cancel is one field of the spec: no write of the controller can undo it."""
        found = await self._named(call)
        state = wire.state(found)
        if state not in _CANCELLABLE:
            raise Refused(409, texts.cannot_cancel(state.value))
        answer = await self.shown(call.tool, await self._ask_to_end(call.tool, found))
        return Answer(answer.data, {"info": [texts.CANCEL_ASKED]})

    async def delete(self, call: Call) -> Answer:
        """DELETE. One that is going is cancelled first, so that its builds do not go on for
        nothing; it is deleted even if that takes too long."""
        found = await self._sight.stored(call.tool, call.parts["deployment_id"])
        answer = await self.shown(call.tool, found)
        if not found.final and found.status.started_at is not None:
            await self._end(call.tool, found)
        try:
            await self._store.delete(kinds.DEPLOYMENTS, call.tool, found.name, found.metadata.uid)
        except (errors.NotFound, errors.Conflict):
            raise await self._sight.missing(call.tool, found.name) from None
        return Answer(answer.data, {"info": [f"Deployment {found.name} deleted successfully."]})

    async def _end(self, tool: str, found: ToolDeployment) -> None:
        try:
            async with asyncio.timeout(self._limits.ending.total_seconds()):
                left = await self._ask_to_end(tool, found)
                while not left.final:
                    await asyncio.sleep(_LOOK_AGAIN.total_seconds())
                    left = await self._sight.stored(tool, found.name)
        except TimeoutError:
            return

    async def _ask_to_end(self, tool: str, found: ToolDeployment) -> ToolDeployment:
        try:
            return await self._store.patch_spec(found, {"cancel": True})
        except (errors.NotFound, errors.Conflict):
            raise await self._sight.missing(tool, found.name) from None

    async def _make(self, tool: str, spec: dict[str, Any], newest: str) -> ToolDeployment:
        for _ in range(_TRIES):
            name = next_id(self._clock(), newest, self._draw)
            try:
                return await self._store.create(kinds.DEPLOYMENTS, tool, name, spec)
            except errors.AlreadyExists:
                newest = max(name, newest)
            except errors.NotFound:
                raise Refused(404, texts.no_config(tool)) from None
        raise Refused(409, "Somebody else creates deployments at the same moment; try again")

    async def _make_once(
        self, tool: str, spec: asked.Spec, key: Key, newest: str
    ) -> ToolDeployment:
        """The deployment that the key stands for, made if it does not exist."""
        name = await self._keys.claim(tool, key, next_id(self._clock(), newest, self._draw))
        try:
            return await self._store.create(kinds.DEPLOYMENTS, tool, name, spec)
        except errors.AlreadyExists:
            return await self._sight.stored(tool, name)
        except errors.NotFound:
            raise Refused(404, texts.no_config(tool)) from None

    async def _named(self, call: Call) -> ToolDeployment:
        """The one that a path names; it may be `latest`."""
        name = call.parts["deployment_id"]
        sight = self._sight
        return await (sight.newest(call.tool) if name == LATEST else sight.stored(call.tool, name))

    async def shown(self, tool: str, found: ToolDeployment) -> Answer:
        """A deployment as the API shows it."""
        return Answer(wire.deployment(found, await self._config_for(tool, [found])))

    async def _config_for(
        self, tool: str, shown: Sequence[ToolDeployment]
    ) -> ToolConfigSpec | None:
        """The present config, where one of them has no snapshot of its own yet."""
        if all(each.final or each.status.tool_config for each in shown):
            return None
        try:
            return (await self._shared.read(tool, lambda: self._configs.current(tool))).spec
        except Refused:
            return None


def _made(
    call: Call, made: ToolDeployment, config: ToolConfigSpec, ahead: Sequence[str], info: str
) -> Answer:
    """What a POST answers: the deployment, and where it can be waited for."""
    place = f"../{made.name}" if "deployment_id" in call.parts else f"deployment/{made.name}"
    headers = {
        "Location": place,
        "Link": f'<{place}/wait>; rel="monitor"',
        "Retry-After": problem_body.SOON,
    }
    lines = None
    if call.wants_lines:
        lines = problem_body.lines(problem_body.record(made) | {"status": 200})
    return Answer(wire.deployment(made, config, ahead), {"info": [info]}, 200, headers, lines=lines)


def next_id(now: datetime, newest: str, draw: Callable[[int], int]) -> str:
    """An id for now that sorts behind `newest`, the tool's newest id, whatever the random part.

    Ids carry whole seconds: of two in one second the later one must still be the latest.
    """
    name = names.deployment_id(now, _random(names.RANDOM_LENGTH, draw))
    prefix = name[: -names.RANDOM_LENGTH]
    ours = names.creation_time(newest) is not None
    if name > newest or not ours or not newest.startswith(prefix):
        return name
    return prefix + _behind(newest.removeprefix(prefix), draw)


def _behind(old: str, draw: Callable[[int], int]) -> str:
    """A random text of the same length that sorts behind `old` and leaves room behind itself."""
    last = _ALPHABET[-1]
    at = max((i for i, c in enumerate(old[: len(old) // 2]) if c != last), default=None)
    if at is None:
        return _random(len(old), draw)
    following = _ALPHABET[_ALPHABET.index(old[at]) + 1]
    return old[:at] + following + _random(len(old) - at - 1, draw)


def _random(length: int, draw: Callable[[int], int]) -> str:
    return "".join(_ALPHABET[draw(len(_ALPHABET))] for _ in range(length))
