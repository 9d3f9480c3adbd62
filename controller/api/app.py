"""The HTTP API as an aiohttp application: the table of routes, and what surrounds every handler.

Made by the composition roots, on its own (`ptd api`) or below a prefix (`ptd local`). The order for
each request: the tool's name is checked, the caller is admitted, the query is checked, the body is
read, the handler runs. Handlers know no HTTP.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.typedefs import Handler as WebHandler

from controller.api import middlewares, openapi, page, preferring, problem_body, reading, texts
from controller.api.auth import TOKEN_QUERY, Gate, Needs, Trust
from controller.api.calls import HEADERS, LISTS, Answer, Call, Handler, Stream
from controller.api.changes import Changes
from controller.api.configs import Configs, Prepare, Sources, leave
from controller.api.deployments import Deployments, Limits
from controller.api.deploytokens import DeployTokens, Secrets, TokenRoutes
from controller.api.events import Events
from controller.api.generate import Existing, Generator, Nothing
from controller.api.health import Health
from controller.api.intake import Intake, Room
from controller.api.problems import Refused
from controller.api.routes import PATTERNS, ROUTES, Body, Route
from controller.api.sight import Sight
from controller.api.waiting import Waiting
from controller.api.webhooks import Webhooks
from controller.config import Policy
from controller.metrics import HttpMetrics
from controller.models.tooldeployment import Trigger
from controller.store.objects import Store

LIFETIME = timedelta(days=365)

_TOOL = re.compile(PATTERNS["toolname"])
_DEPLOYMENT = re.compile(PATTERNS["deployment_id"])
_UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API works with. `clock` is UTC time, `draw(n)` a random number below n."""

    store: Store
    secrets: Secrets
    sources: Sources
    health: Health
    clock: Callable[[], datetime]
    draw: Callable[[int], int]
    trust: Trust = field(default_factory=Trust)
    policy: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=Limits)
    room: Room = field(default_factory=Room)
    token_lifetime: timedelta = LIFETIME
    existing: Existing = field(default_factory=Nothing)
    prepare: Prepare = leave
    changes: Changes = field(default_factory=Changes)


def application(
    parts: Callable[[], Parts], metrics: HttpMetrics, prefixes: Sequence[str] = ("",)
) -> web.Application:
    """The application, with its routes below each of `prefixes`.

    `parts` is asked at the first request: in local mode the listener is there before what it
    serves; until then it raises problems.Refused.
    """
    app = web.Application(
        middlewares=[middlewares.observed(metrics), middlewares.errors_in_our_form]
    )

    @cache
    def service() -> _Service:
        made = parts()
        metrics.watch_waiters(lambda: made.changes.waiting, made.changes.limits.all)
        return _Service(made)

    async def tell_who_waits(_app: web.Application) -> None:
        with suppress(Refused):
            parts().changes.close()

    app.on_shutdown.append(tell_who_waits)
    document = openapi.document()
    html = page.render(document)
    for prefix in prefixes:
        for route in ROUTES:
            app.router.add_route(route.method, prefix + route.path, _served(route, service))
        for path in dict.fromkeys(route.path for route in ROUTES):
            app.router.add_route("*", f"{prefix}{path}/", _without_slash)
        app.router.add_route("GET", f"{prefix}/openapi.json", _fixed(document))
        for path in ("/docs", "/redoc"):
            app.router.add_route("GET", prefix + path, _page(html))
    return app


class _Service:
    """The gate, the room for bodies, and the handler of every operation."""

    def __init__(self, parts: Parts) -> None:
        tokens = DeployTokens(parts.secrets, parts.clock, parts.token_lifetime)
        configs = Configs(parts.store, parts.sources, parts.policy, parts.prepare)
        sight = Sight(parts.store, parts.changes)
        deployments = Deployments(
            parts.store, sight, configs, parts.clock, parts.draw, parts.limits
        )
        token_routes = TokenRoutes(tokens, parts.prepare)
        waiting = Waiting(sight, parts.changes, deployments.shown)
        self.gate = Gate(parts.trust, tokens)
        self.intake = Intake(parts.room)
        self.webhooks = Webhooks(parts.store, parts.secrets, parts.clock)
        self.handlers: Mapping[str, Handler] = {
            "healthz": parts.health.show,
            "get_tool_config": configs.show,
            "get_tool_polling": configs.polled,
            "update_tool_config": configs.replace,
            "delete_tool_config": configs.delete,
            "generate_tool_config": Generator(parts.existing, parts.policy).generate,
            "get_tool_deploy_token": token_routes.show,
            "create_tool_deploy_token": token_routes.create,
            "update_tool_deploy_token": token_routes.refresh,
            "delete_tool_deploy_token": token_routes.delete,
            "get_latest_deployment": waiting.latest,
            "cancel_tool_deployment": deployments.cancel,
            "list_tool_deployments": deployments.list,
            "create_tool_deployment": preferring.able(deployments.create, waiting),
            "retry_tool_deployment": preferring.able(deployments.retry, waiting),
            "get_tool_deployment": waiting.resource,
            "wait_for_tool_deployment": waiting.wait,
            "stream_tool_deployment": Events(sight, parts.changes).stream,
            "delete_tool_deployment": deployments.delete,
            "receive_webhook": self.webhooks.receive,
        }


