"""Builds by builds-api. Implements `base.Builds`.

Two things the service cannot do shape this module. It builds names, not commits: the name is sent
in full, and what it was resolved to is compared with the commit that was asked for. And it knows no
idempotency key: each build carries its deployment's id as an environment variable, which the list
shows, so that one that was started just before a crash is found again and no other is taken for it.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from controller.backends.base import Build, BuildOptions, BuildRequest, BuildState
from controller.backends.toolforge import errors
from controller.backends.toolforge.client import Client, part, tail
from controller.errors import EdgeError, Terminal, Waiting
from controller.models.reasons import EXPLANATIONS, Reason

_STATES = {
    "BUILD_PENDING": BuildState.PENDING,
    "BUILD_RUNNING": BuildState.RUNNING,
    "BUILD_SUCCESS": BuildState.SUCCESSFUL,
    "BUILD_FAILURE": BuildState.FAILED,
    "BUILD_CANCELLED": BuildState.CANCELLED,
    "BUILD_TIMEOUT": BuildState.TIMED_OUT,
}
_SHA = re.compile(r"[0-9a-f]{40}")
_MARK = "PTD_DEPLOYMENT"
_TAILS = 256


@dataclass(frozen=True, slots=True)
class _Full:
    """All slots of a tool were taken, by these builds; until then it need not be asked again."""

    going: frozenset[str]
    until: datetime
    message: str


@dataclass(slots=True)
class ToolforgeBuilds:
    """`clock` is asked for the age of builds that the service has not dated yet."""

    client: Client
    clock: Callable[[], datetime]
    # A failed build's log does not change any more.
    _tails: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _full: dict[str, _Full] = field(default_factory=dict)

    async def list(self, tool: str) -> Sequence[Build]:
        """All builds of a tool, newest first, failed ones with the end of their log.

        Of the good builds of a component only the last one has an image: it took the tag, without
        which jobs-api refuses the older ones.
        """
        builds = [_build(raw, self.clock()) for raw in await self._raw(tool)]
        told = await asyncio.gather(*(self._with_log(tool, build) for build in builds))
        newest = _newest_images(told)
        return [_unless_replaced(build, newest.get(build.component, build)) for build in told]

    async def start(self, tool: str, request: BuildRequest) -> Build:
        """See `base.Builds.start`; also raises Terminal(COMMIT_MISMATCH) when the ref has moved."""
        if request.credentials:
            raise _private(request)
        names = _names(request)
        now, listed = self.clock(), await self._raw(tool)
        for raw in listed:
            if _is_the_one(raw, request, names, now):
                build = _build(raw, now)
                return replace(build, commit=request.commit, options=request.options)
        new = await self._with_a_slot(tool, request, names, listed)
        build_id, resolved = str(new["name"]), str(new.get("resolved_ref", ""))
        # An annotated tag is resolved to itself, not to its commit: there is nothing to compare.
        is_tag = str(new.get("parameters", {}).get("ref", "")).startswith("refs/tags/")
        if resolved != request.commit and not is_tag:
            await self._drop(tool, build_id)
            raise _moved(request, resolved)
        return Build(
            id=build_id,
            component=request.component,
            repository=request.repository,
            commit=request.commit,
            options=request.options,
            state=BuildState.PENDING,
            created_at=now,
            deployment=request.deployment,
        )

    async def cancel(self, tool: str, build_id: str) -> None:
        """See `base.Builds.cancel`; the service stops it a moment later."""
        path = f"/builds/{part(build_id)}/cancel"
        answer = await self.client.ask("builds", "PUT", tool, path)
        # 409: has ended or is cancelled already; 401 and 404: no build of this tool.
        if answer.status in (401, 404, 409):
            return
        if not answer.ok:
            raise errors.of_builds(answer)
        errors.confirmed(answer)

    async def log(self, tool: str, build_id: str, *, follow: bool = False) -> AsyncIterator[str]:
        """See `base.Builds.log`; a line is `[container] time text`."""
        path = f"/builds/{part(build_id)}/logs?follow={str(follow).lower()}"
        async for line in self.client.lines("builds", tool, path, follow=follow):
            if isinstance(line, errors.Answer):
                raise errors.of_builds(line)
            yield _text(line)

    async def _raw(self, tool: str) -> Sequence[dict[str, Any]]:
        answer = await self.client.ask("builds", "GET", tool, "/builds")
        if not answer.ok:
            raise errors.of_builds(answer)
        return answer.part("builds", list)

    async def _with_a_slot(
        self, tool: str, request: BuildRequest, names: Sequence[str], listed: Sequence[Any]
    ) -> dict[str, Any]:
        """Start it, unless there was no slot a moment ago and all that were going still are."""
        now = self.clock()
        live = (build for build in (_build(raw, now) for raw in listed) if build.state.live)
        going = frozenset(build.id for build in live)
        full = self._full.pop(tool, None)
        if full is not None and full.going == going and now < full.until:
            self._full[tool] = full
            raise Waiting(Reason.BUILD_QUEUE_FULL, full.message, full.until - now)
        try:
            return await self._post(tool, request, names)
        except Waiting as error:
            self._full[tool] = _Full(going, now + error.after, error.message)
            raise

    async def _post(self, tool: str, request: BuildRequest, names: Sequence[str]) -> dict[str, Any]:
        """Start by the first of the names that the repository has."""
        refusals = []
        for name in names:
            body = {
                "source_url": request.repository,
                "ref": name,
                "image_name": request.component,
                "envvars": {_MARK: request.deployment},
                "use_latest_versions": request.options.use_latest_versions,
                "use_deprecated_versions": request.options.use_deprecated_versions,
            }
            answer = await self.client.ask("builds", "POST", tool, "/builds", send=body)
            if answer.ok:
                return answer.part("new_build", dict)
            refusals.append(errors.of_build_start(answer))
            if refusals[-1].reason != Reason.REF_NOT_FOUND:
                raise refusals[-1]
        raise refusals[0]

    async def _drop(self, tool: str, build_id: str) -> None:
        try:
            await self.cancel(tool, build_id)
        except EdgeError:
            return  # it goes on for nothing; what matters is said by the caller

    async def _with_log(self, tool: str, build: Build) -> Build:
        if build.state not in (BuildState.FAILED, BuildState.TIMED_OUT):
            return build
        if build.id not in self._tails:
            try:
                lines = await tail(self.log(tool, build.id), self.client.gateway.timeout)
            except EdgeError:
                return build  # the log is gone or late; the build's state is what counts
            while len(self._tails) >= _TAILS:
                del self._tails[next(iter(self._tails))]
            self._tails[build.id] = lines
        return replace(build, log_tail=self._tails[build.id])


def _names(request: BuildRequest) -> tuple[str, ...]:
    """The full names that a ref may stand for, in the order in which they are tried.

    A short name is never sent: git would match it by the tail of the path, so that `main` may
    build `refs/heads/feature/main`.
    """
    ref = request.ref
    if _SHA.fullmatch(ref):
        text = f"ref {ref} of component {request.component} is a bare commit"
        why = "builds-api looks refs up by name and cannot build one"
        hint = "Set `ref` to a branch or tag that points to the commit."
        raise Terminal(Reason.BUILD_REFUSED, f"{text}; {why}", hint)
    if ref in ("", "HEAD"):
        return ("HEAD",)
    if ref.startswith("refs/"):
        return (ref,)
    return (f"refs/heads/{ref}", f"refs/tags/{ref}")


def _is_the_one(
    raw: dict[str, Any], request: BuildRequest, names: Sequence[str], now: datetime
) -> bool:
    """Whether a build was started by an equal request of the same deployment."""
    build = _build(raw, now)
    name = str((raw.get("parameters") or {}).get("ref"))
    by_tag = name in names and name.startswith("refs/tags/")
    # A deployment asks for one set of options; those in the list are the service's guess.
    return (
        (build.deployment, build.component) == (request.deployment, request.component)
        and build.repository == request.repository
        and (build.commit == request.commit or by_tag)
    )


def _build(raw: dict[str, Any], now: datetime) -> Build:
    parameters = raw.get("parameters") or {}
    state = _STATES.get(str(raw.get("status")), BuildState.UNKNOWN)
    message = str(raw.get("message") or "")
    image = str(raw.get("destination_image") or "")
    if state == BuildState.SUCCESSFUL and "@sha256:" not in image:
        # `latest` may be another build's by now.
        state, message = BuildState.FAILED, "the build ended well, but its image has no digest"
    return Build(
        id=str(raw.get("build_id")),
        component=str(parameters.get("image_name")),
        repository=str(parameters.get("source_url")),
        commit=str(raw.get("resolved_ref") or ""),
        options=BuildOptions(
            use_latest_versions=bool(parameters.get("use_latest_versions")),
            use_deprecated_versions=bool(parameters.get("use_deprecated_versions")),
        ),
        state=state,
        # A build that has not begun has no time yet, so it cannot be old.
        created_at=_time(raw.get("start_time")) or now,
        finished_at=_time(raw.get("end_time")),
        image=image if state == BuildState.SUCCESSFUL else None,
        deployment=str((parameters.get("envvars") or {}).get(_MARK, "")),
        message=message or _hint(state, str(raw.get("build_id"))),
    )


def _newest_images(builds: Sequence[Build]) -> dict[str, Build]:
    """The last good build of each component: it has the tag."""
    good = (build for build in builds if build.image is not None)
    return {build.component: build for build in sorted(good, key=_ended)}


def _unless_replaced(build: Build, newest: Build) -> Build:
    """The build; as failed where a later one of its component has taken its image's tag."""
    if build.image is None or _ended(newest) <= _ended(build):
        return build
    message = f"the build ended well, but build {newest.id} has replaced its image"
    return replace(build, state=BuildState.FAILED, image=None, message=message)


