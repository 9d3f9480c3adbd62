"""What asks for a look, and how long a push that is not visible is looked for."""

from datetime import timedelta

import pytest

from controller.models import lookups
from controller.models.lookups import Push
from controller.models.toolconfig import ToolConfig
from tests import builders
from tests.builders import COMMIT, NEWER, NOW, ago
from tests.support.polledobjects import ObjectsInMemory
from watchers.git.resolution import RefKind, RefProblem, Resolved
from watchers.repositories.asking import Asked
from watchers.repositories.following import Follower

MAIN = Push("refs/heads/main", NEWER)
OLD = {"main": Resolved(COMMIT, RefKind.BRANCH)}
NEW = {"main": Resolved(NEWER, RefKind.BRANCH)}


def config(value: str | None) -> ToolConfig:
    objects = ObjectsInMemory(lambda: NOW)
    objects.put("demo", builders.config())
    if value is not None:
        objects.annotate("demo", {lookups.ANNOTATION: value})
    return objects.configs["demo"]


def follower(ref: str = "main", tool: str = "demo") -> list[Follower]:
    return [Follower(tool, "web", ref)]


@pytest.mark.parametrize(
    ("value", "starting", "asks"),
    [
        pytest.param(None, False, False, id="nobody asks"),
        pytest.param("please", False, True, id="anything new asks"),
        pytest.param("please", True, False, id="but not after a restart"),
        pytest.param(lookups.value_of(ago(29), MAIN), True, True, id="unless it was just now"),
        pytest.param(lookups.value_of(ago(31), MAIN), True, False, id="not half a minute ago"),
    ],
)
def test_who_asks(value: str | None, starting: bool, asks: bool) -> None:
    asked = Asked()
    assert asked.take("demo", config(value), NOW, starting=starting) == asks
    assert not asked.take("demo", config(value), NOW, starting=False)  # the same is no news


@pytest.mark.parametrize(
    ("push", "ref", "answers", "again"),
    [
        pytest.param(MAIN, "main", NEW, None, id="it is there"),
        pytest.param(MAIN, "main", OLD, 1, id="it is not there yet"),
        pytest.param(MAIN, "refs/heads/main", {}, 1, id="the full name is the branch too"),
        pytest.param(MAIN, "", {}, 1, id="the default branch may be the one"),
        pytest.param(MAIN, "dev", {}, None, id="another branch was pushed"),
        pytest.param(MAIN, "semver:1.x", {}, None, id="a branch is no tag"),
        pytest.param(Push(), "main", OLD, None, id="nobody says what was pushed"),
    ],
)
def test_when_to_look_again(
    push: Push, ref: str, answers: dict[str, Resolved | RefProblem], again: float | None
) -> None:
    asked = Asked()
    asked.take("demo", config(lookups.value_of(NOW, push)), NOW, starting=False)
    wait = asked.again(follower(ref), answers, NOW)
    assert (wait.total_seconds() if wait else None) == again


def test_ever_more_slowly_and_half_a_minute_long() -> None:
    asked = Asked()
    asked.take("demo", config(lookups.value_of(NOW, MAIN)), NOW, starting=False)
    moments, now = [], NOW
    while (wait := asked.again(follower(), OLD, now)) is not None:
        now += wait
        moments.append((now - NOW).total_seconds())
    assert moments == [1, 2, 4, 8, 16, 26, 36]
    assert asked.again(follower(), OLD, NOW) is None  # given up for good


def test_another_tool_does_not_wait_for_it() -> None:
    asked = Asked()
    asked.take("demo", config(lookups.value_of(NOW, MAIN)), NOW, starting=False)
    assert asked.again(follower(tool="other"), OLD, NOW) is None
    assert asked.again(follower(), OLD, NOW) == timedelta(seconds=1)


@pytest.mark.parametrize(
    ("ref", "commit"),
    [
        pytest.param("refs/tags/v1", NEWER, id="a tag: its object is no commit"),
        pytest.param("refs/heads/main", "0" * 40, id="a branch that was deleted"),
        pytest.param("refs/heads/a b", NEWER, id="no name of a branch"),
        pytest.param("refs/heads/main", "HEAD", id="no commit"),
        pytest.param(None, 5, id="nothing of the kind"),
    ],
)
def test_words_of_strangers_that_are_no_push(ref: object, commit: object) -> None:
    assert lookups.push_of(ref, commit) == Push()