def _served(route: Route, service: Callable[[], _Service]) -> WebHandler:
    async def handle(request: web.Request) -> web.StreamResponse:
        request[middlewares.ROUTE] = route.path
        request[middlewares.PROBLEMS] = route.problems
        headers = _headers(request)
        preferred = preferring.seconds(headers.get("Prefer", ""))
        request[middlewares.HOLDS] = route.holds or "wait" in request.query or bool(preferred)
        # The call is named by its handler alone, which may forget the body while it waits.
        answer = await service().handlers[route.operation](
            await _call(request, route, headers, service())
        )
        return _response(answer) if isinstance(answer, Answer) else await _streamed(request, answer)

    return handle


async def _call(
    request: web.Request, route: Route, headers: Mapping[str, str], service: _Service
) -> Call:
    """What is asked for, by somebody who may; Refused. The body is read last."""
    tool = request.match_info.get("toolname", "")
    caller, proven = Trigger.API, True
    if route.needs is not Needs.NOTHING:
        _check_names(tool, request.match_info.get("deployment_id", ""))
        if route.needs is Needs.SIGNATURE:
            caller, proven = Trigger.WEBHOOK, await service.webhooks.admit(tool, headers)
        else:
            caller = await service.gate.admit(request, tool, route.needs)
        request[middlewares.CALLER] = caller.value
    reading.query(request.query, route.known_query)
    body: object = reading.ABSENT
    if route.body is not Body.NONE:
        read = reading.raw if route.body is Body.SIGNED else reading.body
        with service.intake.place(tool, proven=proven) as place:
            body = await read(request, place)
    return Call(tool, caller, dict(request.match_info), dict(request.query), body, headers)


def _headers(request: web.Request) -> dict[str, str]:
    """What handlers may know of the header; several lines of a list are one (RFC 9110, 5.2)."""
    sent = {name: request.headers.getall(name, ()) for name in HEADERS}
    return {
        name: ", ".join(lines) if name in LISTS else lines[0]
        for name, lines in sent.items()
        if lines
    }


def _check_names(tool: str, deployment: str) -> None:
    """Names become parts of paths of the control plane."""
    if not _TOOL.fullmatch(tool):
        raise Refused(404, "There is no tool of that name: names are made of a-z, 0-9 and -")
    if deployment and not _DEPLOYMENT.fullmatch(deployment):
        said = texts.no_deployment(tool, deployment[:64])
        raise Refused(404, said, hint=texts.WHICH_THERE_ARE)


def _response(answer: Answer) -> web.Response:
    status, headers = answer.status, answer.headers
    if status in (204, 304):
        return web.Response(status=status, headers=headers)
    if answer.lines is not None:
        return web.Response(text=answer.lines, status=status, headers=headers)
    if answer.whole:
        return web.json_response(
            answer.data, status=status, headers=headers, content_type=problem_body.MEDIA_TYPE
        )
    body = {"data": answer.data, "messages": answer.messages}
    return web.json_response(body, status=status, headers=headers)


async def _streamed(request: web.Request, stream: Stream) -> web.StreamResponse:
    headers = {"Content-Type": "text/event-stream; charset=utf-8", **_UNBUFFERED}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    with suppress(ConnectionResetError):  # the client went away
        async with aclosing(stream.events):
            async for event in stream.events:
                await response.write(event.encode())
        await response.write_eof()
    return response


async def _without_slash(request: web.Request) -> web.StreamResponse:
    """Send the client to the path without its final slash, relative, so that any prefix stays.

    A token does not get into the answer: who sends one may leave the slash away.
    """
    last = request.rel_url.raw_path.rstrip("/").rpartition("/")[2]
    query = urlencode([item for item in request.query.items() if item[0] != TOKEN_QUERY])
    raise web.HTTPTemporaryRedirect(f"../{last}" + (f"?{query}" if query else ""), text="")


def _fixed(document: Mapping[str, Any]) -> WebHandler:
    async def show(_request: web.Request) -> web.StreamResponse:
        return web.json_response(document)

    return show


def _page(html: str) -> WebHandler:
    headers = {"Content-Security-Policy": page.POLICY, "X-Content-Type-Options": "nosniff"}

    async def show(_request: web.Request) -> web.StreamResponse:
        return web.Response(text=html, content_type="text/html", headers=headers)

    return show
