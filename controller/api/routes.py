"""The table of the HTTP API: every route, what it asks of a caller, and what it is for.

`app` serves from it, `openapi` documents it, and both know nothing else, so that no route can be
served undocumented. Operation names are those of the existing service.
"""

from dataclasses import dataclass
from enum import StrEnum

from controller.api.auth import TOKEN_QUERY, Needs


class Shape(StrEnum):
    """What `data` of a success is."""

    HEALTH = "HealthState"
    CONFIG = "ToolConfig"
    DEPLOYMENT = "Deployment"
    DEPLOYMENTS = "DeploymentList"
    TOKEN = "DeployToken"
    POLLING = "Polling"
    EVENTS = "Events"
    ACCEPTED = "Accepted"


class Body(StrEnum):
    """What a request may carry."""

    NONE = "none"
    CONFIG = "ToolConfig"
    DEPLOYMENT = "DeploymentCreateRequest"
    SIGNED = "Push"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter."""

    name: str
    boolean: bool
    description: str


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `failures` are the status codes of its own beside 401, 403 and 500, `done` is
    that of a success.

    `problems`: they are RFC 9457 problems; the routes of the existing service have its own form.
    `holds`: the answer comes when it is time, so how long it took says nothing of the service.
    `may_wait`: it does where `Prefer: wait` says so, and 429 says that it goes on.
    """

    method: str
    path: str
    operation: str
    summary: str
    answers: Shape
    needs: Needs = Needs.TOOL
    body: Body = Body.NONE
    query: tuple[Parameter, ...] = ()
    failures: tuple[int, ...] = (404, 422)
    done: int = 200
    problems: bool = False
    holds: bool = False
    may_wait: bool = False

    @property
    def known_query(self) -> tuple[str, ...]:
        """The names of its query parameters."""
        return tuple(parameter.name for parameter in self.query)


PATTERNS = {
    "toolname": "[a-z0-9]([-a-z0-9]{0,56}[a-z0-9])?",
    "deployment_id": "[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?",
}
"""What may stand in a path: the names become parts of paths of the control plane."""

_T = "/v1/tool/{toolname}"
_TOKEN = Parameter(TOKEN_QUERY, False, "The tool's deploy token; better: Authorization: Bearer.")
_FORCE_BUILD = Parameter("force-build", True, "Build also what is built already.")
_HELD = Parameter(
    "wait", False, "With If-None-Match: hold the answer so many seconds, or until it changed."
)
_TIMEOUT = Parameter("timeout", False, "Hold the answer so many seconds; 50 unless said.")
_SUPERSEDED = Parameter(
    "on_superseded", False, "`follow` (default): wait for the one that replaced it; or `fail`."
)
_FORCE_RUN = Parameter("force-run", True, "Restart also what has not changed.")

