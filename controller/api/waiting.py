"""`…/deployment/{id}/wait`, and the resource with `?wait=`: answers that come when it is time.

Every wait looks first and listens from before that look, so that nothing can happen in between. The
code of the answer makes plain curl a correct CI step: a code that curl repeats means "ask again",
any other is final (docs/ci.md).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from controller.api import problem_body, texts, wire
from controller.api.calls import Answer, Call
from controller.api.changes import Bell, Changes, TooMany
from controller.api.problems import Refused
from controller.api.sight import LATEST, NotKept, Sight
from controller.models.tooldeployment import ToolDeployment

HOLD = timedelta(seconds=50)
"""How long a wait is held unless the caller says; usual proxies cut what is silent for 60 s."""

_KEPT = 64
_LATER = "15"  # seconds, for those that were not admitted
_AGAIN = "1"  # for those whose server is about to end: another one answers
Show = Callable[[str, ToolDeployment], Awaitable[Answer]]


class Waiting:
    """Answers waits. `show` answers a deployment as the public API has it."""

    def __init__(self, sight: Sight, changes: Changes, show: Show) -> None:
        self._sight = sight
        self._changes = changes
        self._show = show
        self._verdicts: OrderedDict[tuple[str, str, bool], Answer] = OrderedDict()

    async def wait(self, call: Call) -> Answer:
        """GET wait: what became of it, or 429 when it goes on for longer than `timeout`."""
        call = await self._of_one(call)
        follow = _follows(call)
        until = self._until(call.query.get("timeout"), "timeout", HOLD)
        try:
            with self._changes.listening(call.tool, with_token=_by_token(call)) as bell:
                found, followed = await self._until_final(call, bell, until, follow)
        except TooMany as error:
            return _refused(call, str(error))
        return self._verdict(call, found, followed)

    async def resource(self, call: Call) -> Answer:
        """GET: 200 with the deployment; with `wait`, when it differs from `If-None-Match`."""
        call = await self._of_one(call)
        known = call.headers.get("If-None-Match", "")
        if not known or "wait" not in call.query:
            return await self._shown(call, await self._sight.look(call.tool, _name(call)), known)
        until = self._until(call.query["wait"], "wait", HOLD)
        try:
            with self._changes.listening(call.tool, with_token=_by_token(call)) as bell:
                while True:
                    bell.hush()
                    found = await self._sight.look(call.tool, _name(call))
                    if not _is_known(found, known) or not await self._goes_on(bell, until):
                        return await self._shown(call, found, known)
        except TooMany as error:
            return _refused(call, str(error))

    async def latest(self, call: Call) -> Answer:
        """GET latest: the same for the newest one."""
        return await self.resource(replace(call, parts={**call.parts, "deployment_id": LATEST}))

    async def _of_one(self, call: Call) -> Call:
        """The call with the id that it is about in the place of `latest`."""
        name = await self._sight.named(call.tool, _name(call))
        return replace(call, parts={**call.parts, "deployment_id": name})

    async def _shown(self, call: Call, found: ToolDeployment, known: str) -> Answer:
        """The resource with its ETag and, while it is not final, when to ask again; or 304."""
        headers = {"ETag": etag(found), "Cache-Control": "private, no-cache", "Vary": "Accept"}
        if not wire.state(found).final:
            headers["Retry-After"] = problem_body.SOON
        if _is_known(found, known):
            return Answer({}, status=304, headers=headers)
        if call.wants_lines:
            lines = problem_body.lines(problem_body.record(found) | {"status": 200})
            return Answer({}, headers=headers, lines=lines)
        shown = await self._show(call.tool, found)
        return Answer(shown.data, shown.messages, headers=headers)

    async def _until_final(
        self, call: Call, bell: Bell, until: float, follow: bool
    ) -> tuple[ToolDeployment, list[ToolDeployment]]:
        """The deployment that decides, and those that it has replaced."""
        name, followed, last = _name(call), list[ToolDeployment](), None
        while True:
            bell.hush()
            try:
                last = found = await self._sight.look(call.tool, name)
            except Refused as error:
                raise _gone(error, last) from None
            successor = found.status.superseded_by
            if follow and wire.state(found).final and successor:
                followed.append(found)
                name = successor
            elif wire.state(found).final or not await self._goes_on(bell, until):
                return found, followed

    async def _goes_on(self, bell: Bell, until: float) -> bool:
        return not self._changes.closing and await bell.rings(until)

    def _verdict(self, call: Call, found: ToolDeployment, followed: list[ToolDeployment]) -> Answer:
        """What to answer; made once for all who waited for the same end."""
        if followed or not wire.state(found).final:
            return self._told(call, found, followed)
        key = (found.metadata.uid, found.metadata.resource_version, call.wants_lines)
        if key not in self._verdicts:
            self._verdicts[key] = self._told(call, found, followed)
            if len(self._verdicts) > _KEPT:
                self._verdicts.popitem(last=False)
        return self._verdicts[key]

    def _told(self, call: Call, found: ToolDeployment, followed: list[ToolDeployment]) -> Answer:
        record = problem_body.record(found)
        if followed:
            record["followed"] = [each.name for each in followed]
            missing = _missing(followed, found)
            if record["status"] == 200 and missing:
                record |= _not_contained(found, missing)
        status: int = record["status"]
        headers = {"Vary": "Accept"}
        if status == 429:
            headers["Retry-After"] = _AGAIN if self._changes.closing else problem_body.SOON
        if call.wants_lines:
            return Answer({}, status=status, headers=headers, lines=problem_body.lines(record))
        if status == 200:
            return Answer(wire.deployment(found), headers=headers)
        return Answer(_with_messages(record), status=status, headers=headers, whole=True)

    def _until(self, given: str | None, name: str, default: timedelta) -> float:
        seconds = default.total_seconds() if given is None else seconds_of(given, name)
        longest = self._changes.limits.longest.total_seconds()
        return asyncio.get_running_loop().time() + min(seconds, longest)


def etag(found: ToolDeployment) -> str:
    """Weak: what has not begun also shows the present config, which is no change of it."""
    return f'W/"{found.metadata.uid[:8]}-{found.metadata.resource_version}"'


def _is_known(found: ToolDeployment, known: str) -> bool:
    tag = etag(found).removeprefix("W/")
    return tag in (part.strip().removeprefix("W/") for part in known.split(","))


def _name(call: Call) -> str:
    return call.parts["deployment_id"]


def seconds_of(text: str, name: str) -> float:
    """A time in seconds from a query: `50` or `50s`."""
    number = text.removesuffix("s")
    try:
        seconds = float(number)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        message = "Input should be a number of seconds, 0 or more"
        raise Refused(422, texts.invalid(name, message, text[:64]))
    return seconds


def _follows(call: Call) -> bool:
    said = call.query.get("on_superseded", "follow")
    if said not in ("follow", "fail"):
        message = "Input should be 'follow' or 'fail'"
        raise Refused(422, texts.invalid("on_superseded", message, said[:64]))
    return said == "follow"


def _by_token(call: Call) -> bool:
    return call.caller.value == "token"


def _refused(call: Call, why: str) -> Answer:
    detail = f"Not admitted: {why}. Ask again in {_LATER} seconds."
    body = problem_body.plain(problem_body.TOO_MANY, 429, detail)
    lines = problem_body.lines(body) if call.wants_lines else None
    return Answer(body, status=429, headers={"Retry-After": _LATER}, whole=True, lines=lines)


def _gone(error: Refused, last: ToolDeployment | None) -> Refused:
    if isinstance(error, NotKept):
        return Refused(410, error.messages[1])
    if last is None or error.status != 404:
        return error
    return Refused(410, f"The deployment {last.name} was deleted while you waited for it")


def _missing(followed: list[ToolDeployment], found: ToolDeployment) -> list[str]:
    """Components for which a replaced deployment was made, and which the last does not have."""
    asked = {name for each in followed for name in each.spec.trigger.commits}
    return sorted(asked - set(found.status.builds))


def _not_contained(found: ToolDeployment, missing: list[str]) -> dict[str, Any]:
    names = ", ".join(missing)
    return {
        "type": problem_body.TYPE + "superseded",
        "title": "A newer deployment replaced it, and does not contain it.",
        "status": 409,
        "detail": f"{found.name} took its place and succeeded, but has no component {names}",
        "reason": "superseded",
    }


def _with_messages(record: dict[str, Any]) -> dict[str, Any]:
    """Also as every other answer of this API says what is wrong."""
    return {**record, "messages": {"error": [record["detail"] or record["title"]]}}
