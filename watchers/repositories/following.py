"""Which repositories are looked at, with which refs, for which components, and how often. Pure.

Kept up to date tool by tool as configs change; used by `poller` only. A repository is known by its
normalised address, so that everybody who follows it shares one check; with credentials also by the
tool's Secret, so that no tool profits from what another may read.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from controller import errors
from controller.models import durations
from controller.models.credentials import SecretRef
from controller.models.toolconfig import ToolConfig
from watchers import decide
from watchers.git import resolution
from watchers.repositories.ports import Refs


@dataclass(frozen=True, slots=True)
class Follower:
    """A component and the ref that it follows."""

    tool: str
    component: str
    ref: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What a tool follows: repository → followers, how often, and what it asked for in vain."""

    followers: Mapping[str, frozenset[Follower]]
    interval: timedelta
    refused: Mapping[str, errors.Terminal]


NOTHING = Wish({}, timedelta.max, {})


def key_of(url: str, secret: SecretRef | None) -> str:
    """What one check stands for: an address, which has no spaces, and perhaps a Secret."""
    return url if secret is None else f"{url} {secret.tool} {secret.name}"


def source_of(key: str) -> tuple[str, SecretRef | None]:
    """The address and the Secret in a key."""
    url, *secret = key.split(" ")
    return url, SecretRef(*secret) if secret else None


def wish_of(tool: str, config: ToolConfig | None, refs: Refs, default: timedelta) -> Wish:
    """What a tool's config asks polling for."""
    if config is None:
        return NOTHING
    followers: dict[str, set[Follower]] = {}
    refused: dict[str, errors.Terminal] = {}
    for name, build in decide.followed(config.spec).items():
        try:
            url = refs.normalise(build.repository).url
        except errors.Terminal as error:
            refused[name] = error
            continue
        if not _is_settled(name, build.repository, build.ref_text, config):
            key = key_of(url, SecretRef(tool, build.credentials) if build.credentials else None)
            followers.setdefault(key, set()).add(Follower(tool, name, build.ref_text))
    if not followers and not refused:
        return NOTHING
    asked = config.spec.poll_interval
    return Wish(
        {url: frozenset(each) for url, each in followers.items()},
        durations.parse(asked) if asked else default,
        refused,
    )


def _is_settled(name: str, repository: str, ref: str, config: ToolConfig) -> bool:
    """Whether there is nothing to look for: a full commit id never moves."""
    watch = config.status.components.get(name)
    return (
        resolution.is_full_sha(ref)
        and watch is not None
        and watch.created
        and (watch.repository, watch.ref, watch.commit) == (repository, ref, ref.lower())
    )


def were_checked(config: ToolConfig, followers: Iterable[Follower]) -> bool:
    """Whether the status knows of a check of what they follow, not of what they followed before."""
    repositories = {name: build.repository for name, build in decide.followed(config.spec).items()}
    watches = config.status.components
    return all(
        (watch := watches.get(each.component)) is not None
        and watch.checked_at is not None
        and (watch.repository, watch.ref) == (repositories[each.component], each.ref)
        for each in followers
    )


class Following:
    """All tools' wishes, by repository."""

    def __init__(self) -> None:
        self._wishes: dict[str, Wish] = {}
        self._tools: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._tools)

    def set(self, tool: str, wish: Wish) -> frozenset[str]:
        """Take a tool's new wish; answers the repositories for which anything is different now."""
        old = self._wishes.pop(tool, NOTHING)
        if wish != NOTHING:
            self._wishes[tool] = wish
        for url in old.followers.keys() - wish.followers.keys():
            self._tools[url].discard(tool)
            if not self._tools[url]:
                del self._tools[url]
        for url in wish.followers:
            self._tools.setdefault(url, set()).add(tool)
        if old.interval != wish.interval:
            return frozenset(old.followers) | frozenset(wish.followers)
        urls = old.followers.keys() | wish.followers.keys()
        return frozenset(url for url in urls if old.followers.get(url) != wish.followers.get(url))

    def wish(self, tool: str) -> Wish:
        """What the tool follows."""
        return self._wishes.get(tool, NOTHING)

    def repositories(self) -> Iterable[str]:
        """All repositories that are followed."""
        return tuple(self._tools)

    def followers(self, url: str) -> tuple[Follower, ...]:
        """Who follows the repository."""
        return tuple(
            follower
            for tool in sorted(self._tools.get(url, ()))
            for follower in self._wishes[tool].followers[url]
        )

    def interval(self, url: str) -> timedelta | None:
        """The shortest interval of those who follow it; None where nobody does."""
        intervals = (self._wishes[tool].interval for tool in self._tools.get(url, ()))
        return min(intervals, default=None)
