"""The public JSON of configs and deployments, made from our models. Pure.

Field names, states and what is left out are those of Toolforge's components-api: a field that was
never set is not there. Fields of ours are extra, so that no client of today sees a difference.
The models are also the schemas of the OpenAPI document.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from controller.models import names
from controller.models.toolconfig import ToolConfigSpec, ToolConfigStatus
from controller.models.tooldeployment import (
    NO_BUILD_ID,
    NO_IMAGE,
    BuildRecord,
    BuildStatus,
    Phase,
    RunRecord,
    RunStatus,
    State,
    ToolDeployment,
    Trigger,
)

JSON = dict[str, Any]
_TIME = "%Y%m%d-%H%M%S"


class _Wire(BaseModel):
    """Only what is set is written."""

    model_config = ConfigDict(frozen=True)

    def json_object(self) -> JSON:
        """The JSON object."""
        return self.model_dump(mode="json", exclude_unset=True)


class Build(_Wire):
    """A component's build within a deployment. `commit` and what follows are ours."""

    build_id: str
    build_status: BuildStatus
    build_image: str = NO_IMAGE
    build_long_status: str = ""
    commit: str = ""
    ref: str = ""
    origin: str = ""
    ref_warning: str = ""


class Run(_Wire):
    """A component's run within a deployment. `change` is ours: what became of the job."""

    run_status: RunStatus
    run_long_status: str = ""
    change: str = ""


class Failure(_Wire):
    """Why it did not succeed: the reason, whose move it is, and what to do next."""

    reason: str
    owner: str
    message: str
    hint: str = ""
    component: str = ""
    commit: str = ""
    log_tail: list[str] = []


class KeptRunning(_Wire):
    """The deployment whose version goes on running because a later one has not succeeded."""

    deploy_id: str
    commits: dict[str, str] = {}


class Deployment(_Wire):
    """A deployment. The fields from `trigger` on are ours."""

    deploy_id: str
    creation_time: str
    description: str = ""
    builds: dict[str, Build]
    runs: dict[str, Run]
    tool_config: JSON | None = None
    status: State = State.PENDING
    long_status: str = ""
    force_build: bool = False
    force_run: bool = False
    trigger: Trigger = Trigger.MANUAL
    phase: Phase = Phase.WAITING
    reason: str = ""
    message: str = ""
    queue_position: int = 0
    blocked_by: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    superseded_by: str = ""
    failure: Failure | None = None
    kept_running: KeptRunning | None = None


def config(spec: ToolConfigSpec) -> JSON:
    """A config as the user wrote it: no defaults, no fields that we do not know."""
    return spec.model_dump(mode="json", by_alias=True, exclude_unset=True)


def watches(status: ToolConfigStatus) -> JSON:
    """What polling saw last, by component; what is not known is left out."""
    return {
        name: {key: value for key, value in watch.model_dump(mode="json").items() if value}
        for name, watch in status.components.items()
    }


def state(deployment: ToolDeployment) -> State:
    """The state to show: a cancel shows at once, and history never seems to go on."""
    if deployment.is_history:
        old = deployment.spec.legacy_status
        found = State(old) if old in tuple(State) else State.FAILED
        return found if found.final else State.TIMED_OUT
    found = deployment.status.status
    if deployment.spec.cancel and not found.final:
        return State.CANCELLING
    return found


def created(deployment: ToolDeployment) -> datetime:
    """When it was created: its id tells, or the control plane where the id is somebody's own."""
    return names.creation_time(deployment.name) or deployment.metadata.creation_timestamp


def deployment(
    found: ToolDeployment,
    config_now: ToolConfigSpec | None = None,
    ahead: Sequence[str] = (),
) -> JSON:
    """A deployment as the API shows it.

    One that has not begun has no snapshot of the config yet: it shows `config_now`, which is what
    would be deployed; one that ended without having begun has none, and no components. `ahead` are
    the ids of those before one that was just created.
    """
    if found.is_history:
        return _history(found)
    spec, status = found.spec, found.status
    used = status.tool_config or (None if status.status.final else config_now)
    fields: JSON = {
        "deploy_id": found.name,
        "creation_time": f"{created(found).astimezone(UTC):{_TIME}}",
        "description": spec.description,
        "builds": _builds(status.builds, used),
        "runs": _runs(status.runs, used),
        "status": state(found),
        "force_build": spec.force_build,
        "force_run": spec.force_run,
        "trigger": spec.trigger.kind,
    }
    if used is not None:
        fields["tool_config"] = config(used)
    return Deployment(**fields, **_progress(found, ahead)).json_object()


