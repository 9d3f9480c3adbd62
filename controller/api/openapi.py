"""The OpenAPI document of the HTTP API, made from the table of routes and the models. Pure.

Served as `/openapi.json`, and shown as a page by `page`. It documents what we answer; that what
we answer also fits the existing service's document is a contract test.
"""

from collections.abc import Mapping
from typing import Any

from controller import __version__
from controller.api import problem_body, wire
from controller.api.auth import HEADER, TOKEN_QUERY, Needs
from controller.api.examples import EXAMPLES
from controller.api.routes import PATTERNS, ROUTES, Body, Parameter, Route, Shape
from controller.api.subjects import SUBJECT_OF, SUBJECTS
from controller.models.fields import MAX_TEXT
from controller.models.toolconfig import ToolConfigSpec

JSON = dict[str, Any]

_REF = "#/components/schemas/{model}"
_WORDS = {
    400: "The config could not be had from its source_url",
    401: "Who asks is not known, or the token is not valid",
    403: "Known, but as another tool",
    404: "There is no such config, token or deployment",
    409: "Not now: the messages say why",
    410: "It is not kept any more, or was deleted while the request waited",
    408: "The body did not arrive in time",
    413: "The body is too large",
    422: "Something in the request is not valid; one message per mistake",
    429: "Not finished yet, or too many ask at once: ask again after Retry-After",
    500: "The platform has a fault",
    503: "The service cannot do its work now",
}
_TEXT: JSON = {"type": "string"}
_STRINGS: JSON = {"type": "array", "items": {"type": "string"}}


def document() -> JSON:
    """The document."""
    paths: JSON = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "push-to-deploy components API",
            "version": __version__,
            "description": "Toolforge's components API: a tool's config, its deployments and its "
            "deploy token. The controller does the work; this API reads and writes what it works "
            "from.",
        },
        "tags": [{"name": each.name, "description": each.about} for each in SUBJECTS],
        "paths": paths,
        "components": {"schemas": _schemas(), "securitySchemes": _SECURITY},
    }


_SECURITY: JSON = {
    "Gateway": {
        "type": "apiKey",
        "in": "header",
        "name": HEADER,
        "description": "Set by a gateway in front, where the operator said that there is one.",
    },
    "Certificate": {"type": "mutualTLS", "description": "Its common name is the tool."},
    "Bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The kubeconfig's token in local mode; a deploy token where one is enough.",
    },
    "Token": {
        "type": "apiKey",
        "in": "query",
        "name": TOKEN_QUERY,
        "description": "A deploy token, as clients of today send it; a header is in no access log.",
    },
    "Signature": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Hub-Signature-256",
        "description": "`sha256=` and the HMAC-SHA256 of the body by the tool's webhook secret; "
        "also as Gitea, Forgejo, Gogs and Bitbucket send it.",
    },
    "GitLab": {
        "type": "apiKey",
        "in": "header",
        "name": "X-Gitlab-Token",
        "description": "The tool's webhook secret.",
    },
}
_ACCEPTED = {
    Needs.NOTHING: (),
    Needs.TOOL: ("Gateway", "Certificate", "Bearer"),
    Needs.SIGNATURE: ("Signature", "GitLab"),
    Needs.TOOL_OR_TOKEN: ("Gateway", "Certificate", "Bearer", "Token"),
}


def _operation(route: Route) -> JSON:
    operation: JSON = {
        "operationId": route.operation,
        "summary": route.summary,
        "tags": [SUBJECT_OF[route.operation].name],
        "parameters": [
            *_path_parameters(route),
            *map(_query_parameter, route.query),
            *(_HEADERS if route.may_wait else ()),
        ],
        "responses": _responses(route),
        "security": [{name: []} for name in _ACCEPTED[route.needs]],
    }
    if route.body is not Body.NONE:
        operation["requestBody"] = _request_body(route.body)
    return operation


_HEADERS: tuple[JSON, ...] = (
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "Of POSTs with the same key only the first deploys.",
        "schema": {"type": "string", "maxLength": 255},
    },
    {
        "name": "Prefer",
        "in": "header",
        "required": False,
        "description": "`wait=50` holds the answer until the end, at most so many seconds (429: "
        "ask again); with an Idempotency-Key.",
        "schema": {"type": "string"},
    },
)


_NAMES = {"toolname": "The tool.", "deployment_id": "The deployment."}


def _path_parameters(route: Route) -> list[JSON]:
    names = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": _NAMES[name],
            "schema": {"type": "string", "pattern": f"^{PATTERNS[name]}$"},
        }
        for name in names
    ]


def _query_parameter(parameter: Parameter) -> JSON:
    schema: JSON = {"type": "string"}
    if parameter.boolean:
        schema = {"type": "boolean", "default": False}
    return {
        "name": parameter.name,
        "in": "query",
        "required": False,
        "description": parameter.description,
        "schema": schema,
    }


def _request_body(body: Body) -> JSON:
    schema = _ref(body.value)
    if body is Body.DEPLOYMENT:
        schema = {"anyOf": [schema, {"type": "null"}]}
    return {
        "required": body is Body.CONFIG,
        "content": {"application/json": {"schema": schema}},
    }


def _responses(route: Route) -> JSON:
    codes = {*route.failures, 500} | (
        {401, 403, 404} if route.needs is not Needs.NOTHING else set()
    )
    failures = {code: _failure(route, code) for code in sorted(codes)}
    if route.answers is Shape.HEALTH:
        failures[503] = _answer(_WORDS[503], _success(route.answers))
    done = _answer("Done", _success(route.answers))
    if route.answers is Shape.EVENTS:
        done = {"description": "Events", "content": {"text/event-stream": {"schema": _TEXT}}}
    if route.may_wait:
        failures[429] = _answer(_WORDS[429], {"anyOf": [_ref("Problem"), _ref("Failed")]})
    answers = {route.done: done, **dict(sorted(failures.items()))}
    return {str(code): answer for code, answer in answers.items()}


