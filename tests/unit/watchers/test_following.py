"""Which repositories are looked at, for whom, and how often."""

from datetime import timedelta

import pytest

from controller import errors
from controller.models.credentials import SecretRef
from controller.models.meta import ObjectMeta
from controller.models.reasons import Reason
from controller.models.toolconfig import ComponentWatch, SourceBuild, ToolConfig, ToolConfigStatus
from tests import builders
from tests.builders import COMMIT, NOW, REPOSITORY
from watchers.git.addresses import Address, Policy, parse
from watchers.git.resolution import RefProblem, Resolved
from watchers.repositories.following import NOTHING, Follower, Following, Wish, source_of, wish_of

DEFAULT = timedelta(minutes=5)
OTHER = "https://git.example.org/other.git"


class Addresses:
    """The part of the port that is needed here."""

    def normalise(self, repository: str) -> Address:
        return parse(repository, Policy())

    async def resolve(
        self, repository: str, refs: object, secret: SecretRef | None = None
    ) -> dict[str, Resolved | RefProblem]:
        raise AssertionError("nothing is asked here")


def config(
    *,
    auto: bool = True,
    interval: str | None = None,
    status: dict[str, ComponentWatch] | None = None,
    **builds: SourceBuild,
) -> ToolConfig:
    """A tool whose components are built like this."""
    components = {
        name: builders.component().model_copy(update={"build": build})
        for name, build in builds.items()
    }
    spec = builders.config(prune=True, **components)
    return ToolConfig(
        metadata=ObjectMeta(name="demo-config", namespace="tool-demo", creation_timestamp=NOW),
        spec=spec.model_copy(update={"auto_deploy": auto, "poll_interval": interval}),
        status=ToolConfigStatus(components=status or {}),
    )


def build(repository: str = REPOSITORY, ref: str = "main") -> SourceBuild:
    """What a component is built from."""
    return SourceBuild(repository=repository, ref=ref)


def wish(found: ToolConfig | None) -> Wish:
    """The wish of the tool `demo`."""
    return wish_of("demo", found, Addresses(), DEFAULT)


def follower(component: str, ref: str = "main", tool: str = "demo") -> Follower:
    """A follower of the tool `demo`."""
    return Follower(tool, component, ref)


def test_components_of_one_repository_share_it_whatever_the_case_of_its_host() -> None:
    found = config(
        web=build(), api=build("https://GIT.example.org/demo.git", "dev"), other=build(OTHER)
    )

    assert wish(found) == Wish(
        {
            REPOSITORY: frozenset({follower("web"), follower("api", "dev")}),
            OTHER: frozenset({follower("other")}),
        },
        DEFAULT,
        {},
    )


def test_a_check_is_shared_only_with_the_same_secret_of_the_same_tool() -> None:
    private = build().model_copy(update={"credentials": "gitlab"})
    other = build().model_copy(update={"credentials": "github"})
    found = config(open=build(), web=private, api=private, cron=other)

    keys = {
        tool: {
            source_of(key): sorted(each.component for each in followers)
            for key, followers in wish_of(tool, found, Addresses(), DEFAULT).followers.items()
        }
        for tool in ("demo", "rival")
    }

    assert keys == {
        tool: {
            (REPOSITORY, None): ["open"],
            (REPOSITORY, SecretRef(tool, "gitlab")): ["api", "web"],
            (REPOSITORY, SecretRef(tool, "github")): ["cron"],
        }
        for tool in ("demo", "rival")
    }


def test_paths_are_not_changed() -> None:
    found = config(web=build(), api=build("https://git.example.org/Demo.git"))

    assert set(wish(found).followers) == {REPOSITORY, "https://git.example.org/Demo.git"}


def test_the_tools_own_interval_counts() -> None:
    assert wish(config(web=build(), interval="90s")).interval == timedelta(seconds=90)


@pytest.mark.parametrize("found", [None, config(auto=False, web=build())], ids=["none", "off"])
def test_a_tool_that_does_not_ask_for_it_is_not_followed(found: ToolConfig | None) -> None:
    assert wish(found) == NOTHING


def test_an_address_that_is_refused_is_known_without_asking() -> None:
    refused = wish(config(web=build("https://localhost/x"), api=build())).refused

    assert [(name, error.reason) for name, error in refused.items()] == [
        ("web", Reason.REPOSITORY_REFUSED)
    ]
    assert isinstance(refused["web"], errors.Terminal)


@pytest.mark.parametrize(
    ("what", "ref", "created", "looked_at"),
    [
        ("a commit that was deployed is never looked at again", COMMIT, True, False),
        ("a commit that was not deployed yet is looked at", COMMIT, False, True),
        ("a branch is looked at", "main", True, True),
    ],
)
def test_a_full_commit_id_never_moves(
    what: str, ref: str, *, created: bool, looked_at: bool
) -> None:
    seen = ComponentWatch(repository=REPOSITORY, ref=ref, commit=COMMIT, created=created)

    followers = wish(config(web=build(ref=ref), status={"web": seen})).followers

    assert bool(followers) == looked_at


def test_the_shortest_interval_of_those_who_follow_a_repository_counts() -> None:
    following = Following()
    slow = Wish({"r": frozenset({follower("web")})}, timedelta(minutes=5), {})
    fast = Wish({"r": frozenset({follower("web", tool="b")})}, timedelta(minutes=1), {})

    assert following.set("a", slow) == {"r"}
    assert following.set("b", fast) == {"r"}
    assert (following.interval("r"), len(following)) == (timedelta(minutes=1), 1)
    assert following.followers("r") == (follower("web"), follower("web", tool="b"))

    assert following.set("b", NOTHING) == {"r"}
    assert following.interval("r") == timedelta(minutes=5)
    assert following.set("a", NOTHING) == {"r"}
    assert (following.interval("r"), following.followers("r"), len(following)) == (None, (), 0)


def test_only_repositories_for_which_something_changed_are_named() -> None:
    following = Following()
    one = Wish({"r": frozenset({follower("web")}), "s": frozenset({follower("api")})}, DEFAULT, {})
    two = Wish({"r": one.followers["r"], "t": one.followers["s"]}, DEFAULT, {})
    faster = Wish(two.followers, timedelta(minutes=1), {})

    assert following.set("a", one) == {"r", "s"}
    assert following.set("a", one) == frozenset()
    assert following.set("a", two) == {"s", "t"}
    assert following.set("a", faster) == {"r", "t"}
    assert set(following.repositories()) == {"r", "t"}
    assert following.wish("a") == faster
