"""The stand-ins' answers are really held to the OpenAPI documents: wrong ones are caught."""

from typing import Any

import pytest

from tests.support.toolforge.openapi import Document, Mismatch, builds_document, jobs_document

JOB = "/v1/tool/demo/jobs/web"
BUILDS = "/v1/tool/demo/builds"
CONTINUOUS = {"name": "web", "cmd": "x", "imagename": "i", "job_type": "continuous"}


@pytest.mark.parametrize(
    ("document", "method", "path", "status", "body"),
    [
        (builds_document(), "GET", BUILDS, 200, {"builds": [{"status": "BUILD_DONE"}]}),
        (builds_document(), "GET", BUILDS, 200, {"builds": [{"build_id": 1}]}),
        (builds_document(), "POST", BUILDS, 200, {"new_build": {"parameters": {}}}),
        (builds_document(), "POST", BUILDS, 409, {"error": "text"}),
        (builds_document(), "GET", BUILDS, 418, {}),
        (jobs_document(), "GET", JOB, 200, {"job": CONTINUOUS | {"name": "Bad_Name"}}),
        (jobs_document(), "GET", JOB, 200, {"job": CONTINUOUS | {"job_type": "daemon"}}),
        (jobs_document(), "GET", JOB, 200, {"job": CONTINUOUS | {"status": {"short": "up"}}}),
        (jobs_document(), "PATCH", "/v1/tool/demo/jobs/", 200, {"job_changed": "yes"}),
        (jobs_document(), "PATCH", "/v1/tool/demo/jobs/", 422, {"error": ["text"]}),
        (jobs_document(), "GET", JOB, 418, {}),
    ],
    ids=lambda value: None if isinstance(value, Document) else str(value)[:60],
)
def test_an_answer_that_the_document_does_not_allow_is_caught(
    document: Document, method: str, path: str, status: int, body: Any
) -> None:
    with pytest.raises(Mismatch):
        document.check(method, path, status, body)


@pytest.mark.parametrize("name", ["jobs-api.yaml", "jobs-api-4.12.1-publish-branch.yaml"])
def test_an_answer_that_both_versions_of_jobs_api_allow(name: str) -> None:
    status = {"short": "running", "duration": "1s", "up_to_date": True, "messages": []}
    jobs_document(name).check("GET", JOB, 200, {"job": CONTINUOUS | {"status": status}})