ROUTES: tuple[Route, ...] = (
    Route(
        *("GET", "/v1/healthz", "healthz", "Whether the service can do its work", Shape.HEALTH),
        needs=Needs.NOTHING,
        failures=(422, 503),
    ),
    Route("GET", f"{_T}/config", "get_tool_config", "The tool's config", Shape.CONFIG),
    Route(
        *("POST", f"{_T}/config", "update_tool_config", "Create or replace it", Shape.CONFIG),
        body=Body.CONFIG,
        failures=(400, 404, 408, 409, 413, 422, 429),
    ),
    Route(
        *("DELETE", f"{_T}/config", "delete_tool_config", "Delete it", Shape.CONFIG),
        failures=(404, 409, 422),
    ),
    Route(
        *("GET", f"{_T}/polling", "get_tool_polling"),
        *("What polling saw last, and what is wrong with it", Shape.POLLING),
    ),
    Route(
        *("GET", f"{_T}/config/generate", "generate_tool_config"),
        *("A config made from the tool's jobs and builds", Shape.CONFIG),
    ),
    Route(
        *("GET", f"{_T}/deployment/token", "get_tool_deploy_token"),
        *("The tool's deploy token", Shape.TOKEN),
    ),
    Route(
        *("POST", f"{_T}/deployment/token", "create_tool_deploy_token"),
        *("Create it", Shape.TOKEN),
        failures=(404, 409, 422),
    ),
    Route(
        *("PUT", f"{_T}/deployment/token", "update_tool_deploy_token"),
        *("Replace it by another", Shape.TOKEN),
        failures=(404, 409, 422),
    ),
    Route(
        *("DELETE", f"{_T}/deployment/token", "delete_tool_deploy_token"),
        *("Delete it", Shape.TOKEN),
    ),
    Route(
        *("GET", f"{_T}/deployment/latest", "get_latest_deployment"),
        *("The newest deployment", Shape.DEPLOYMENT),
        needs=Needs.TOOL_OR_TOKEN,
        query=(_TOKEN, _HELD),
        failures=(404, 422, 429),
    ),
    Route(
        *("PUT", f"{_T}/deployment/{{deployment_id}}/cancel", "cancel_tool_deployment"),
        *("Cancel a deployment; the id may be `latest`", Shape.DEPLOYMENT),
        needs=Needs.TOOL_OR_TOKEN,
        query=(_TOKEN,),
        failures=(404, 409, 422),
    ),
    Route(
        *("GET", f"{_T}/deployment", "list_tool_deployments"),
        *("All deployments, oldest first", Shape.DEPLOYMENTS),
        failures=(404, 422),
    ),
    Route(
        *("POST", f"{_T}/deployment", "create_tool_deployment", "Deploy", Shape.DEPLOYMENT),
        needs=Needs.TOOL_OR_TOKEN,
        body=Body.DEPLOYMENT,
        query=(_FORCE_BUILD, _FORCE_RUN, _TOKEN),
        failures=(400, 404, 408, 409, 413, 422),
        may_wait=True,
    ),
    Route(
        *("GET", f"{_T}/deployment/{{deployment_id}}", "get_tool_deployment"),
        *("One deployment", Shape.DEPLOYMENT),
        needs=Needs.TOOL_OR_TOKEN,
        query=(_TOKEN, _HELD),
        failures=(404, 410, 422, 429),
    ),
    Route(
        *("GET", f"{_T}/deployment/{{deployment_id}}/wait", "wait_for_tool_deployment"),
        *("Answer when it has ended: 200 only for a complete success", Shape.DEPLOYMENT),
        needs=Needs.TOOL_OR_TOKEN,
        query=(_TOKEN, _TIMEOUT, _SUPERSEDED),
        failures=(404, 409, 410, 422, 429),
        problems=True,
        holds=True,
    ),
    Route(
        *("GET", f"{_T}/deployment/{{deployment_id}}/events", "stream_tool_deployment"),
        *("Its progress as server-sent events", Shape.EVENTS),
        needs=Needs.TOOL_OR_TOKEN,
        query=(_TOKEN,),
        failures=(404, 422),
        problems=True,
        holds=True,
    ),
    Route(
        *("POST", f"{_T}/deployment/{{deployment_id}}/retry", "retry_tool_deployment"),
        *("Deploy the same commits once more after a failure", Shape.DEPLOYMENT),
        needs=Needs.TOOL_OR_TOKEN,
        query=(_TOKEN,),
        failures=(400, 404, 409, 422),
        may_wait=True,
    ),
    Route(
        *("POST", f"{_T}/webhook", "receive_webhook"),
        *("A git host says that something was pushed: look now", Shape.ACCEPTED),
        needs=Needs.SIGNATURE,
        body=Body.SIGNED,
        failures=(404, 408, 413, 422, 429, 503),
        done=202,
    ),
    Route(
        *("DELETE", f"{_T}/deployment/{{deployment_id}}", "delete_tool_deployment"),
        *("Delete a deployment, also while it is going", Shape.DEPLOYMENT),
        failures=(404, 409, 422),
    ),
)
