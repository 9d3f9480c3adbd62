"""What a step says to people of what it does, and of what to do about a component that broke."""

from dataclasses import replace
from typing import Any

import pytest

from controller.backends.base import Job, JobKind, JobPhase
from controller.models.reasons import Reason
from controller.reconcile import actions
from controller.reconcile.plan import make_plan
from controller.reconcile.steps import Step
from tests.builders import (
    BUILT,
    NOW,
    ago,
    component,
    config,
    deployment,
    job,
    job_spec,
    observed,
    started,
)


def step(*jobs: Job, **run: Any) -> Step:
    """The next step of a deployment of `web` whose build is ready."""
    used = config(web=component(**run))
    begun = deployment("d1", status=started(ago(20), builds=BUILT, tool_config=used))
    (only,) = make_plan(observed(begun, jobs=jobs), NOW).steps
    return only


@pytest.mark.parametrize(
    ("jobs", "said"),
    [
        pytest.param((), "bringing jobs up to date: web", id="one that is missing"),
        pytest.param((job(), job("udp")), "removing jobs: udp", id="one that left the config"),
        pytest.param(
            (job(spec=job_spec(port=1)), job("udp")),
            "bringing jobs up to date: web; removing jobs: udp",
            id="both",
        ),
        pytest.param(
            (replace(job(), kind=JobKind.SCHEDULED),),
            "removing jobs to make them anew as another kind: web",
            id="one of another kind",
        ),
    ],
)
def test_each_job_is_said_to_be_what_is_done_to_it(jobs: tuple[Job, ...], said: str) -> None:
    assert step(*jobs).message == said


LOOK = "Read its log: `ptd logs web`, and"


@pytest.mark.parametrize(
    ("run", "hint"),
    [
        pytest.param(
            {"health_check_script": "test -e ok"},
            f"{LOOK} see why the script of the health check does not end with 0.",
            id="a script",
        ),
        pytest.param(
            {"port": 8000, "health_check_http": "/healthz"},
            f"{LOOK} check the health check's path and the port.",
            id="a path",
        ),
        pytest.param(
            {"port": 8000},
            f"{LOOK} check that it listens on the port that $PORT names.",
            id="a port",
        ),
    ],
)
def test_what_to_do_about_a_health_check_fits_its_kind(run: dict[str, Any], hint: str) -> None:
    (first,) = step(**run).actions
    assert isinstance(first, actions.ApplyJob)
    sick = job(phase=JobPhase.DOWN, spec=first.spec, trouble=Reason.HEALTH_CHECK_FAILED)
    failure = step(sick, **run).failure
    assert failure is not None
    assert failure.hint == hint
