"""What polling follows, what it knows of deployments, and what it calls those that it makes."""

from datetime import timedelta

import pytest

from controller.models.toolconfig import (
    SourceBuild,
    ToolConfigStatus,
)
from controller.models.tooldeployment import (
    BuildRecord,
    State,
)
from tests import builders
from tests.builders import NOW, REPOSITORY
from tests.support.pollcases import NEW, OLD, case, intent, watch
from watchers.decide import (
    Case,
    Create,
    Decision,
    Known,
    Record,
    Rest,
    decide,
    deployment_name,
    followed,
    known_of,
)


def test_the_status_says_which_generation_of_the_config_it_is_about() -> None:
    world = case({"web": watch()})
    older = world.config.model_copy(
        update={"status": world.config.status.model_copy(update={"observed_generation": 2})}
    )

    assert decide(Case("demo", older, (), NOW)).step == Record(world.config.status)


def test_a_tool_that_was_never_followed_gets_no_status() -> None:
    world = case(spec=builders.config())
    fresh = world.config.model_copy(update={"status": ToolConfigStatus()})

    assert decide(Case("demo", fresh, (), NOW)) == Decision(Rest())


@pytest.mark.parametrize(
    ("tool", "component", "follows"),
    [(False, None, False), (True, None, True), (True, False, False), (False, True, True)],
)
def test_a_components_own_auto_deploy_wins_over_the_tools(
    *, tool: bool, component: bool | None, follows: bool
) -> None:
    build = SourceBuild(repository=REPOSITORY, ref="main", auto_deploy=component)
    web = builders.component().model_copy(update={"build": build})
    spec = builders.config(web=web, job=builders.scheduled("web"))

    expected = {"web": build} if follows else {}
    assert followed(spec.model_copy(update={"auto_deploy": tool})) == expected


def test_a_deployments_commits_are_those_of_its_trigger_and_those_it_resolved() -> None:
    waiting = builders.deployment("d1", commits={"web": OLD})
    running = builders.deployment(
        "d2",
        status={"builds": {"web": BuildRecord(commit=NEW), "api": BuildRecord()}},
    )
    over = builders.deployment("d3", status={"status": State.FAILED})
    cancelled = builders.deployment("d4", cancel=True)

    assert [known_of(each) for each in (waiting, running, over, cancelled)] == [
        Known("d1", NOW, {"web": OLD}, open=True),
        Known("d2", NOW, {}, {"web": NEW}, open=True),
        Known("d3", NOW),
        Known("d4", NOW),
    ]


def test_the_name_tells_the_time_and_differs_with_everything_that_it_is_made_of() -> None:
    made = [
        deployment_name("demo", NOW, {"web": OLD}),
        deployment_name("other", NOW, {"web": OLD}),
        deployment_name("demo", NOW, {"web": NEW}),
        deployment_name("demo", NOW, {"api": OLD}),
        deployment_name("demo", NOW + timedelta(microseconds=1), {"web": OLD}),
        deployment_name("demo", NOW, {"web": OLD, "api": OLD}),
    ]

    assert len(set(made)) == 6
    assert {each.rsplit("-", 1)[0] for each in made} == {"20261121-120000"}
    assert made[5] == deployment_name("demo", NOW, {"api": OLD, "web": OLD})


def test_a_description_stays_short_however_many_components_there_are() -> None:
    many = {f"component-{n:02}": builders.component() for n in range(30)}
    spec = builders.config(prune=True, **many).model_copy(update={"auto_deploy": True})
    stored = {name: intent() for name in many}

    step = decide(case(stored, {}, spec=spec)).step

    assert isinstance(step, Create)
    assert len(step.spec.description) == 250
    assert set(step.spec.trigger.commits) == set(many)
