"""`T/config/generate`: a config made out of the jobs and builds that a tool has already.

What exists is asked through `Existing`, which a composition root implements for its backend.
Everything said is safe inside of YAML: the functional tests feed the Toolforge client's output,
warnings included, back into `config create`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from controller import config, errors
from controller.api import texts
from controller.api.calls import Answer, Call
from controller.api.problems import Refused
from controller.config import Policy

_KINDS = ("continuous", "scheduled")
_KEPT = (
    *("command", "cpu", "memory", "emails", "filelog", "filelog_stdout", "filelog_stderr"),
    *("mount", "port", "port_protocol", "publish", "replicas"),
    *("health_check_http", "health_check_script", "schedule", "retry", "timeout"),
)
_LAUNCHER = "launcher "
Ref = str | dict[str, str]
_REPOSITORY = "https://gitlab.wikimedia.org/toolforge-repos/sample-static-buildpack-app"
_LOOP = "while true; do touch /tmp/everything_ok; echo hello world; sleep 10; done"

SAMPLE: Mapping[str, Any] = {
    "components": {
        "my-backend-service-1": {
            "component_type": "continuous",
            "build": {"repository": _REPOSITORY, "ref": "main"},
            "run": {
                "command": "web",
                "cpu": "500m",
                "memory": "256Mi",
                "mount": "none",
                "port": 8080,
                "port_protocol": "tcp",
                "publish": "/",
                "health_check_http": "/",
            },
        },
        "my-backend-service-2": {
            "component_type": "continuous",
            "build": {"repository": _REPOSITORY, "ref": "dummy_branch"},
            "run": {
                "command": f"bash -c '{_LOOP}'",
                "cpu": "500m",
                "memory": "256Mi",
                "emails": "onfailure",
                "filelog": False,
                "mount": "all",
                "replicas": 2,
                "health_check_script": "test -e /tmp/everything_ok",
            },
        },
        "my-cronjob1": {
            "component_type": "scheduled",
            "build": {"reuse_from": "my-backend-service-2"},
            "run": {
                "command": "echo 'once a day, and stopped after 180 seconds'",
                "schedule": "@daily",
                "timeout": 180,
            },
        },
    }
}
"""What a tool without jobs is shown."""


@dataclass(frozen=True, slots=True)
class ExistingJob:
    """A job: its kind (`continuous`, `scheduled` or another), and the settings that were given
    explicitly, in the config's names; `command` as it is stored."""

    name: str
    kind: str
    run: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ExistingBuild:
    """A build that has an image, of the component's repository; `ref` is "" where unknown.

    It is what a config file has there: a name, or a policy.
    """

    component: str
    repository: str
    ref: Ref


class Existing(Protocol):
    """What a tool has already. Raises `controller.errors`."""

    async def jobs(self, tool: str) -> Sequence[ExistingJob]:
        """All jobs of a tool."""
        ...

    async def builds(self, tool: str) -> Sequence[ExistingBuild]:
        """Its builds, newest first."""
        ...


class Nothing:
    """An `Existing` where no backend can be asked."""

    async def jobs(self, tool: str) -> Sequence[ExistingJob]:  # noqa: ARG002
        """None."""
        return ()

    async def builds(self, tool: str) -> Sequence[ExistingBuild]:  # noqa: ARG002
        """None."""
        return ()


class Generator:
    """The route."""

    def __init__(self, existing: Existing, policy: Policy) -> None:
        self._existing = existing
        self._policy = policy

    async def generate(self, call: Call) -> Answer:
        """GET."""
        try:
            jobs, builds = await asyncio.gather(
                self._existing.jobs(call.tool), self._existing.builds(call.tool)
            )
        except errors.EdgeError as error:
            text = f"The jobs and builds of {call.tool} could not be read; {error.message}"
            raise Refused(500, text) from None
        components, skipped = made_of(jobs, builds, self._policy)
        said = [texts.GENERATED, *skipped]
        if not components:
            return Answer(SAMPLE, {"warning": [*said, texts.NOTHING_GENERATED]})
        data = {"config_version": "v1beta1", "components": components}
        return Answer(data, {"warning": said})


def made_of(
    jobs: Sequence[ExistingJob], builds: Sequence[ExistingBuild], policy: Policy
) -> tuple[dict[str, Any], list[str]]:
    """The components of the jobs, and a sentence for each job that is none. Pure."""
    newest = {build.component: build for build in reversed(builds)}
    components: dict[str, Any] = {}
    said: list[str] = []
    for job in jobs:
        name, build = _plain(job.name), newest.get(job.name)
        if job.kind not in _KINDS:
            kinds = "a continuous or scheduled job, it's not supported yet"
            said.append(f"Job {name} is not {kinds}, skipping")
        elif build is None:
            kind = "a build-service based job (or no build found for it)"
            said.append(f"Job {name} seems not to be {kind}, skipping")
        else:
            component = _component(job, build)
            if config.load_object({"components": {job.name: component}}, policy=policy).errors:
                said.append(f"Job {name} has settings that no config can have, skipping")
                continue
            components[job.name] = component
    return components, said


def _component(job: ExistingJob, build: ExistingBuild) -> dict[str, Any]:
    run = {name: job.run[name] for name in _KEPT if name in job.run}
    run["command"] = _without_launcher(str(job.run.get("command", "")))
    return {"build": {"repository": build.repository, "ref": build.ref or "HEAD"}, "run": run}


def _without_launcher(command: str) -> str:
    """The command as the user wrote it: everything up to the first launcher was put before it."""
    before, found, after = command.partition(_LAUNCHER)
    return after if found else before


def _plain(name: str) -> str:
    """A name that cannot end a scalar of YAML or begin something else."""
    return "".join(c for c in name[:63] if c.isalnum() or c in "-._")
