"""What a step says to people of what it does."""

from typing import Any

import pytest

from controller.backends.base import Job
from controller.reconcile.plan import make_plan
from controller.reconcile.steps import Step
from tests.builders import BUILT, NOW, ago, component, config, deployment, job, observed, started


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
        pytest.param((job("udp"),), "bringing jobs up to date: web; removing jobs: udp", id="both"),
    ],
)
def test_a_job_that_is_removed_is_not_said_to_be_brought_up_to_date(
    jobs: tuple[Job, ...], said: str
) -> None:
    assert step(*jobs).message == said
