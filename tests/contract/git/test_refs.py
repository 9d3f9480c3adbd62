"""What every transport answers about real repositories on real git servers, public and private."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.models.reasons import Reason
from tests.contract.git import ways
from tests.contract.git.ways import Client, Host
from tests.support.sshserver import SshServer
from watchers.git.resolution import RefKind, RefProblem, Resolved

pytestmark = pytest.mark.timeout(20)


@pytest.fixture(params=ways.WAYS)
async def way(
    request: pytest.FixtureRequest, tmp_path: Path, sshd: SshServer
) -> AsyncIterator[tuple[Host, Client]]:
    """Each way to ask in turn."""
    async with ways.way(request.param, tmp_path / "host", sshd) as both:
        yield both


@pytest.fixture
def server(way: tuple[Host, Client]) -> Host:
    """Where the repositories are."""
    return way[0]


@pytest.fixture
def repositories(way: tuple[Host, Client]) -> Client:
    """Who asks."""
    return way[1]


async def test_a_branch_is_its_tip(server: Host, repositories: Client) -> None:
    repo = server.repository("app.git")
    repo.commit({"a": "1"})
    tip = repo.commit({"a": "2"})

    assert await repositories.resolve(server.address("app.git"), ["main"]) == {
        "main": Resolved(tip, RefKind.BRANCH)
    }


async def test_every_kind_of_ref_is_answered_in_one_call(
    server: Host, repositories: Client
) -> None:
    repo = server.repository("app.git")
    first = repo.commit({"a": "1"})
    tip = repo.commit({"a": "2"})
    side = repo.commit({"b": "1"}, "feature/x")
    repo.tag("light", first)
    repo.tag("v1.0", first, annotated=True)
    repo.set_ref("refs/merge-requests/7/head", side)
    gone = "ab" * 20

    expected = {
        "": Resolved(tip, RefKind.HEAD),
        "HEAD": Resolved(tip, RefKind.HEAD),
        "main": Resolved(tip, RefKind.BRANCH),
        "feature/x": Resolved(side, RefKind.BRANCH),
        "light": Resolved(first, RefKind.TAG),
        "v1.0": Resolved(first, RefKind.TAG),
        "refs/tags/v1.0": Resolved(first, RefKind.TAG),
        "refs/heads/main": Resolved(tip, RefKind.BRANCH),
        "refs/merge-requests/7/head": Resolved(side, RefKind.OTHER),
        gone: Resolved(gone, RefKind.SHA),
        "nothing": RefProblem(
            Reason.REF_NOT_FOUND,
            "the repository has no branch or tag called 'nothing'",
            "Correct `ref`, or push the branch.",
        ),
    }
    assert await repositories.resolve(server.address("app.git"), list(expected)) == expected


@pytest.mark.parametrize("other", ["feature/main", "dependabot/main", "main2", "a/refs/heads/main"])
async def test_a_branch_never_stands_in_for_another(
    other: str, server: Host, repositories: Client
) -> None:
    repo = server.repository("app.git")
    repo.tag(other, repo.commit({"a": "1"}, other))
    address = server.address("app.git")

    answer = await repositories.resolve(address, ["main"])
    assert isinstance(answer["main"], RefProblem)

    tip = repo.commit({"a": "2"}, "main")
    assert await repositories.resolve(address, ["main"]) == {"main": Resolved(tip, RefKind.BRANCH)}


async def test_a_ref_that_is_branch_and_tag_is_the_branch_with_a_warning(
    server: Host, repositories: Client
) -> None:
    repo = server.repository("app.git")
    old = repo.commit({"a": "1"}, "stable")
    tip = repo.commit({"a": "2"}, "stable")
    repo.tag("stable", old, annotated=True)

    answers = await repositories.resolve(server.address("app.git"), ["stable", "refs/tags/stable"])

    assert answers == {
        "stable": Resolved(
            tip,
            RefKind.BRANCH,
            "stable is both a branch and a tag: the branch is used. "
            "Write refs/tags/stable to mean the tag.",
        ),
        "refs/tags/stable": Resolved(old, RefKind.TAG),
    }


async def test_a_force_push_a_deletion_and_a_new_default_branch_are_seen(
    server: Host, repositories: Client
) -> None:
    repo = server.repository("app.git", branch="master")
    repo.commit({"a": "1"}, "master")
    forced = repo.commit({"a": "2"}, "master", orphan=True)
    address = server.address("app.git")
    assert await repositories.resolve_one(address, "master") == Resolved(forced, RefKind.BRANCH)

    tip = repo.commit({"a": "3"}, "main")
    repo.set_default_branch("main")
    repo.delete_ref("refs/heads/master")

    answers = await repositories.resolve(address, ["", "master"])
    assert answers[""] == Resolved(tip, RefKind.HEAD)
    assert isinstance(answers["master"], RefProblem)


async def test_a_tag_of_a_tag_is_the_commit_in_the_end(server: Host, repositories: Client) -> None:
    repo = server.repository("app.git")
    tip = repo.commit({"a": "1"})
    repo.tag("inner", tip, annotated=True)
    repo.tag("outer", repo.ref("refs/tags/inner"), annotated=True)

    resolved = await repositories.resolve_one(server.address("app.git"), "outer")

    assert resolved == Resolved(tip, RefKind.TAG)


async def test_an_empty_repository_has_no_refs_and_is_no_error(
    server: Host, repositories: Client
) -> None:
    server.repository("empty.git")

    answers = await repositories.resolve(server.address("empty.git"), ["", "main"])

    assert [type(answer) for answer in answers.values()] == [RefProblem, RefProblem]


@pytest.mark.parametrize("way", ways.PUBLIC, indirect=True)
async def test_a_repository_with_many_refs_is_exact(server: Host, repositories: Client) -> None:
    repo = server.repository("big.git")
    tip = repo.commit({"a": "1"})
    repo.set_refs({f"refs/heads/branch-{n}/main": tip for n in range(2000)})
    wanted = ["main", *(f"branch-{n}/main" for n in range(160))]

    answers = await repositories.resolve(server.address("big.git"), wanted)

    assert answers == {ref: Resolved(tip, RefKind.BRANCH) for ref in wanted}


@pytest.mark.parametrize("ref", ["--upload-pack=touch /tmp/x", "-h", "*", "refs/*", "a b", "a\nb"])
async def test_a_ref_that_could_be_an_option_or_a_pattern_is_no_ref(
    ref: str, server: Host, repositories: Client
) -> None:
    tip = server.repository("app.git").commit({"a": "1"})

    answers = await repositories.resolve(server.address("app.git"), [ref, "main"])

    assert isinstance(answers[ref], RefProblem)
    assert answers["main"] == Resolved(tip, RefKind.BRANCH)


@pytest.mark.parametrize("way", ways.PUBLIC, indirect=True)
async def test_sixteen_questions_at_once_are_answered(server: Host, repositories: Client) -> None:
    tip = server.repository("app.git").commit({"a": "1"})
    address = server.address("app.git")

    answers = await asyncio.gather(*(repositories.resolve_one(address, "main") for _ in range(16)))

    assert answers == [Resolved(tip, RefKind.BRANCH)] * 16


async def test_policies_choose_among_the_tags(server: Host, repositories: Client) -> None:
    repo = server.repository("app.git")
    four, five, six = (repo.commit({"a": str(number)}) for number in (4, 5, 6))
    repo.tag("v4.9.0", four, annotated=True)
    repo.tag("v5.10.0", five, annotated=True)
    repo.tag("v5.9.0", four)
    repo.tag("v6.0.0-rc1", six)
    repo.tag("web-v1", four)
    repo.set_ref("refs/heads/v5.99.0", six)  # a branch is no tag
    repo.set_ref("refs/heads/refs/tags/v5.98.0", six)

    tag = RefKind.TAG
    assert await repositories.resolve(
        server.address("app.git"), ["semver:>=5 <6", "tag:web-*", "tag:v4*", "main", "semver:>=7"]
    ) == {
        "semver:>=5 <6": Resolved(
            five,
            tag,
            ref="refs/tags/v5.10.0",
            choice="v5.10.0 is the highest version in the range >=5 <6",
        ),
        "tag:web-*": Resolved(
            four,
            tag,
            ref="refs/tags/web-v1",
            choice="web-v1 is the newest of the tags that match web-*",
        ),
        "tag:v4*": Resolved(
            four,
            tag,
            ref="refs/tags/v4.9.0",
            choice="v4.9.0 is the newest of the tags that match v4*",
        ),
        "main": Resolved(six, RefKind.BRANCH),
        "semver:>=7": RefProblem(
            Reason.REF_NOT_FOUND,
            "the repository has no version in the range >=7; its last is v6.0.0-rc1",
            "Push such a tag, or widen the range or the pattern in `ref`.",
        ),
    }
