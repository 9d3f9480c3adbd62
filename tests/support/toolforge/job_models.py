"""What jobs-api accepts: the three shapes of a job, checked by the same library as the real one.

The real service tries all three shapes on every body and answers the problems of all of them; the
names of classes and functions below are visible in those answers, which explains them.
"""

import re
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

_UNITS = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "": 1.0,
    **{unit: 1e3 ** (power + 1) for power, unit in enumerate("kMGTPE")},
    **{f"{unit}i": 1024.0 ** (power + 1) for power, unit in enumerate("KMGTPE")},
}
_GIB = 1024.0**3


class JobType(str, Enum):  # noqa: UP042 - the enum's kind shows in error texts
    """The kinds of job."""

    ONE_OFF = "one-off"
    SCHEDULED = "scheduled"
    CONTINUOUS = "continuous"


def quantity(text: str) -> float:
    """A Kubernetes quantity as a number."""
    found = re.fullmatch(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)", text)
    if found is None or found[2] not in _UNITS:
        raise ValueError(f"Invalid number format: {text}")
    return float(found[1]) * _UNITS[found[2]]


def _cpu(text: str) -> str:
    return str(quantity(text))


def _memory(text: str) -> str:
    return f"{round(quantity(text) / _GIB, 3)}Gi"


Cpu = Annotated[str, AfterValidator(_cpu)]
Memory = Annotated[str, AfterValidator(_memory)]


class _Base(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ScriptHealthCheck(_Base):
    """Runs in the container."""

    script: str
    type: Literal["script"]


class HttpHealthCheck(_Base):
    """Asks the job's port."""

    path: str
    type: Literal["http"]


class CommonJob(_Base):
    """What all shapes have."""

    name: str
    cmd: str
    imagename: str
    filelog: bool = False
    filelog_stdout: str | None = None
    filelog_stderr: str | None = None
    emails: Literal["none", "all", "onfinish", "onfailure"] = "none"
    mount: Literal["all", "none"] = "none"
    memory: Memory = "0.5Gi"
    cpu: Cpu = "0.1"


class NewOneOffJob(CommonJob):
    """Runs once."""

    job_type: Literal[JobType.ONE_OFF] = JobType.ONE_OFF
    continuous: Literal[False] = False
    retry: Annotated[int, Field(ge=0, le=5)] = 0


class NewScheduledJob(CommonJob):
    """Started by the clock."""

    schedule: str
    job_type: Literal[JobType.SCHEDULED] = JobType.SCHEDULED
    continuous: Literal[False] = False
    timeout: Annotated[int, Field(ge=0)] = 0
    retry: Annotated[int, Field(ge=0, le=5)] = 0


class NewContinuousJob(CommonJob):
    """Always up."""

    job_type: Literal[JobType.CONTINUOUS] = JobType.CONTINUOUS
    continuous: Literal[True] = True
    replicas: Annotated[int, Field(ge=0)] = 1
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    port_protocol: Literal["tcp", "udp"] = "tcp"
    health_check: (
        Annotated[ScriptHealthCheck | HttpHealthCheck, Field(discriminator="type")] | None
    ) = None
    publish: Literal["/"] | None = None


Job = NewOneOffJob | NewScheduledJob | NewContinuousJob


def job_type_validator(job: Job) -> Job:
    """Named in the real service's error locations; what it does there shows nowhere."""
    return job


_ANY: TypeAdapter[Job] = TypeAdapter(
    Annotated[NewOneOffJob, AfterValidator(job_type_validator)]
    | Annotated[NewScheduledJob, AfterValidator(job_type_validator)]
    | Annotated[NewContinuousJob, AfterValidator(job_type_validator)]
)


class Unprocessable(Exception):
    """A 422 with FastAPI's `detail`."""

    def __init__(self, detail: list[dict[str, Any]]) -> None:
        super().__init__("unprocessable")
        self.detail = detail


def parse(body: Any) -> Job:
    """The job that a body describes, in the first shape that fits best."""
    try:
        return _ANY.validate_python(body)
    except ValidationError as error:
        raise Unprocessable([_entry(dict(entry)) for entry in error.errors()]) from None


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    entry.pop("url", None)
    if "error" in entry.get("ctx", {}):
        entry["ctx"] = {"error": {}}
    return entry | {"loc": ["body", *entry["loc"]]}
