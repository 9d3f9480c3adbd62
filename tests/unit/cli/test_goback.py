"""What `ptd rollback` goes back to, and what it refuses."""

from typing import Any

import pytest

from controller.cli import goback
from controller.cli.standing import Running

A, B, C = "a" * 40, "b" * 40, "c" * 40


def made(name: str, status: str = "successful", **more: Any) -> dict[str, Any]:
    """A deployment whose `web` had the commit that its name begins with."""
    builds = {"web": {"commit": name[0] * 40}, "job": {"build_status": "skipped"}}
    return {"deploy_id": name, "status": status, "builds": builds, "runs": {}, **more}


CAME_UP = {"runs": {"web": {"run_status": "successful", "change": "updated"}}}
LEFT_ALONE = {"runs": {"web": {"run_status": "successful", "change": "unchanged"}}}


@pytest.mark.parametrize(
    ("newest_first", "chosen"),
    [
        ([made("b2"), made("a1")], "a1"),
        ([made("b3"), made("b2"), made("a1")], "a1"),  # the same commits are no going back
        ([made("a3"), made("b2"), made("a1")], "b2"),  # and forward again
        ([made("c3"), made("b2", "failed"), made("a1")], "a1"),
        ([made("c3", "failed", **CAME_UP), made("b2"), made("a1")], "b2"),
    ],
)
def test_it_is_the_last_good_one_with_other_commits(
    newest_first: list[dict[str, Any]], chosen: str
) -> None:
    assert goback.choose("demo", newest_first)["deploy_id"] == chosen


@pytest.mark.parametrize(
    ("newest_first", "why", "next_step"),
    [
        ([], "demo has no deployments", "ptd deploy"),
        ([made("a1")], "demo has nothing to go back to", "--commit COMPONENT=SHA"),
        ([made("a1", "failed")], "demo has nothing to go back to", "--commit COMPONENT=SHA"),
        ([made("c3", "running"), made("b2")], "c3 goes on", "`ptd cancel c3`"),
        (
            [made("c3", "failed", **LEFT_ALONE), made("b2"), made("a1")],
            "c3 has failed and changed nothing: b2 still runs",
            "`ptd rollback a1` goes back further",
        ),
        ([made("c3", "cancelled"), made("b2")], "c3 was cancelled", "ptd list"),
    ],
)
def test_where_it_is_not_plain_it_says_why_and_what_to_do(
    newest_first: list[dict[str, Any]], why: str, next_step: str
) -> None:
    with pytest.raises(goback.Refused) as refused:
        goback.choose("demo", newest_first)
    assert refused.value.message.startswith(why)
    assert next_step in refused.value.hint


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (made("a1", "pending"), "a1 is not over yet"),
        (made("a1", "failed"), "a1 has failed"),
        (made("a1", "timed_out"), "a1 has timed out"),
        (made("a1") | {"builds": {}}, "a1 does not say which commits"),
    ],
)
def test_only_what_ran_can_be_named(found: dict[str, Any], why: str) -> None:
    with pytest.raises(goback.Refused, match=why):
        goback.checked(found)


CONFIG = {
    "components": {"web": {"build": {"ref": "main"}}, "job": {"build": {"reuse_from": "web"}}}
}


def test_components_that_the_config_cannot_take_are_refused_with_the_way_out() -> None:
    both = made("a1") | {"builds": {name: {"commit": A} for name in ("web", "old", "job")}}
    with pytest.raises(goback.Refused) as refused:
        goback.pins(both, CONFIG)
    assert refused.value.message == (
        "a1 cannot be deployed again: old is not in the config now, "
        "job uses the build of another component now"
    )
    assert f"`ptd deploy --commit web={A} --wait`" in refused.value.hint
    assert goback.pins(made("a1"), CONFIG) == {"web": A}
    assert goback.pins(both, {}) == {"web": A, "old": A, "job": A}  # the API has the word


def test_what_will_run_is_said_before() -> None:
    config = {"components": CONFIG["components"] | {"new": {"build": {}}, "same": {"build": {}}}}
    runs = Running("b2", {"web": B, "same": C})
    told = goback.lines(
        made("a1", description="T1"), {"web": A, "same": C}, config, runs, {"web": {}}
    )
    assert list(told) == [
        "going back to a1 (T1), with the config as it is now",
        "  web              aaaaaaaaaa  instead of bbbbbbbbbb",
        "  same             cccccccccc  as now",
        "  new              was not in it: what its ref holds is deployed",
        "polling follows: the next push is deployed, what is pushed already is not",
    ]
