"""What became of a deployment, for machines: one record, in all the forms in which it is told.

The record is the RFC 9457 problem of an HTTP answer, the `key=value` lines for a shell, the data of
a server-sent event, and what `ptd --json` prints. Made from the status that the controller wrote
and from nothing else. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from controller.api import wire
from controller.models.meta import tool_of
from controller.models.reasons import EXPLANATIONS, Owner, Reason
from controller.models.tooldeployment import State, ToolDeployment

JSON = dict[str, Any]

TYPE = "urn:push-to-deploy:problem:"
"""Before a reason's slug: the `type` of a problem. docs/ci.md lists them."""

MEDIA_TYPE = "application/problem+json"

PENDING = "deployment-pending"
TOO_MANY = "too-many-waiters"
GONE = "deployment-gone"
SOON = "2"
"""Retry-After while a deployment goes on. curl gives up at once where it exceeds the time left."""

_CODES = {
    State.SUCCESSFUL: HTTPStatus.OK,
    State.FAILED: HTTPStatus.UNPROCESSABLE_ENTITY,
    State.TIMED_OUT: HTTPStatus.UNPROCESSABLE_ENTITY,
    State.CANCELLED: HTTPStatus.CONFLICT,
}


def code(state: State) -> int:
    """The code that `…/wait` answers: what curl repeats means "ask again", else it is final."""
    return _CODES.get(state, HTTPStatus.TOO_MANY_REQUESTS).value


def record(found: ToolDeployment) -> JSON:
    """The record of a deployment."""
    state, failure = wire.state(found), found.status.failure
    reason = _reason(found, state)
    fields: JSON = {
        "type": TYPE + (reason.slug if state.final else PENDING),
        "title": _title(state, reason),
        "status": code(state),
        "detail": failure.message if failure else found.status.message,
        "deploy_id": found.name,
        "tool": tool_of(found.metadata.namespace) or "",
        "state": state.value,
        "final": state.final,
        "phase": found.status.phase.value,
        "reason": reason.slug,
        "owner": (failure.owner if failure else EXPLANATIONS[reason].owner).value,
        "retryable": state.final and state != State.SUCCESSFUL and _owner(found) is Owner.PLATFORM,
        "component": failure.component if failure else "",
        "commit": _commit(found),
        "commits": {n: b.commit for n, b in found.status.builds.items() if b.commit},
        "components": _components(found),
        "hint": (failure.hint if failure else "") or EXPLANATIONS[reason].hint,
        "queue_position": 0 if state.final else found.status.queue_position,
        "blocked_by": "" if state.final else found.status.blocked_by,
        "superseded_by": found.status.superseded_by,
        "log_tail": list(failure.log_tail) if failure else [],
    }
    for name in ("started_at", "finished_at", "deadline"):
        moment = getattr(found.status, name)
        fields[name] = moment.isoformat() if moment else ""
    if found.status.kept_running is not None:
        fields["kept_running"] = found.status.kept_running.model_dump()
    needed = ("detail", "final", "retryable", "status")
    return {k: v for k, v in fields.items() if k in needed or v not in ("", 0, [], {})}


def plain(kind: str, status: int, detail: str, messages: Sequence[str] = ()) -> JSON:
    """A problem that is not the end of a deployment; `messages` as all answers of this API have."""
    ours = status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return {
        "type": TYPE + kind,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "owner": (Owner.PLATFORM if ours else Owner.USER).value,
        "retryable": ours or status == HTTPStatus.TOO_MANY_REQUESTS,
        "messages": {"error": list(messages or (detail,))},
    }


def lines(fields: Mapping[str, Any]) -> str:
    """`key=value` lines: one line a value, nothing quoted, so that `sed` and `read` suffice.

    The number of the HTTP answer is `code`, and `status` is the deployment's, as in the public API.
    """
    return "".join(f"{name}={_line(value)}\n" for name, value in _flat(fields))


def _flat(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    names = {"status": "code", "state": "status", "detail": "message", "log_tail": "log"}
    for name, value in fields.items():
        key = names.get(name, name)
        if isinstance(value, Mapping):
            yield from ((f"{key}.{inner}", it) for inner, it in _flat(value))
        elif name == "mistakes":
            yield from (("mistake", _place(it)) for it in value)
        elif isinstance(value, list):
            yield from ((key, it) for it in value)
        else:
            yield key, value


def _place(mistake: Mapping[str, Any]) -> str:
    """`FILE LINE COLUMN words`, for `read`; 0 is an unknown line."""
    path = f"{mistake['path']}: " if mistake["path"] else ""
    hint = f". {mistake['hint']}" if mistake["hint"] else ""
    words = f"{path}{mistake['message']}{hint}"
    place = (mistake["file"] or "-", mistake["line"] or 0, mistake["column"] or 0)
    return f"{' '.join(map(str, place))} {words}"


def _line(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(str(value).split())


def _reason(found: ToolDeployment, state: State) -> Reason:
    if found.is_history:
        return Reason.UPSTREAM_HISTORY
    status = found.status
    if status.failure is not None and state is not State.CANCELLED:
        return status.failure.reason
    if state is State.CANCELLED:
        return Reason.SUPERSEDED if status.superseded_by else Reason.CANCELLED
    return status.reason or Reason.WAITING_FOR_TURN


def _owner(found: ToolDeployment) -> Owner:
    failure = found.status.failure
    return failure.owner if failure else Owner.NOBODY


def _commit(found: ToolDeployment) -> str:
    """That of the component which failed, if it has one; else all of them, in short."""
    failure = found.status.failure
    if failure is None or not failure.component:
        return (failure.commit if failure else "") or found.status.commit
    build = found.status.builds.get(failure.component)
    return failure.commit or (build.commit if build else "")


def _components(found: ToolDeployment) -> JSON:
    """What became of each component's build and run."""
    builds, runs = found.status.builds, found.status.runs
    return {
        name: {
            **({"build": builds[name].build_status.value} if name in builds else {}),
            **({"run": runs[name].run_status.value} if name in runs else {}),
        }
        for name in {**builds, **runs}
    }


def _title(state: State, reason: Reason) -> str:
    if state.final:
        return EXPLANATIONS[reason].sentence
    return f"Not finished yet: {EXPLANATIONS[reason].sentence}"