def _progress(found: ToolDeployment, ahead: Sequence[str]) -> JSON:
    """How far it is, in the fields that hold something."""
    status = found.status
    position = status.queue_position or len(ahead)
    message = status.message or (f"waiting for its turn (position {position})" if position else "")
    waits = position and not status.status.final
    fields: JSON = {
        "long_status": status.long_status or (message if waits else ""),
        "phase": status.phase if found.status.started_at else None,
        "reason": status.reason.value if status.reason else "",
        "message": message,
        "queue_position": position if waits else 0,
        "blocked_by": (status.blocked_by or "".join(ahead[-1:])) if waits else "",
        "started_at": status.started_at,
        "finished_at": status.finished_at,
        "superseded_by": status.superseded_by,
        "failure": None,
    }
    if status.kept_running is not None:
        fields["kept_running"] = KeptRunning(**status.kept_running.model_dump())
    if status.failure is not None:
        fields["failure"] = Failure(**_set(status.failure.model_dump(mode="json")))
    return _set(fields)


def _builds(records: Mapping[str, BuildRecord], used: ToolConfigSpec | None) -> dict[str, Build]:
    waiting = {name: BuildRecord() for name in (used.components if used else ())}
    return {name: _build(record) for name, record in (waiting | dict(records)).items()}


def _build(record: BuildRecord) -> Build:
    extra = {
        "build_image": "" if record.build_image == NO_IMAGE else record.build_image,
        "build_long_status": record.build_long_status,
        "commit": record.commit,
        "ref": record.ref,
        "origin": record.origin.value if record.origin else "",
        "ref_warning": record.ref_warning,
    }
    return Build(
        build_id=record.build_id or NO_BUILD_ID, build_status=record.build_status, **_set(extra)
    )


def _runs(records: Mapping[str, RunRecord], used: ToolConfigSpec | None) -> dict[str, Run]:
    waiting = {name: RunRecord() for name in (used.components if used else ())}
    return {name: _run(record) for name, record in (waiting | dict(records)).items()}


def _run(record: RunRecord) -> Run:
    extra = {
        "run_long_status": record.run_long_status,
        "change": record.change.value if record.change else "",
    }
    return Run(run_status=record.run_status, **_set(extra))


def _set(fields: Mapping[str, Any]) -> JSON:
    """The fields that hold something."""
    return {name: value for name, value in fields.items() if value not in (None, "", 0, [], ())}


def _history(found: ToolDeployment) -> JSON:
    """An object of the older components-api: everything is in its spec, in the public form."""
    spec = found.spec
    fields: JSON = {
        "deploy_id": spec.legacy_deploy_id or found.name,
        "creation_time": spec.legacy_creation_time or f"{created(found).astimezone(UTC):{_TIME}}",
        "description": spec.description,
        "builds": _old_parts(spec.legacy_builds, "build_id", NO_BUILD_ID, "build_status"),
        "runs": _old_parts(spec.legacy_runs, "", "", "run_status"),
        "status": state(found).value,
        "long_status": spec.legacy_long_status or "",
        "force_build": spec.force_build,
        "force_run": spec.force_run,
    }
    if isinstance(spec.legacy_tool_config, dict):
        fields["tool_config"] = spec.legacy_tool_config
    return fields


def _old_parts(parts: JSON | None, id_field: str, no_id: str, status: str) -> dict[str, JSON]:
    """Builds or runs of history, with the fields that clients insist on."""
    needed: JSON = {status: "unknown"} | ({id_field: no_id} if id_field else {})
    return {
        name: needed | {key: value for key, value in part.items() if value is not None}
        for name, part in (parts or {}).items()
        if isinstance(part, dict)
    }
