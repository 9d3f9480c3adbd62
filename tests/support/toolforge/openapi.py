"""Holds every answer of a stand-in to the service's OpenAPI document.

Where the document disagrees with what the service was seen to answer, the stand-in follows the
service, and the difference is written down here as a correction of the document.
"""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

DOCUMENTS = Path(__file__).parents[2] / "openapi"
_METHODS = ("get", "put", "post", "patch", "delete")
_ERROR = {"type": "object", "properties": {"error": {"type": "array", "items": {"type": "string"}}}}
_DETAIL = {
    "type": "object",
    "required": ["detail"],
    "properties": {
        "detail": {"type": "array", "items": {"type": "object", "required": ["type", "loc", "msg"]}}
    },
}


class Mismatch(AssertionError):
    """A stand-in answered what the document does not allow."""


class Document:
    """An OpenAPI 3.1 document that answers can be checked against."""

    def __init__(self, document: Mapping[str, Any], undocumented: Mapping[int, Any]) -> None:
        self._document = document
        self._paths: dict[str, dict[str, Any]] = {
            path: {method: item[method]["responses"] for method in _METHODS if method in item}
            for path, item in document["paths"].items()
        }
        self._undocumented = undocumented
        self._validators: dict[str, Any] = {}

    @property
    def operations(self) -> Mapping[str, Collection[str]]:
        """The methods, in small letters, of every path that is documented."""
        return self._paths

    def check(self, method: str, path: str, status: int, body: Any) -> None:
        """Raise Mismatch unless the document allows this answer."""
        template = self._template(path)
        responses = self._paths.get(template, {}).get(method.lower())
        if responses is None:
            return  # not a documented operation: the service has it, the document does not
        if str(status) in responses:
            where = f"/paths/{_escape(template)}/{method.lower()}/responses/{status}"
            schema = self._schema_of(responses[str(status)], where)
        elif status in self._undocumented:
            schema = self._undocumented[status]
        else:
            raise Mismatch(f"{method} {path}: status {status} is not documented")
        if schema is None:
            return
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            # References are from the root of the document, so it comes along.
            whole = {**self._document, **schema}
            self._validators[key] = jsonschema.Draft202012Validator(whole)
        error = jsonschema.exceptions.best_match(self._validators[key].iter_errors(body))
        if error is not None:
            raise Mismatch(f"{method} {path} {status}: {error.json_path}: {error.message}")

    def _template(self, path: str) -> str:
        parts = path.rstrip("/").split("/")
        for template in self._paths:
            wanted = template.split("/")
            if len(wanted) == len(parts) and all(
                want.startswith("{") or want == part
                for want, part in zip(wanted, parts, strict=True)
            ):
                return template
        return ""

    def _schema_of(self, response: Mapping[str, Any], where: str) -> Mapping[str, Any] | None:
        if "$ref" in response:
            where = str(response["$ref"]).removeprefix("#")
            response = self._document["components"]["responses"][where.rpartition("/")[2]]
        if "application/json" not in response["content"]:
            return None  # a stream of text lines
        return {"$ref": f"#{where}/content/application~1json/schema"}


def builds_document() -> Document:
    """builds-api's; 409 on start and 503 are not in it, and errors come in three shapes."""
    document = _load("builds-api.yaml")
    # Framework errors are {"message": text}, unparseable bodies a bare string.
    any_shape = {"type": ["object", "string"]}
    for name in ("bad-parameters", "unauthorized"):
        document["components"]["responses"][name]["content"]["application/json"]["schema"] = (
            any_shape
        )
    return Document(document, {409: _ERROR, 503: _ERROR})


def jobs_document(name: str = "jobs-api-4.12.1-publish-branch.yaml") -> Document:
    """jobs-api's, corrected by what the recording shows."""
    document = _load(name)
    schemas = document["components"]["schemas"]
    # The three shapes of a status overlap, so that `oneOf` can never hold.
    status = schemas["DefinedCommonJob"]["allOf"][1]["properties"]["status"]
    status["anyOf"] = status.pop("oneOf")
    # null: no duration is known, it never ran, it will not run.
    schemas["CommonJobStatus"]["properties"]["duration"]["type"] = ["string", "null"]
    scheduled = schemas["ScheduledJobStatus"]["allOf"][1]["properties"]
    for field in ("previous_schedule", "next_schedule"):
        scheduled[field]["type"] = ["string", "null"]
    # `replicas: 0` is accepted and shown; `health_check: null` is, but fits none of the `oneOf`.
    continuous = schemas["DefinedContinuousJob"]["allOf"][1]["properties"]
    continuous["replicas"]["minimum"] = 0
    continuous["health_check"]["oneOf"].append({"type": "null"})
    # A limit without a count: `used` is null.
    category = schemas["Quota"]["properties"]["categories"]["items"]["properties"]
    category["items"]["items"]["properties"]["used"]["type"] = ["string", "null"]
    jobs = document["paths"]["/v1/tool/{tool_name}/jobs"]["post"]["responses"]
    jobs["201"] = jobs.pop("200")
    return Document(document, {403: _ERROR, 404: _ERROR, 409: _ERROR, 422: _DETAIL, 500: _ERROR})


def checked(document: Document) -> Middleware:
    """The middleware that lets no answer out that the document does not allow."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if isinstance(response, web.Response) and response.content_type == "application/json":
            assert response.text is not None
            body = json.loads(response.text)
            document.check(request.method, request.path, response.status, body)
        return response

    return middleware


def _load(name: str) -> dict[str, Any]:
    with (DOCUMENTS / name).open(encoding="utf-8") as file:
        loaded: dict[str, Any] = yaml.safe_load(file)
    return loaded


def _escape(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
