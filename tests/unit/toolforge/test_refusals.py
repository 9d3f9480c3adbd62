"""Each row of the services' tables of errors (protocol reference 3.4 and 4.6), by its text.

What a row becomes tells whose move it is: Waiting and Transient are ours, Terminal is the user's.
`test_errors` has the forms that these texts come in, and what is cut out of them.
"""

import json
from typing import Any

import pytest

from controller.backends.toolforge import errors
from controller.errors import EdgeError, Terminal, Transient, Waiting
from controller.models.reasons import Reason

Outcome = tuple[type[EdgeError], Reason]
AWAY: Outcome = (Transient, Reason.PLATFORM_UNAVAILABLE)
REFUSED: Outcome = (Terminal, Reason.BUILD_REFUSED)
JOB: Outcome = (Terminal, Reason.JOB_REFUSED)
QUOTA: Outcome = (Terminal, Reason.QUOTA_EXCEEDED)

BUILDS: dict[str, tuple[int, Any, Outcome]] = {
    "no tool header": (401, {"message": "Unauthorized"}, AWAY),
    "several header values": (403, {"message": "multiple tool headers"}, AWAY),
    "a schema violation": (400, {"message": 'property "source_url" is missing'}, REFUSED),
    "a bad variable": (400, {"error": ["Not valid environment variables passed: 1"]}, REFUSED),
    "no Harbor project": (503, {"error": ["Failed to create harbor project for tool t"]}, AWAY),
    "too many builds": (
        409,
        {"error": ["Got too many builds running (4 out of 4 max), cancel some or wait"]},
        (Waiting, Reason.BUILD_QUEUE_FULL),
    ),
    "a ref that is not there": (
        400,
        {"error": ["Failed to resolve ref x, maybe the repository u is not public? Error: 2"]},
        (Terminal, Reason.REF_NOT_FOUND),
    ),
    "builders that have expired": (
        400,
        {"error": ["Deprecated version are not supported anymore (the deadline was until x UTC)"]},
        REFUSED,
    ),
    "Tekton fails": (
        500,
        {"error": ["Got error when creating a new pipelinerun on namespace image-build"]},
        AWAY,
    ),
    "a body that nobody can parse": (400, '"Bad parameters passed: EOF"', REFUSED),
}


@pytest.mark.parametrize("row", BUILDS.values(), ids=BUILDS.keys())
def test_a_refusal_to_start_a_build(row: tuple[int, Any, Outcome]) -> None:
    status, body, outcome = row
    error = errors.of_build_start(_answer(status, body))
    assert ((type(error), error.reason), error.message) == (outcome, _text(body))


JOBS: dict[str, tuple[int, Any, Outcome]] = {
    "no tool header": (403, {"error": ["missing 'x-toolforge-tool' header"]}, AWAY),
    "an unknown field": (
        422,
        {"detail": [{"loc": ["body", "NewContinuousJob]", "x"], "msg": "Extra inputs"}]},
        JOB,
    ),
    "a bad name": (400, {"error": ["Invalid job name. It must match"]}, JOB),
    "a name that is too long": (
        400,
        {"error": ["Invalid job name, it can't be longer than 52 characters."]},
        JOB,
    ),
    "an http check without a port": (
        400,
        {"error": ["Value error, Port must be set for HTTP health checks"]},
        JOB,
    ),
    "a log file without a mount": (
        400,
        {"error": ["File logging is only available with --mount=all"]},
        JOB,
    ),
    "no mount on a prebuilt image": (
        400,
        {"error": ["Mount type none is only supported for build service images"]},
        JOB,
    ),
    "a bad schedule": (400, {"error": ['Unable to parse cron expression "x" (why)']}, JOB),
    "too much for a container": (
        400,
        {"error": ["Requested CPU 99.0 is over maximum allowed per container (3)"]},
        QUOTA,
    ),
    "too little for a container": (
        400,
        {"error": ["Requested memory 1.0 is less than minimum required per container (50m)"]},
        QUOTA,
    ),
    "w43 an image that has lost its tag": (
        400,
        {"error": ["No such image 'h/tool-t/web:latest@sha256:a'"]},
        (Terminal, Reason.IMAGE_UNAVAILABLE),
    ),
    "an unknown job": (404, {"error": ["Job 'web' does not exist"]}, JOB),
    "a restart of a one-off job": (400, {"error": ["Unable to restart a one-off job"]}, JOB),
    "w44 out of quota": (500, {"error": ["Out of quota for this kind of job. Please see"]}, QUOTA),
    "w42 something else has the name": (
        500,
        {"error": ["Job web already exists in runtime as x"]},
        JOB,
    ),
    "w41 a change of type, or trouble of the storage": (
        500,
        {"error": ["Unable to find object in storage"]},
        AWAY,
    ),
    "anything else": (500, {"error": ["Unknown error (x)"]}, AWAY),
    "w47 the framework's own form": (
        422,
        {"detail": [{"loc": ["body"], "msg": "JSON decode error"}]},
        JOB,
    ),
}


@pytest.mark.parametrize("row", JOBS.values(), ids=JOBS.keys())
def test_a_refusal_of_a_job(row: tuple[int, Any, Outcome]) -> None:
    status, body, outcome = row
    error = errors.of_jobs(_answer(status, body), "NewContinuousJob")
    assert ((type(error), error.reason), error.message) == (outcome, _text(body))


def _answer(status: int, body: Any) -> errors.Answer:
    return errors.Answer(status, body if isinstance(body, str) else json.dumps(body))


def _text(body: Any) -> str:
    """What a person should read of it."""
    match body:
        case {"error": [text]} | {"message": text}:
            return str(text)
        case {"detail": [{"loc": ["body", _, field], "msg": text}]}:
            return f"{field}: {text}"
        case {"detail": [{"msg": text}]}:
            return str(text)
    return str(json.loads(body))
