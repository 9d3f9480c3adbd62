"""Who asked to be looked at now, and which pushed commits are not visible yet. Pure.

Somebody asks by an annotation on the ToolConfig (`controller.models.lookups`). A git host may call
its webhooks before all of its servers show the push: then the repository is looked at again, ever
more slowly, for half a minute. Used by `poller` only; memory only, except that what was asked
within the last half minute counts after a restart too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from controller.models import lookups
from controller.models.lookups import Push
from controller.models.toolconfig import ToolConfig
from watchers.git import resolution
from watchers.git.resolution import RefProblem, Resolved
from watchers.repositories.following import Follower

PATIENCE = timedelta(seconds=30)
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class _Awaited:
    """A push that is expected to be seen, and since when."""

    push: Push
    since: datetime


class Asked:
    """The latest request of each tool."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._awaited: dict[str, _Awaited] = {}

    def take(self, tool: str, config: ToolConfig | None, now: datetime, *, starting: bool) -> bool:
        """Whether the tool asks to be looked at now, and has not asked the same before."""
        value = config.metadata.annotations.get(lookups.ANNOTATION) if config else None
        if value is None:
            self._values.pop(tool, None)
            self._awaited.pop(tool, None)
            return False
        if value == self._values.get(tool):
            return False
        self._values[tool] = value
        at = lookups.asked_at(value)
        if starting and (at is None or now - at > PATIENCE):
            return False  # it was answered by whoever polled then, or is by the usual check
        self._awaited[tool] = _Awaited(lookups.push_in(value), now)
        return True

    def told_of(self, tool: str, commit: str) -> bool:
        """Whether a webhook of the tool named this very commit, which is not recorded yet."""
        awaited = self._awaited.get(tool)
        return awaited is not None and awaited.push.commit == commit

    def again(
        self,
        followers: Iterable[Follower],
        answers: Mapping[str, Resolved | RefProblem],
        now: datetime,
    ) -> timedelta | None:
        """After a check: when to look again because a push is not visible yet, or None."""
        if not self._awaited:
            return None
        waits = []
        following: dict[str, list[Follower]] = {}
        for follower in followers:
            following.setdefault(follower.tool, []).append(follower)
        for tool in following.keys() & self._awaited.keys():
            awaited, own = self._awaited[tool], following[tool]
            if now - awaited.since >= PATIENCE or _is_seen(awaited.push, own, answers):
                del self._awaited[tool]
            elif any(_may_hold(follower.ref, awaited.push) for follower in own):
                waits.append(min(max(now - awaited.since, _SHORTEST), _LONGEST))
        return min(waits, default=None)


def _is_seen(
    push: Push, followers: Iterable[Follower], answers: Mapping[str, Resolved | RefProblem]
) -> bool:
    found = (answers.get(follower.ref) for follower in followers)
    commits = {answer.commit for answer in found if isinstance(answer, Resolved)}
    return not push.commit or push.commit in commits


def _may_hold(ref: str, push: Push) -> bool:
    """Whether the ref that is followed can be the branch that was pushed."""
    return ref in ("", "HEAD") or push.ref in resolution.candidates(ref)
