"""What surrounds every handler of the HTTP API: requests are counted, and errors get a form.

Used by `app`, which leaves the marks below at a request. No route is named here.
"""

from collections.abc import Mapping
from http import HTTPStatus
from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from controller import logs
from controller.api import problem_body, problems, texts
from controller.api.calls import wants_lines
from controller.metrics import HttpMetrics

# The route's path, who asks, whether its errors are problems, whether its answer may be held.
ROUTE = web.RequestKey("route", str)
CALLER = web.RequestKey("caller", str)
PROBLEMS = web.RequestKey("problems", bool)
HOLDS = web.RequestKey("holds", bool)

_NO_ROUTE = "none"
_log = logs.logger("api")


@web.middleware
async def errors_in_our_form(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error, also those of the framework and bugs, is JSON with at least one message."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        allow = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
        detail = texts.NOTHING_HERE if error.status == 404 else ""
        problem = problems.Problem(error.status, (HTTPStatus(error.status).phrase,), detail=detail)
        return _failed(request, problem, allow)
    except Exception as error:  # noqa: BLE001 - the last one to see it
        problem = problems.of(error)
        if problem.bug:
            _log.error("request_failed", route=request.get(ROUTE, _NO_ROUTE), exc_info=error)
        return _failed(request, problem, problem.headers)


def _failed(
    request: web.Request, problem: problems.Problem, headers: Mapping[str, str]
) -> web.Response:
    """A failure in the form that the route has, or that the client asks for."""
    status, accepted = problem.status, request.headers.get("Accept", "")
    if wants_lines(accepted):
        return web.Response(text=problem_body.lines(problem.record), status=status, headers=headers)
    if request.get(PROBLEMS, False) or problem_body.MEDIA_TYPE in accepted:
        whole = problem.record
        return web.json_response(
            whole, status=status, headers=headers, content_type=problem_body.MEDIA_TYPE
        )
    return web.json_response(problem.body, status=status, headers=headers)


def observed(metrics: HttpMetrics) -> Middleware:
    """Counts and logs each request: never its query, which may hold a token."""

    @web.middleware
    async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = perf_counter()
        status = 499  # the client went away
        try:
            response = await handler(request)
            status = response.status
            return response
        except web.HTTPException as redirect:
            status = redirect.status
            raise
        finally:
            seconds = perf_counter() - started
            route = request.get(ROUTE, _NO_ROUTE)
            waited = request.get(HOLDS, False)
            metrics.answered(route, request.method, status, seconds, waited=waited)
            _log.info(
                "request",
                method=request.method,
                path=request.path,
                status=status,
                seconds=round(seconds, 4),
                caller=request.get(CALLER, ""),
            )

    return observe