def _ended(build: Build) -> datetime:
    return build.finished_at or build.created_at


def _hint(state: BuildState, build_id: str) -> str:
    if state == BuildState.PENDING:
        return "Not started yet"
    return f"You can see the logs with `toolforge build logs {build_id}`"


def _private(request: BuildRequest) -> Terminal:
    text = f"component {request.component} is built with credentials; builds-api takes none"
    hint = "Make the repository public, or build from a public mirror of it."
    return Terminal(Reason.BUILD_REFUSED, text, hint)


def _moved(request: BuildRequest, resolved: str) -> Terminal:
    text = f"{request.ref} of {request.repository} was {request.commit[:12]} and is"
    hint = EXPLANATIONS[Reason.COMMIT_MISMATCH].hint
    return Terminal(Reason.COMMIT_MISMATCH, f"{text} {resolved[:12] or 'unknown'} now", hint)


def _time(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) and text else None


def _text(line: str) -> str:
    """The text of a log line; an error after the stream began comes in another shape."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    return "; ".join(_values(entry)) if isinstance(entry, dict) else str(entry)


def _values(entry: dict[str, Any]) -> Iterator[str]:
    for value in (entry.get("line"), entry.get("message"), entry.get("error")):
        if isinstance(value, list):
            yield from (str(text) for text in value)
        elif value is not None:
            yield str(value)
