"""Every refusal of the two services becomes one of the three outcomes, with the service's words."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from controller.backends.toolforge import errors
from controller.errors import EdgeError, Terminal, Transient, Waiting
from controller.models.reasons import Reason

Read = Callable[[errors.Answer], EdgeError]
FULL = "Got too many builds running (4 out of 4 max), cancel some or wait for them to finish"
UNRESOLVED = "Failed to resolve ref x, maybe the repository u is not public? Error: exit status 2"
QUOTA = "Out of quota for this kind of job. Please see https://w.wiki/6YLP for details."


def answer(status: int, body: Any, after: timedelta | None = None) -> errors.Answer:
    return errors.Answer(status, body if isinstance(body, str) else json.dumps(body), after)


@pytest.mark.parametrize(
    ("read", "given", "kind", "reason", "message"),
    [
        pytest.param(
            *(errors.of_build_start, answer(409, {"error": [FULL]})),
            *(Waiting, Reason.BUILD_QUEUE_FULL, FULL),
            id="no free slot for a build",
        ),
        pytest.param(
            *(errors.of_build_start, answer(400, {"error": [UNRESOLVED]})),
            *(Terminal, Reason.REF_NOT_FOUND, UNRESOLVED),
            id="a ref that the repository does not have",
        ),
        pytest.param(
            *(errors.of_build_start, answer(400, {"message": "request body has an error"})),
            *(Terminal, Reason.BUILD_REFUSED, "request body has an error"),
            id="the framework of builds-api refuses",
        ),
        pytest.param(
            *(errors.of_build_start, answer(400, '"Bad parameters passed: EOF"')),
            *(Terminal, Reason.BUILD_REFUSED, "Bad parameters passed: EOF"),
            id="a bare string",
        ),
        pytest.param(
            *(errors.of_builds, answer(401, {"message": "Unauthorized"})),
            *(Transient, Reason.PLATFORM_UNAVAILABLE, "Unauthorized"),
            id="our credentials are refused: nothing that a user can mend",
        ),
        pytest.param(
            *(errors.of_builds, answer(502, "<html>Bad Gateway</html>")),
            *(Transient, Reason.PLATFORM_UNAVAILABLE, "<html>Bad Gateway</html>"),
            id="the gateway is without its service",
        ),
        pytest.param(
            *(errors.of_jobs, answer(500, {"error": [QUOTA]})),
            *(Terminal, Reason.QUOTA_EXCEEDED, QUOTA),
            id="out of quota is a 500",
        ),
        pytest.param(
            *(errors.of_jobs, answer(500, {"error": ["Unknown error (x)"]})),
            *(Transient, Reason.PLATFORM_UNAVAILABLE, "Unknown error (x)"),
            id="any other 500 may pass",
        ),
        pytest.param(
            *(errors.of_jobs, answer(500, {"error": ["Job a already exists in runtime as x"]})),
            *(Terminal, Reason.JOB_REFUSED, "Job a already exists in runtime as x"),
            id="something else has the name",
        ),
        pytest.param(
            *(errors.of_jobs, answer(400, {"error": ["No such image 'h/tool-a/b'"]})),
            *(Terminal, Reason.IMAGE_UNAVAILABLE, "No such image 'h/tool-a/b'"),
            id="an image that lost its tag",
        ),
        pytest.param(
            errors.of_jobs,
            answer(400, {"error": ["Requested CPU 9.0 is over maximum allowed per container (3)"]}),
            Terminal,
            Reason.QUOTA_EXCEEDED,
            "Requested CPU 9.0 is over maximum allowed per container (3)",
            id="more than one container may have",
        ),
        pytest.param(
            *(errors.of_jobs, answer(404, {"detail": "Not Found"})),
            *(Terminal, Reason.JOB_REFUSED, "Not Found"),
            id="a route that is not there",
        ),
        pytest.param(
            *(errors.of_jobs, answer(302, "")),
            *(Transient, Reason.PLATFORM_UNAVAILABLE, "status 302 without a word"),
            id="a redirect is not followed",
        ),
    ],
)
def test_a_refusal_becomes_an_outcome(
    read: Read, given: errors.Answer, kind: type[EdgeError], reason: Reason, message: str
) -> None:
    error = read(given)
    assert (type(error), error.reason, error.message) == (kind, reason, message)


def test_the_pause_that_a_service_asks_for_is_kept() -> None:
    pause = timedelta(seconds=30)
    later, full = answer(429, "", pause), answer(409, {"error": [FULL]}, pause)
    transient, waiting = errors.of_builds(later), errors.of_build_start(full)
    assert isinstance(transient, Transient)
    assert isinstance(waiting, Waiting)
    assert (transient.after, waiting.after) == (pause, pause)


def test_of_a_422_only_the_problems_of_the_wanted_shape_are_told() -> None:
    def problem(shape: str, field: str, msg: str) -> dict[str, Any]:
        where = f"function-after[job_type_validator(), {shape}]"
        return {"type": "x", "loc": ["body", where, field], "msg": msg, "input": 1}

    detail = [
        problem("NewOneOffJob", "port", "Extra inputs are not permitted"),
        problem("NewContinuousJob", "cpu", "Value error, Invalid number format: 1ki"),
        problem("NewContinuousJob", "port", "Input should be less than or equal to 65535"),
    ]
    error = errors.of_jobs(answer(422, {"detail": detail}), "NewContinuousJob")
    text = "cpu: Invalid number format: 1ki; port: Input should be less than or equal to 65535"
    assert (type(error), error.reason, error.message) == (Terminal, Reason.JOB_REFUSED, text)


def test_credentials_and_queries_of_urls_are_not_told() -> None:
    text = "the repository https://me:secret@git.example.org/a.git?token=hidden is not public"
    told = errors.words(answer(400, {"error": [text]}))
    assert told == "the repository https://git.example.org/a.git is not public"


def test_a_flood_of_words_is_cut() -> None:
    assert len(errors.words(answer(500, "x" * 100_000))) == 1_001


@pytest.mark.parametrize("body", ["<html>", "[]", "null", '{"builds": "none"}'])
def test_an_answer_of_another_form_is_trouble_of_the_platform(body: str) -> None:
    with pytest.raises(Transient, match="without a usable 'builds'"):
        errors.Answer(200, body).part("builds", list)
