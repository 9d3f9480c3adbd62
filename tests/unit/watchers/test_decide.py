"""What polling does about what it saw: tables of stored state and sight, and the next write."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from controller.models.meta import ObjectMeta
from controller.models.reasons import Reason
from controller.models.refs import RefPolicy
from controller.models.toolconfig import (
    ComponentWatch,
    SourceBuild,
    ToolConfig,
    ToolConfigSpec,
    ToolConfigStatus,
)
from controller.models.tooldeployment import (
    BuildRecord,
    State,
    ToolDeploymentSpec,
    Trigger,
    TriggerSpec,
)
from tests import builders
from tests.builders import NOW, REPOSITORY, ago
from watchers.decide import (
    Case,
    Create,
    Decision,
    Known,
    Record,
    Rest,
    Seen,
    Sight,
    Trouble,
    Verdict,
    decide,
    deployment_name,
    followed,
    known_of,
)

OLD, NEW = "a" * 40, "b" * 40
FOLLOWS_WEB = builders.config().model_copy(update={"auto_deploy": True})
FOLLOWS_BOTH = builders.config(
    web=builders.component(), api=builders.component(ref="dev")
).model_copy(update={"auto_deploy": True})


def watch(**fields: Any) -> ComponentWatch:
    """What is stored of `web`: by default a commit that had its deployment, and a fresh check."""
    usual: dict[str, Any] = {
        "repository": REPOSITORY,
        "ref": "main",
        "commit": OLD,
        "seen_at": ago(3600),
        "checked_at": ago(60),
        "deployment": "d1",
        "created": True,
    }
    return ComponentWatch(**(usual | fields))


def case(
    stored: Mapping[str, ComponentWatch] | None = None,
    sights: Mapping[str, Sight] | None = None,
    *deployments: Known,
    spec: ToolConfigSpec = FOLLOWS_WEB,
    now: datetime = NOW,
) -> Case:
    """A tool that follows `web`, unless `spec` says otherwise."""
    metadata = ObjectMeta(
        name="demo-config", namespace="tool-demo", creation_timestamp=ago(9999), generation=3
    )
    status = ToolConfigStatus(components=dict(stored or {}), observed_generation=3)
    config = ToolConfig(metadata=metadata, spec=spec, status=status)
    checked = dict.fromkeys(sights or (), now)
    return Case("demo", config, deployments, now, sights or {}, checked)


def known(name: str, created: float = 100, *, open: bool = False, **commits: str) -> Known:  # noqa: A002
    """A deployment that was made `created` seconds ago."""
    return Known(name, ago(created), commits, open=open)


def looked_up(name: str, created: float = 100, **commits: str) -> Known:
    """A deployment that found these commits by looking up the refs itself."""
    return Known(name, ago(created), {}, commits)


def name_of(**commits: str) -> str:
    """The name of the deployment for commits that are first seen at NOW."""
    return deployment_name("demo", NOW, commits)


def intent(commit: str = NEW, **fields: Any) -> ComponentWatch:
    """What is stored of `web` when a deployment was decided on, but perhaps not made."""
    usual: dict[str, Any] = {"seen_at": NOW, "created": False, "deployment": name_of(web=commit)}
    return watch(**(usual | {"commit": commit} | fields))


def records(watches: dict[str, ComponentWatch]) -> Record:
    """The write of a whole status."""
    return Record(ToolConfigStatus(components=watches, observed_generation=3))


TAG = {"resolved_ref": "refs/tags/v5.1.0", "choice": "v5.1.0 is the highest"}
CHOSEN = Seen(NEW, *TAG.values())
FOLLOWS_POLICY = builders.config(web=builders.component(ref=RefPolicy(semver=">=5 <6"))).model_copy(
    update={"auto_deploy": True}
)
IMPOSSIBLE = Trouble(Reason.REF_NOT_FOUND, "There is no main", "Push it.")

ROWS: list[tuple[str, Case, Record | Create | Rest, dict[str, Verdict]]] = [
    (
        "a ref that is seen for the first time is to be deployed",
        case({}, {"web": Seen(NEW)}),
        records({"web": intent(checked_at=NOW)}),
        {"web": Verdict.NEW},
    ),
    (
        "a ref that moved is to be deployed",
        case({"web": watch()}, {"web": Seen(NEW)}, known("d1", web=OLD)),
        records({"web": intent(checked_at=NOW)}),
        {"web": Verdict.NEW},
    ),
    (
        "what was decided is created, without asking again",
        case({"web": intent()}, {}),
        Create(
            name_of(web=NEW),
            ToolDeploymentSpec(
                description="New commit: web bbbbbbbb (main)",
                trigger=TriggerSpec(kind=Trigger.POLL, commits={"web": NEW}),
            ),
        ),
        {},
    ),
    (
        "what was decided is not created when somebody else's deployment has the commit by now",
        case({"web": intent()}, {}, looked_up("manual", web=NEW)),
        records({"web": intent(created=True, deployment="manual")}),
        {},
    ),
    (
        "what was created is written down as created although somebody rolled back since",
        case({"web": intent()}, {}, known(name_of(web=NEW), 9, web=NEW), known("back", 5, web=OLD)),
        records({"web": intent(created=True)}),
        {},
    ),
    (
        "what was decided is dropped when a later deployment found another commit",
        case({"web": intent(seen_at=ago(60))}, {}, looked_up("manual", 30, web="c" * 40)),
        records({"web": intent("", seen_at=None, deployment="")}),
        {},
    ),
    (
        "what was decided is created although an earlier deployment has another commit",
        case({"web": intent(deployment="d9")}, {}, known("d1", web=OLD)),
        Create(
            "d9",
            ToolDeploymentSpec(
                description="New commit: web bbbbbbbb (main)",
                trigger=TriggerSpec(kind=Trigger.POLL, commits={"web": NEW}),
            ),
        ),
        {},
    ),
    (
        "what was decided is created first, although the ref has moved again",
        case({"web": intent(OLD)}, {"web": Seen(NEW)}),
        Create(
            name_of(web=OLD),
            ToolDeploymentSpec(
                description="New commit: web aaaaaaaa (main)",
                trigger=TriggerSpec(kind=Trigger.POLL, commits={"web": OLD}),
            ),
        ),
        {},
    ),
    (
        "what was created is written down as created",
        case({"web": intent()}, {}, known(name_of(web=NEW), web=NEW)),
        records({"web": intent(created=True)}),
        {},
    ),
    (
        "a commit that had its deployment is left alone",
        case({"web": watch()}, {"web": Seen(OLD)}, known("d1", web=OLD)),
        Rest(),
        {"web": Verdict.HANDLED},
    ),
    (
        "a commit that had its deployment is left alone when that deployment was removed",
        case({"web": watch()}, {"web": Seen(OLD)}),
        Rest(),
        {"web": Verdict.HANDLED},
    ),
    (
        "a commit that had its deployment stays handled after a rollback to another",
        case({"web": watch()}, {"web": Seen(OLD)}, known("d1", web=OLD), known("d2", 10, web=NEW)),
        Rest(),
        {"web": Verdict.HANDLED},
    ),
    (
        "a commit that a manual deployment has is not deployed again",
        case({"web": watch()}, {"web": Seen(NEW)}, known("manual", web=NEW)),
        records({"web": watch(commit=NEW, seen_at=NOW, deployment="manual", checked_at=NOW)}),
        {"web": Verdict.COVERED},
    ),
    (
        "a ref that was pushed back to an older commit is to be deployed again",
        case(
            {"web": watch(commit=NEW, deployment="d2")},
            {"web": Seen(OLD)},
            known("d2", 10, web=NEW),
            known("d1", 100, web=OLD),
        ),
        records({"web": intent(OLD, checked_at=NOW)}),
        {"web": Verdict.NEW},
    ),
    (
        "a ref that was elsewhere between two checks is to be deployed again",
        case(
            {"web": watch()}, {"web": Seen(OLD)}, known("d1", web=OLD), looked_up("d2", 10, web=NEW)
        ),
        records({"web": intent(OLD, checked_at=NOW)}),
        {"web": Verdict.NEW},
    ),
    (
        "a new commit waits for a deployment that will look up the ref itself",
        case({"web": watch()}, {"web": Seen(NEW)}, known("d1", web=OLD), known("d2", open=True)),
        records(
            {"web": watch(commit=NEW, seen_at=NOW, deployment="", created=False, checked_at=NOW)}
        ),
        {"web": Verdict.AWAITED},
    ),
    (
        "an open deployment that has its commit for the component is not waited for",
        case({"web": watch()}, {"web": Seen(NEW)}, known("d2", open=True, web=OLD)),
        records({"web": intent(checked_at=NOW)}),
        {"web": Verdict.NEW},
    ),
    (
        "a commit that was waited for in vain keeps the time when it was first seen",
        case(
            {"web": intent(deployment="", seen_at=ago(300))},
            {"web": Seen(NEW)},
            known("d1", web=OLD),
        ),
        records(
            {
                "web": intent(
                    seen_at=ago(300),
                    deployment=deployment_name("demo", ago(300), {"web": NEW}),
                    checked_at=NOW,
                )
            }
        ),
        {"web": Verdict.NEW},
    ),
    (
        "new commits of several components are one deployment",
        case(
            {"web": watch(), "api": watch(ref="dev")},
            {"web": Seen(NEW), "api": Seen(NEW)},
            spec=FOLLOWS_BOTH,
        ),
        records(
            {
                "web": intent(deployment=name_of(web=NEW, api=NEW), checked_at=NOW),
                "api": intent(deployment=name_of(web=NEW, api=NEW), ref="dev", checked_at=NOW),
            }
        ),
        {"web": Verdict.NEW, "api": Verdict.NEW},
    ),
    (
        "a component whose commit is not new is not in the deployment",
        case(
            {"web": watch(), "api": watch(ref="dev")},
            {"web": Seen(NEW), "api": Seen(OLD)},
            spec=FOLLOWS_BOTH,
        ),
        records({"web": intent(checked_at=NOW), "api": watch(ref="dev", checked_at=NOW)}),
        {"web": Verdict.NEW, "api": Verdict.HANDLED},
    ),
    (
        "trouble is written down and keeps the last commit",
        case({"web": watch()}, {"web": IMPOSSIBLE}),
        records(
            {
                "web": watch(
                    error="There is no main. Push it.", error_reason="RefNotFound", checked_at=NOW
                )
            }
        ),
        {"web": Verdict.TROUBLE},
    ),
    (
        "the same trouble again is not written again",
        case(
            {"web": watch(error="There is no main. Push it.", error_reason="RefNotFound")},
            {"web": IMPOSSIBLE},
        ),
        Rest(),
        {"web": Verdict.TROUBLE},
    ),
    (
        "trouble that passed is forgotten",
        case({"web": watch(error="x", error_reason="RefNotFound")}, {"web": Seen(OLD)}),
        records({"web": watch(checked_at=NOW)}),
        {"web": Verdict.HANDLED},
    ),
    (
        "a check that found nothing new is written down after ten minutes",
        case({"web": watch(checked_at=ago(600))}, {"web": Seen(OLD)}),
        records({"web": watch(checked_at=NOW)}),
        {"web": Verdict.HANDLED},
    ),
    (
        "a check that found nothing new is not written down because of an older component",
        case(
            {"web": watch(checked_at=ago(601)), "api": watch(ref="dev", checked_at=ago(599))},
            {"web": Seen(OLD)},
            spec=FOLLOWS_BOTH,
        ),
        Rest(),
        {"web": Verdict.HANDLED},
    ),
    (
        "the tag that a policy chose is remembered with the reason",
        case({"web": watch(ref="semver:>=5 <6")}, {"web": CHOSEN}, spec=FOLLOWS_POLICY),
        records({"web": intent(ref="semver:>=5 <6", commit=NEW, **TAG, checked_at=NOW)}),
        {"web": Verdict.NEW},
    ),
    (
        "the deployment of a chosen tag names it",
        case({"web": intent(ref="semver:>=5 <6", **TAG)}, spec=FOLLOWS_POLICY),
        Create(
            name_of(web=NEW),
            ToolDeploymentSpec(
                description="New commit: web bbbbbbbb (v5.1.0)",
                trigger=TriggerSpec(
                    kind=Trigger.POLL, commits={"web": NEW}, refs={"web": "refs/tags/v5.1.0"}
                ),
            ),
        ),
        {},
    ),
    (
        "another tag of the same commit is said, and deploys nothing",
        case({"web": watch(ref="semver:>=5 <6", commit=NEW)}, {"web": CHOSEN}, spec=FOLLOWS_POLICY),
        records({"web": watch(ref="semver:>=5 <6", commit=NEW, **TAG, checked_at=NOW)}),
        {"web": Verdict.HANDLED},
    ),
    (
        "another ref begins anew, and drops what was decided for the old one",
        case({"web": intent(OLD, ref="old")}, {"web": Seen(NEW)}, known("d1", web=OLD)),
        records({"web": intent(checked_at=NOW)}),
        {"web": Verdict.NEW},
    ),
    (
        "another repository with the commit that runs needs no deployment",
        case(
            {"web": watch(repository="https://old.example.org/x")},
            {"web": Seen(OLD)},
            known("d1", web=OLD),
        ),
        records({"web": watch(seen_at=NOW, checked_at=NOW)}),
        {"web": Verdict.COVERED},
    ),
    (
        "a tool that follows nothing any more forgets what it saw",
        case({"web": intent()}, {"web": Seen(NEW)}, spec=builders.config()),
        records({}),
        {},
    ),
]


@pytest.mark.parametrize(
    ("world", "step", "verdicts"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_the_next_step(
    world: Case, step: Record | Create | Rest, verdicts: dict[str, Verdict]
) -> None:
    assert decide(world) == Decision(step, verdicts)


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