def _failure(route: Route, code: int) -> JSON:
    if not route.problems:
        return _answer(_WORDS[code], _ref("Failed"))
    content = {problem_body.MEDIA_TYPE: {"schema": _ref("Problem")}}
    return {"description": _WORDS[code], "content": content}


def _answer(words: str, schema: JSON) -> JSON:
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _success(shape: Shape) -> JSON:
    return {
        "type": "object",
        "required": ["data", "messages"],
        "properties": {"data": _ref(shape.value), "messages": _ref("Messages")},
    }


def _ref(name: str) -> JSON:
    return {"$ref": _REF.format(model=name)}


def _schemas() -> JSON:
    schemas: JSON = {}
    for model, mode in ((ToolConfigSpec, "validation"), (wire.Deployment, "serialization")):
        schema = model.model_json_schema(ref_template=_REF, mode=mode)  # type: ignore[arg-type]
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    schemas["ToolConfig"] = schemas.pop("ToolConfigSpec")
    deployment = schemas["Deployment"]
    deployment["required"] = ["deploy_id", "creation_time", "builds", "runs", "status"]
    deployment["properties"]["tool_config"] = {
        "description": "The config that is or was deployed, as its user wrote it.",
        "type": "object",
    }
    for name in _ALWAYS:
        schemas[name]["required"] = [
            field for field in schemas[name].get("required", ()) if _is_always_there(name, field)
        ]
    schemas |= _PLAIN
    return {
        name: schema | ({"examples": [EXAMPLES[name]]} if name in EXAMPLES else {})
        for name, schema in schemas.items()
    }


def _is_always_there(name: str, field: str) -> bool:
    return field in _ALWAYS[name]


_ALWAYS: Mapping[str, frozenset[str]] = {
    "Deployment": frozenset({"deploy_id", "creation_time", "builds", "runs", "status"}),
    "Build": frozenset({"build_id", "build_status"}),
    "Run": frozenset({"run_status"}),
    "Failure": frozenset({"reason", "owner", "message"}),
    "KeptRunning": frozenset({"deploy_id"}),
}

_PLAIN: JSON = {
    "DeploymentList": {
        "type": "object",
        "required": ["deployments"],
        "properties": {"deployments": {"type": "array", "items": _ref("Deployment")}},
    },
    "DeploymentCreateRequest": {
        "type": "object",
        "description": "Unknown fields are ignored, so that a webhook's payload may be sent.",
        "properties": {
            "description": {
                "type": "string",
                "maxLength": MAX_TEXT,
                "default": "",
                "description": "What is deployed and why, in your own words.",
                "examples": ["Deploy T401993"],
            },
            "commits": {
                "type": "object",
                "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{40,64}$"},
                "description": "Component → full SHA: what must be deployed, whatever the ref "
                "holds. Other components are looked up.",
            },
        },
    },
    "Push": {
        "type": "object",
        "description": "What the git host sends. Only these are read, and only as a hint.",
        "properties": {"ref": _TEXT, "after": {"type": "string", "description": "Full SHA."}},
    },
    "Accepted": {"type": "object"},
    "Polling": {
        "type": "object",
        "required": ["components"],
        "properties": {
            "components": {
                "type": "object",
                "description": "Component → what is known: docs/polling.md names the fields.",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": {"type": ["string", "boolean"]},
                },
            }
        },
    },
    "DeployToken": {
        "type": "object",
        "required": ["token", "creation_date"],
        "properties": {
            "token": {"type": "string", "format": "uuid"},
            "creation_date": {"type": "string", "format": "date-time"},
        },
    },
    "HealthState": {
        "type": "object",
        "required": ["status"],
        "properties": {"status": {"type": "string", "enum": ["OK", "ERROR"]}},
    },
    "Messages": {
        "type": "object",
        "properties": {"info": _STRINGS, "warning": _STRINGS, "error": _STRINGS},
    },
    "Problem": {
        "type": "object",
        "description": "RFC 9457; of a deployment that has not succeeded also what became of it.",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": _TEXT,
            "title": _TEXT,
            "status": {"type": "integer"},
            "detail": _TEXT,
            "deploy_id": _TEXT,
            "tool": _TEXT,
            "state": {"type": "string", "description": "The deployment's `status`."},
            "reason": {"type": "string", "description": "Of a closed list: docs/reasons.md."},
            "owner": {"type": "string", "enum": ["user", "platform", "nobody"]},
            "retryable": {"type": "boolean"},
            "component": _TEXT,
            "commit": _TEXT,
            "hint": _TEXT,
            "log_tail": _STRINGS,
            "blocked_by": {"type": "string", "description": "The deployment that goes first."},
            "kept_running": _ref("KeptRunning"),
            "mistakes": {
                "type": "array",
                "description": "Those of a config: file, line, column, path, message, hint.",
                "items": {"type": "object"},
            },
        },
    },
    "Failed": {
        "type": "object",
        "description": "The messages that clients of today show, and the same for machines.",
        "required": ["messages"],
        "properties": {
            "problem": _ref("Problem"),
            "messages": {
                "type": "object",
                "required": ["info", "warning", "error"],
                "properties": {
                    "info": _STRINGS,
                    "warning": _STRINGS,
                    "error": _STRINGS | {"minItems": 1},
                },
            },
        },
    },
}
