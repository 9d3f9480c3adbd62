"""Which tag a ref policy means: tables of tags, and the one that is chosen."""

import pytest

from controller.models.refs import RefPolicy, policy_of
from watchers.git.choosing import Choice, choose


def chosen(policy: RefPolicy, *tags: str) -> str:
    return choose(policy, [f"refs/tags/{tag}" for tag in tags]).name.removeprefix("refs/tags/")


@pytest.mark.parametrize(
    ("wanted", "tags", "highest"),
    [
        pytest.param(">=5 <6", "v5.2.0 v5.10.0 v6.0.0 v4.9", "v5.10.0", id="by number, not text"),
        pytest.param("^1.2", "1.1.9 1.2.0 2.0.0", "1.2.0", id="without a v"),
        pytest.param("*", "v1 v1.0.1-rc1", "v1", id="no pre-release unless the range names one"),
        pytest.param(">=2.0.0-0", "v1 v2.0.0-rc.2 v2.0.0-rc.10", "v2.0.0-rc.10", id="named"),
        pytest.param("2026.x", "2025.12.31 2026.01.15 2026.04.01", "2026.04.01", id="dates"),
        pytest.param("1.x", "v1.0.0 1.0", "v1.0.0", id="of equals the last by name"),
        pytest.param("*", "release-9 v1.2.3.4 latest nightly/v3 v", "", id="no versions"),
    ],
)
def test_a_range_takes_the_highest_version(wanted: str, tags: str, highest: str) -> None:
    assert chosen(RefPolicy(semver=wanted), *tags.split()) == highest
    assert chosen(RefPolicy(semver=wanted), *reversed(tags.split())) == highest


@pytest.mark.parametrize(
    ("pattern", "tags", "newest"),
    [
        pytest.param("v*", "v1.9.0 v1.10.0 x2", "v1.10.0", id="versions"),
        pytest.param("v*", "v1.0.0-rc1 v1.0.0", "v1.0.0", id="a release above its candidates"),
        pytest.param("v*", "vendor-99 v0.1", "v0.1", id="versions above other names"),
        pytest.param("web-v*", "web-v2.0 web-v10.0 api-v99.0", "web-v10.0", id="after the prefix"),
        pytest.param("web-*", "web-v2.0 web-v10.0", "web-v10.0", id="with the v inside"),
        pytest.param("build-*", "build-9-a build-10-a", "build-10-a", id="numbers as numbers"),
        pytest.param("*-prod", "2026-04-01-prod 2026-11-02-prod", "2026-11-02-prod", id="dates"),
        pytest.param("release/*", "release/1/x release/2/x", "release/2/x", id="over a slash"),
        pytest.param("v[0-9]*", "vx v1", "v1", id="a set of characters"),
        pytest.param("v?", "v1 v10", "v1", id="one character"),
        pytest.param("V*", "v1", "", id="case counts"),
    ],
)
def test_a_pattern_takes_the_newest(pattern: str, tags: str, newest: str) -> None:
    assert chosen(RefPolicy(tag=pattern), *tags.split()) == newest
    assert chosen(RefPolicy(tag=pattern), *reversed(tags.split())) == newest


def test_branches_are_no_tags() -> None:
    names = ["refs/heads/v1.0.0", "HEAD", "refs/merge-requests/1/head"]
    assert choose(RefPolicy(semver="*"), names) == Choice(
        "", "the repository has no tag that is a version such as v1.2.3"
    )


def test_a_hostile_name_is_shown_in_one_short_line() -> None:
    choice = choose(RefPolicy(semver="<1"), ["refs/tags/v9.0.0+" + "x" * 200])
    assert choice.why.endswith("its last is v9.0.0+" + "x" * 70 + "...")


@pytest.mark.parametrize("policy", [RefPolicy(semver=">=5 <6"), RefPolicy(tag="tag-v*")])
def test_a_policy_comes_back_from_its_text(policy: RefPolicy) -> None:
    assert policy_of(str(policy)) == policy


@pytest.mark.parametrize("ref", ["", "main", "semver", "tag/v1", "semver:", "tag:v1"])
def test_the_name_of_a_ref_is_no_policy(ref: str) -> None:
    assert policy_of(ref) is None
