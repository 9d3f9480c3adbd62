"""What nobody asked for by itself, and is not up after a while, ends for a newer deployment."""

from datetime import timedelta
from typing import Any

import pytest

from controller.backends.base import Job
from controller.models.reasons import Reason
from controller.models.tooldeployment import State, ToolDeployment, Trigger
from controller.reconcile import actions
from controller.reconcile.observed import Policy
from controller.reconcile.plan import make_plan
from controller.reconcile.steps import Ending
from tests.builders import BUILT, NEWER, NOW, ago, deployment, job, job_spec, observed, started

BROKEN = job(healthy=False, messages=("GET / answered 500",), since=ago(40))
FIX = deployment("d2", trigger=Trigger.POLL, created=ago(-1))


def pushed(kind: Trigger = Trigger.POLL, applied: int = 31, **status: Any) -> ToolDeployment:
    """A deployment whose job was changed so many seconds ago."""
    run = {"web": {"change": "updated", "applied_at": ago(applied)}}
    begun = started(builds=BUILT, runs=run, **status)
    return deployment("d1", trigger=kind, status=begun)


ROWS = {
    "what does not come up gives way to the fix": (pushed(), BROKEN, (FIX,), Reason.SUPERSEDED),
    "not without a fix": (pushed(), BROKEN, (), Reason.VERIFYING),
    "not before it had its time": (pushed(applied=29), BROKEN, (FIX,), Reason.VERIFYING),
    "not while it only has to settle": (pushed(), job(since=ago(5)), (FIX,), Reason.VERIFYING),
    "not when somebody asked for it": (pushed(Trigger.API), BROKEN, (FIX,), Reason.VERIFYING),
    "not for one that is cancelled": (
        pushed(),
        BROKEN,
        (FIX.model_copy(update={"spec": FIX.spec.model_copy(update={"cancel": True})}),),
        Reason.VERIFYING,
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_giving_way(row: tuple[ToolDeployment, Job, tuple[ToolDeployment, ...], Reason]) -> None:
    active, shown, behind, reason = row
    step = make_plan(observed(active, *behind, jobs=(shown,)), NOW).steps[0]
    assert step.reason == reason
    assert (step.failure is not None) == (reason == Reason.SUPERSEDED)


def test_the_time_that_it_had_is_told_in_whole_seconds_also_after_a_day() -> None:
    since = 86_400 + 42
    begun = pushed(applied=since)
    patient = Policy(start_timeout=timedelta(days=2))
    step = make_plan(observed(begun, FIX, jobs=(BROKEN,), policy=patient), NOW).steps[0]
    assert step.failure is not None
    assert step.failure.message == (f"component web was not up after {since} s: GET / answered 500")


def test_what_gave_way_goes_back_to_the_version_that_serves_and_names_its_successor() -> None:
    failure = {"reason": "Superseded", "owner": "nobody", "message": "not up after 31 s"}
    gone = pushed(failure=failure)
    half = job(spec=job_spec(commit=NEWER), serving=job_spec())
    undoing = make_plan(observed(gone, FIX, jobs=(half,)), NOW).steps[0]
    assert undoing.actions == (actions.ApplyJob(job_spec()),)
    end = make_plan(observed(gone, FIX, jobs=(job(),)), NOW).steps[0]
    assert end.ending == Ending(State.CANCELLED, Reason.SUPERSEDED, superseded_by="d2")
    assert end.message == "not up after 31 s"


def test_what_gave_way_to_one_that_was_cancelled_meanwhile_names_nobody() -> None:
    failure = {"reason": "Superseded", "owner": "nobody", "message": "not up after 31 s"}
    end = make_plan(observed(pushed(failure=failure), jobs=(job(),)), NOW).steps[0]
    assert end.ending == Ending(State.CANCELLED, Reason.SUPERSEDED)
