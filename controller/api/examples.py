"""What goes in and what comes out, once for every object of the OpenAPI document. Pure.

`openapi` puts them into its schemas, `page` shows them. Tests hold them to the schemas, and send
every request that is made of them.
"""

from collections.abc import Mapping
from typing import Any

from controller.api import problem_body, texts

_COMMIT = "4f1d9c07b3a25e86d1c4ab90f7263e58d0b9ac14"
_ID = "20261121-120000-k3v9x0q2mb"
_CONFIG = {
    "components": {
        "web": {
            "build": {"repository": "https://git.example.org/mytool.git", "ref": "main"},
            "run": {"command": "web", "port": 8000, "health_check_http": "/healthz"},
        }
    }
}
_DEPLOYMENT = {
    "deploy_id": _ID,
    "creation_time": "20261121-120000",
    "description": "Deploy T401993",
    "builds": {
        "web": {
            "build_id": "mytool-buildpacks-pipelinerun-9x2kq",
            "build_status": "successful",
            "build_image": "registry.example.org/tool-mytool/web:latest",
            "commit": _COMMIT,
            "ref": "main",
            "origin": "started",
        }
    },
    "runs": {"web": {"run_status": "successful", "change": "updated"}},
    "status": "successful",
    "trigger": "token",
    "started_at": "2026-11-21T12:00:01Z",
    "finished_at": "2026-11-21T12:01:17Z",
}
_WRONG = texts.no_deployment("mytool", _ID)
_PROBLEM = {
    "type": problem_body.TYPE + "not-found",
    "title": "Not Found",
    "status": 404,
    "detail": _WRONG,
    "owner": "user",
    "retryable": False,
    "hint": texts.WHICH_THERE_ARE,
}

EXAMPLES: Mapping[str, Any] = {
    "ToolConfig": _CONFIG,
    "Deployment": _DEPLOYMENT,
    "DeploymentList": {"deployments": [_DEPLOYMENT]},
    "DeploymentCreateRequest": {"description": "Deploy T401993", "commits": {"web": _COMMIT}},
    "DeployToken": {
        "token": "0d6a1c9e-3c55-4b0e-9a41-6f2d8e7b5c10",
        "creation_date": "2026-11-21T12:00:00Z",
    },
    "Push": {"ref": "refs/heads/main", "after": _COMMIT},
    "Polling": {
        "components": {"web": {"last_seen_commit": _COMMIT, "last_seen_at": "2026-11-21T12:00:00Z"}}
    },
    "Accepted": {},
    "HealthState": {"status": "OK"},
    "Problem": _PROBLEM,
    "Failed": {
        "messages": {"info": [], "warning": [texts.BETA], "error": [_WRONG]},
        "problem": _PROBLEM,
    },
}
"""By the name of the schema."""
