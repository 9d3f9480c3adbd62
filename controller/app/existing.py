"""What a tool has already, for `config generate`: `api.generate.Existing` on the backends.

The backends' own types keep what deployments need; here the settings that were given explicitly
and the ref of a build are wanted, so the services are asked for them. Translation only.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from controller.api.generate import ExistingBuild, ExistingJob, Ref
from controller.backends.base import Backend
from controller.backends.toolforge import errors
from controller.backends.toolforge.client import Client
from controller.models.toolconfig import SourceBuild
from controller.store import kinds
from controller.store.objects import Store

_CHECKS = {"http": ("path", "health_check_http"), "script": ("script", "health_check_script")}


class ToolforgeExisting:
    """Jobs of jobs-api and builds of builds-api."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def jobs(self, tool: str) -> Sequence[ExistingJob]:
        """All jobs of a tool."""
        answer = await self._client.ask("jobs", "GET", tool, "/jobs/?include_unset=false")
        if not answer.ok:
            raise errors.of_jobs(answer)
        return [_job(raw) for raw in answer.part("jobs", list)]

    async def builds(self, tool: str) -> Sequence[ExistingBuild]:
        """Its builds that have an image and a source, newest first."""
        answer = await self._client.ask("builds", "GET", tool, "/builds")
        if not answer.ok:
            raise errors.of_builds(answer)
        newest = sorted(answer.part("builds", list), key=_started, reverse=True)
        return [_build(raw) for raw in newest if _is_complete(raw)]


def _job(raw: Mapping[str, Any]) -> ExistingJob:
    run = dict(raw) | {"command": raw.get("cmd", "")}
    check = raw.get("health_check")
    if isinstance(check, Mapping) and check.get("type") in _CHECKS:
        theirs, ours = _CHECKS[check["type"]]
        run[ours] = check.get(theirs)
    return ExistingJob(str(raw.get("name", "")), str(raw.get("job_type", "")), run)


def _build(raw: Mapping[str, Any]) -> ExistingBuild:
    given = raw["parameters"]
    ref = str(given.get("ref") or "")
    for kind in ("refs/heads/", "refs/tags/"):  # our own builds name refs in full
        ref = ref.removeprefix(kind)
    return ExistingBuild(str(given["image_name"]), str(given["source_url"]), ref)


def _is_complete(raw: Mapping[str, Any]) -> bool:
    given = raw.get("parameters") or {}
    return bool(
        raw.get("destination_image") and given.get("image_name") and given.get("source_url")
    )


def _started(raw: Mapping[str, Any]) -> str:
    """One that has not begun counts as the oldest, as the existing service has it."""
    return str(raw.get("start_time") or "")


class LocalExisting:
    """Jobs and builds of this machine, which keeps no refs: the deployments' configs tell them."""

    def __init__(self, backend: Backend, store: Store) -> None:
        self._backend = backend
        self._store = store

    async def jobs(self, tool: str) -> Sequence[ExistingJob]:
        """All jobs of a tool."""
        return [
            ExistingJob(
                job.name,
                job.kind.value,
                job.spec.run.model_dump(mode="json", exclude_defaults=True),
            )
            for job in await self._backend.jobs.list(tool)
            if job.spec is not None
        ]

    async def builds(self, tool: str) -> Sequence[ExistingBuild]:
        """Its builds that have an image, newest first."""
        refs = await self._refs(tool)
        return [
            ExistingBuild(
                build.component, build.repository, refs.get((build.component, build.repository), "")
            )
            for build in await self._backend.builds.list(tool)
            if build.image
        ]

    async def _refs(self, tool: str) -> dict[tuple[str, str], Ref]:
        """(component, repository) → the ref that was deployed last."""
        refs: dict[tuple[str, str], Ref] = {}
        for deployment in await self._store.list(kinds.DEPLOYMENTS, tool):
            used = deployment.status.tool_config
            for name, component in (used.components if used else {}).items():
                if isinstance(component.build, SourceBuild):
                    build = component.build.model_dump(mode="json", exclude_unset=True)
                    refs[name, component.build.repository] = build["ref"]
        return refs
