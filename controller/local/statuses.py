"""The errors of the API, as the `Status` objects that clients know.

Raised anywhere below the request handlers and turned into an answer by `server`. The texts and
shapes are those of kube-apiserver (see tests/golden/); no decision when to refuse belongs here.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from controller.local import fielderrors, resources

Object = dict[str, Any]


class ApiError(Exception):
    """A refusal: HTTP code, machine-readable reason, message, details, further headers."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Object | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.headers = dict(headers or {})

    def body(self) -> Object:
        """The Status object."""
        found: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code,
        }
        if self.reason:
            found["reason"] = self.reason
        if self.details is not None:
            found["details"] = self.details
        return found


class PageNotFound(Exception):
    """The path belongs to nothing that is served: a plain text 404, as kube-apiserver's."""


def _details(group: str, kind: str, name: str) -> Object:
    found = {"kind": kind}
    if name:
        found["name"] = name
    if group:
        found["group"] = group
    return found


def of_resource(resource: resources.Resource, name: str) -> Object:
    """Details that name an object by its resource."""
    return _details(resource.group, resource.plural, name)


def success(resource: resources.Resource, name: str, uid: str) -> Object:
    """The answer to a deletion that is complete."""
    details = of_resource(resource, name) | {"uid": uid}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def not_found(resource: resources.Resource, name: str) -> ApiError:
    """404 for an object."""
    message = f'{resource.qualified} "{name}" not found'
    return ApiError(404, "NotFound", message, of_resource(resource, name))


def no_such_resource() -> ApiError:
    """404 for a resource of a group that is served."""
    message = "the server could not find the requested resource"
    return ApiError(404, "NotFound", message, {})


def already_exists(resource: resources.Resource, name: str) -> ApiError:
    """409 for a creation."""
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, of_resource(resource, name))


MODIFIED = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def conflict(resource: resources.Resource, name: str, why: str = MODIFIED) -> ApiError:
    """409 for a write that was made for another version of the object."""
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, "Conflict", message, of_resource(resource, name))


def precondition(resource: resources.Resource, name: str, why: str) -> ApiError:
    """409 for a deletion whose preconditions do not hold; names the kind, as the original does."""
    kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    message = f'Operation cannot be fulfilled on {kind} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource.group, resource.kind, name))


def bad_request(message: str) -> ApiError:
    """400."""
    return ApiError(400, "BadRequest", message)


def forbidden(
    resource: resources.Resource, name: str, why: str, causes: list[Object] | None = None
) -> ApiError:
    """403: a rule of the API, not a missing permission."""
    message = f'{resource.qualified} "{name}" is forbidden: {why}'
    details = of_resource(resource, name)
    if causes:
        details["causes"] = causes
    return ApiError(403, "Forbidden", message, details)


def method_not_allowed(message: str) -> ApiError:
    """405."""
    return ApiError(405, "MethodNotAllowed", message, {})


def unsupported_media_type(accepted: Iterable[str]) -> ApiError:
    """415."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted)
    )
    return ApiError(415, "UnsupportedMediaType", message)


def not_acceptable(accepted: Iterable[str]) -> ApiError:
    """406."""
    message = "only the following media types are accepted: " + ", ".join(accepted)
    return ApiError(406, "NotAcceptable", message)


def expired(message: str) -> ApiError:
    """410: the version that was asked for is no longer known."""
    return ApiError(410, "Expired", message)


def too_large_version(asked: int, current: int) -> ApiError:
    """504: a list at a version that is not there yet."""
    details = {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return ApiError(504, "Timeout", message, details, {"Retry-After": "1"})


def patch_rejected() -> ApiError:
    """422 for a JSON patch that does not apply."""
    message = "the server rejected our request due to an error in our request"
    return ApiError(422, "Invalid", message, {})


def invalid(group: str, kind: str, name: str, errors: Sequence[fielderrors.FieldError]) -> ApiError:
    """422 that names every field."""
    status = fielderrors.invalid_status(kind, group, name, errors)
    return ApiError(422, "Invalid", status["message"], status["details"])


def invalid_object(
    resource: resources.Resource, name: str, errors: Sequence[fielderrors.FieldError]
) -> ApiError:
    """422 for an object of a resource."""
    return invalid(resource.group, resource.kind, name, errors)


def invalid_patch(patched: str, why: str) -> ApiError:
    """422 for a patch whose result is not an object of the kind."""
    return invalid("", "", "", [fielderrors.invalid("patch", patched, why)])


def apply_conflict(conflicts: Iterable[tuple[str, str, str]]) -> ApiError:
    """409 for an apply: (manager, its version of the API if it did not apply, path)."""
    by_manager: dict[str, list[str]] = {}
    for manager, version, path in conflicts:
        who = f'"{manager}"' + (f" using {version}" if version else "")
        by_manager.setdefault(who, []).append(path)
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": path}
        for who, paths in by_manager.items()
        for path in paths
    ]
    listed = "\n".join(
        f"conflicts with {who}:\n" + "\n".join(f"- {path}" for path in paths)
        for who, paths in sorted(by_manager.items())
    )
    count = f"{len(causes)} conflicts"
    if len(causes) == 1:
        count, listed = "1 conflict", f"{causes[0]['message']}: {causes[0]['field']}"
    message = f"Apply failed with {count}: {listed}"
    return ApiError(409, "Conflict", message, {"causes": causes})
