"""The webhook: a git host says that something was pushed, and polling looks at once.

One route for all hosts. A call says no more than "look now": which commit is deployed is read from
the repository, so that a forged call can deploy nothing. The answer comes before the work: an
annotation on the ToolConfig, which the leader's poller watches (this role holds no state that
matters and may run many times). Calls of one tool that come together are one write.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from controller import errors as edge
from controller import logs
from controller.api import pushes
from controller.api.calls import Answer, Call
from controller.api.deploytokens import Secrets
from controller.api.problems import Refused
from controller.models.lookups import ANNOTATION, Push, value_of
from controller.models.meta import config_name
from controller.store import errors, kinds
from controller.store.objects import Store

NAME, KEY = "webhook", "secret"
"""The Secret's name in the tool's namespace, and the key in it; `ptd webhook` makes it."""

_REMEMBERED = timedelta(minutes=5)
_SECRET_AGE = timedelta(seconds=5)
_MOST = 5_000
_TRIES = 3
_REFUSED = "The call does not prove that it knows the tool's webhook secret (see `ptd webhook`)"
_log = logs.logger("webhook")


class Webhooks:
    """Takes calls for all tools. `pause` is the shortest time between two writes for one tool."""

    def __init__(
        self,
        store: Store,
        kept: Secrets,
        clock: Callable[[], datetime],
        pause: timedelta = timedelta(seconds=1),
    ) -> None:
        self._store = store
        self._kept = kept
        self._clock = clock
        self._pause = pause.total_seconds()
        self._nobodys = secrets.token_bytes()
        self._known: dict[str, tuple[datetime, bytes | None]] = {}
        self._seen: dict[bytes, datetime] = {}
        self._pushes: dict[str, Push] = {}
        self._writes: set[asyncio.Task[None]] = set()

    async def admit(self, tool: str, headers: Mapping[str, str]) -> bool:
        """Whether the header proves already that the sender knows the secret, as GitLab's does.

        Refused with 401 where it proves nothing, and the body cannot either.
        """
        if pushes.is_signed(headers):
            return False
        await self._check(tool, headers, b"")
        return True

    async def receive(self, call: Call) -> Answer:
        """POST. Refused with 401 without a right signature or token, whether there is a secret."""
        body = call.body if isinstance(call.body, bytes) else b""
        await self._check(call.tool, call.headers, body)
        if self._is_repeated(call.tool, body):
            return _accepted("This very call came before; nothing more is done for it")
        self._announce(call.tool, pushes.pushed(body))
        return _accepted("The tool's repositories are looked at now")

    async def _check(self, tool: str, headers: Mapping[str, str], body: bytes) -> None:
        secret = await self._secret(tool)
        if not pushes.proves(headers, body, secret or self._nobodys) or not secret:
            raise Refused(401, _REFUSED)

    async def _secret(self, tool: str) -> bytes | None:
        """The tool's secret; remembered for seconds, so that a flood asks the platform once."""
        now = self._clock()
        until, secret = self._known.get(tool, (now, None))
        if now < until:
            return secret
        try:
            secret = (await self._kept.get(tool, NAME)).data.get(KEY)
        except errors.NotFound:
            secret = None
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[tool] = (now + _SECRET_AGE, secret)
        return secret

    def _is_repeated(self, tool: str, body: bytes) -> bool:
        """Whether these very words came a moment ago. By the body: that is what is signed."""
        now = self._clock()
        while self._seen and (
            now - (oldest := next(iter(self._seen.items())))[1] > _REMEMBERED
            or len(self._seen) > _MOST
        ):
            del self._seen[oldest[0]]
        delivery = hashlib.sha256(tool.encode() + b"\0" + body).digest()
        repeated = delivery in self._seen
        self._seen.setdefault(delivery, now)
        return repeated

    def _announce(self, tool: str, push: Push) -> None:
        going = tool in self._pushes
        self._pushes[tool] = push
        if not going:
            task = asyncio.create_task(self._write(tool))
            self._writes.add(task)
            task.add_done_callback(self._writes.discard)

    async def _write(self, tool: str) -> None:
        """Pass on the newest push, and what comes meanwhile a moment later."""
        try:
            while True:
                push = self._pushes[tool]
                await self._annotate(tool, push)
                await asyncio.sleep(self._pause)
                if self._pushes[tool] is push:
                    return
        except edge.EdgeError as error:
            # The push is deployed at the next check, as without a webhook.
            _log.warning("webhook_not_passed_on", tool=tool, error=error.message)
        finally:
            del self._pushes[tool]

    async def _annotate(self, tool: str, push: Push) -> None:
        value = value_of(self._clock(), push)
        for tries_left in reversed(range(_TRIES)):
            try:
                found = await self._store.get(kinds.CONFIGS, tool, config_name(tool))
                await self._store.annotate(found, {ANNOTATION: value})
                return
            except errors.Conflict:
                if not tries_left:
                    raise
            except errors.NotFound:
                return  # no config: nothing is followed


def _accepted(info: str) -> Answer:
    return Answer({}, {"info": [info], "warning": [], "error": []}, status=202)
