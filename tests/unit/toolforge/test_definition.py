"""What is sent to jobs-api is what the user set, and nothing else."""

from typing import Any

import pytest

from controller.backends.base import JobSpec
from controller.backends.toolforge import definition
from controller.models.toolconfig import ContinuousRun, ScheduledRun

IMAGE = "h/tool-t/web:latest@sha256:abc"


@pytest.mark.parametrize(
    ("run", "extra"),
    [
        pytest.param(ContinuousRun(command="web"), {}, id="no default is sent"),
        pytest.param(
            ContinuousRun(command="web", replicas=1, mount="none", port=8000),
            {"replicas": 1, "mount": "none", "port": 8000},
            id="a default that the user set is sent",
        ),
        pytest.param(
            ContinuousRun(command="web", port=80, health_check_http="/healthz"),
            {"port": 80, "health_check": {"type": "http", "path": "/healthz"}},
            id="an http check",
        ),
        pytest.param(
            ContinuousRun(command="web", health_check_script="true", cpu=None),
            {"health_check": {"type": "script", "script": "true"}},
            id="a script check, and null for not set",
        ),
    ],
)
def test_a_continuous_job_as_it_is_sent(run: ContinuousRun, extra: dict[str, Any]) -> None:
    base = {"job_type": "continuous", "name": "web", "cmd": "web", "imagename": IMAGE}
    assert definition.body(JobSpec("web", IMAGE, run)) == base | extra


def test_a_scheduled_job_as_it_is_sent() -> None:
    run = ScheduledRun(command="job", schedule="@daily", retry=2, timeout=60, filelog=False)
    assert definition.body(JobSpec("cron", IMAGE, run)) == {
        "job_type": "scheduled",
        "name": "cron",
        "cmd": "job",
        "imagename": IMAGE,
        "schedule": "@daily",
        "retry": 2,
        "timeout": 60,
        "filelog": False,
    }


def test_a_stored_definition_can_be_sent_again() -> None:
    job = {
        "name": "cron",
        "cmd": "job",
        "imagename": "tool-t/web:latest@sha256:abc",
        "image": "tool-t/web:latest@sha256:abc",
        "job_type": "scheduled",
        "schedule": "@daily",
        "schedule_actual": "1 2 * * *",
    }
    assert definition.stored(job) == {
        "name": "cron",
        "cmd": "job",
        "imagename": "tool-t/web:latest@sha256:abc",
        "job_type": "scheduled",
        "schedule": "@daily",
    }
