"""Turns a `base.JobSpec` into the body of a PATCH of jobs-api, and compares stored definitions.

Called by `jobs`; pure. Only what the user set is sent: the service compares the fields that were
set, so that a default of ours, sent along, would be a change of every job.
"""

import json
from collections.abc import Mapping
from typing import Any

from controller.backends.base import JobKind, JobSpec

_SAME_NAME = (
    *("cpu", "memory", "emails", "mount", "filelog", "filelog_stdout", "filelog_stderr"),
    *("replicas", "port", "port_protocol", "publish"),
    *("schedule", "retry", "timeout"),
)
# What GET adds to what was sent.
_ANSWERED = ("image", "image_state", "schedule_actual", "continuous")
# What may change without any new pod: pods are made from all the rest.
_NOT_IN_PODS = frozenset({"replicas", "emails", "publish", "image_state"})

_SHAPES = {JobKind.CONTINUOUS: "NewContinuousJob", JobKind.SCHEDULED: "NewScheduledJob"}


def shape(spec: JobSpec) -> str:
    """The name that jobs-api's errors have for this kind of job."""
    return _SHAPES[spec.kind]


def body(spec: JobSpec) -> dict[str, Any]:
    """What PATCH is sent. `job_type` is always there: without it the body may count as one-off."""
    run = spec.run
    given = run.model_dump(mode="json", include=run.model_fields_set, exclude_none=True)
    sent: dict[str, Any] = {
        "job_type": spec.kind.value,
        "name": spec.name,
        "cmd": run.command,
        "imagename": spec.image,
    }
    sent |= {name: given[name] for name in _SAME_NAME if name in given}
    if "health_check_http" in given:
        sent["health_check"] = {"type": "http", "path": given["health_check_http"]}
    elif "health_check_script" in given:
        sent["health_check"] = {"type": "script", "script": given["health_check_script"]}
    return sent


def stored(job: Mapping[str, Any]) -> dict[str, Any]:
    """A definition as it can be sent again, from a job that was read with `include_unset=false`."""
    return {
        name: value
        for name, value in job.items()
        if name not in _ANSWERED and not name.startswith("status")
    }


def template(job: Mapping[str, Any]) -> str:
    """What the pods of a job are made from, for comparing, from a job with all its fields.

    The service fills defaults in and writes quantities in one way, so that only what differs for
    the pods differs here.
    """
    parts = {
        name: value
        for name, value in job.items()
        if name not in _NOT_IN_PODS and not name.startswith("status")
    }
    return json.dumps(parts, sort_keys=True)


def effect(job: Mapping[str, Any]) -> dict[str, Any]:
    """All that a definition comes to, defaults included: equal for two ways of writing the same."""
    return {name: value for name, value in job.items() if not name.startswith("status")}


def kind(job: Mapping[str, Any]) -> JobKind | None:
    """The kind of a job; None for one-off jobs, which no component has."""
    try:
        return JobKind(str(job.get("job_type")))
    except ValueError:
        return None
