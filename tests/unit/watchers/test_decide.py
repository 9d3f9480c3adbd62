"""What polling does about what it saw: tables of stored state and sight, and the next write."""

import pytest

from controller.models.reasons import Reason
from controller.models.refs import RefPolicy
from controller.models.tooldeployment import (
    ToolDeploymentSpec,
    Trigger,
    TriggerSpec,
)
from tests import builders
from tests.builders import NOW, ago
from tests.support.pollcases import (
    FOLLOWS_BOTH,
    NEW,
    OLD,
    case,
    intent,
    known,
    looked_up,
    name_of,
    records,
    watch,
)
from watchers.decide import (
    Case,
    Create,
    Decision,
    Record,
    Rest,
    Seen,
    Trouble,
    Verdict,
    decide,
    deployment_name,
)

TAG = {"resolved_ref": "refs/tags/v5.1.0", "choice": "v5.1.0 is the highest"}
CHOSEN = Seen(NEW, TAG["resolved_ref"], TAG["choice"])
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
        "what was deployed by hand before polling saw it is not deployed again after a rollback",
        case(
            {"web": watch()},
            {"web": Seen(NEW)},
            known("d1", 3600, web=OLD),
            looked_up("d2", 20, web=NEW),
            known("d3", 10, web=OLD),
        ),
        records({"web": watch(commit=NEW, seen_at=NOW, deployment="d2", checked_at=NOW)}),
        {"web": Verdict.COVERED},
    ),
    (
        "what was deployed by hand is to be deployed again when the commit before came after it",
        case(
            {"web": watch(deployment="d3")},
            {"web": Seen(NEW)},
            looked_up("d2", 20, web=NEW),
            known("d3", 10, web=OLD),
        ),
        records({"web": intent(checked_at=NOW)}),
        {"web": Verdict.NEW},
    ),
    (
        "what a deployment found before the ref was seen elsewhere is new when the ref is back",
        case(
            {"web": watch(seen_at=ago(30))},
            {"web": Seen(NEW)},
            looked_up("d0", 40, web=NEW),
            known("d1", 30, web=OLD),
        ),
        records({"web": intent(checked_at=NOW)}),
        {"web": Verdict.NEW},
    ),
    (
        "what was only given to a deployment is new when the ref comes to hold it",
        case(
            {"web": watch()},
            {"web": Seen(NEW)},
            known("d2", 20, web=NEW),
            known("d3", 10, web=OLD),
        ),
        records({"web": intent(checked_at=NOW)}),
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
        "trouble that lasts longer than ten minutes is not written again either",
        case(
            {
                "web": watch(
                    checked_at=ago(9000),
                    error="There is no main. Push it.",
                    error_reason="RefNotFound",
                )
            },
            {"web": IMPOSSIBLE},
            answered=ago(9000),
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
        "a webhook that told of the commit is remembered",
        case({"web": watch()}, {"web": Seen(NEW, pushed=True)}, known("d1", web=OLD)),
        records({"web": intent(checked_at=NOW, found_by="webhook")}),
        {"web": Verdict.NEW},
    ),
    (
        "a commit that polling found after one of a webhook is polling's",
        case({"web": watch(found_by="webhook")}, {"web": Seen(NEW)}, known("d1", web=OLD)),
        records({"web": intent(checked_at=NOW)}),
        {"web": Verdict.NEW},
    ),
    (
        "the deployment says that a webhook made it, also after a restart",
        case({"web": intent(found_by="webhook")}),
        Create(
            name_of(web=NEW),
            ToolDeploymentSpec(
                description="New commit: web bbbbbbbb (main)",
                trigger=TriggerSpec(kind=Trigger.WEBHOOK, commits={"web": NEW}),
            ),
        ),
        {},
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
