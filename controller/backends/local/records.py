"""What must outlive ptd about builds and jobs, and its form on disk.

Written and read by `builds`, `jobs`, `continuous`, `scheduled` and `instance`. Only data and its
way to and from JSON files may be put here.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from controller.backends import base
from controller.backends.local import files
from controller.models.reasons import Reason

_BUILD = TypeAdapter(base.Build)


@dataclass(frozen=True, slots=True)
class Definition:
    """A job as stored. Each change is a new generation.

    `took_over`: the generation that does the work (None: none ever did); `serving` is its spec
    where that is an older one than `spec`. `issued`: the highest generation there ever was; none is
    used twice, because what it left behind may still be ending.
    """

    spec: base.JobSpec
    generation: int
    changed_at: datetime
    took_over: int | None = None
    serving: base.JobSpec | None = None
    issued: int = 1

    def changed(self, spec: base.JobSpec, now: datetime) -> "Definition":
        """With a newer spec; what does the work stays, until the newer one is healthy."""
        serving = self.spec if self.took_over == self.generation else self.serving
        number = self.issued + 1
        return Definition(spec, number, now, self.took_over, serving, issued=number)

    def taken_over(self) -> "Definition":
        """The newest generation does the work now."""
        return replace(self, took_over=self.generation, serving=None)

    def given_up(self, now: datetime) -> "Definition":
        """The newest generation is dropped for the one that still does the work."""
        if self.serving is None or self.took_over is None:
            return self
        return Definition(self.serving, self.took_over, now, self.took_over, issued=self.issued)


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """One replica of one generation. `ends`: when it ended by itself lately, for the backoff."""

    since: datetime
    phase: base.JobPhase = base.JobPhase.PENDING
    port: int | None = None
    restarts: int = 0
    ends: tuple[datetime, ...] = ()
    trouble: Reason | None = None
    message: str = ""
    outlook: str = ""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a scheduled job: when it was due, its tries, and how the last of them ended."""

    due: datetime
    tries: int = 0
    ended: datetime | None = None
    result: str = ""
    succeeded: bool = False


@dataclass(frozen=True, slots=True)
class RunsRecord:
    """The present run of a scheduled job, and the newest finished ones, newest first."""

    current: RunRecord | None = None
    finished: tuple[RunRecord, ...] = ()


_DEFINITION = TypeAdapter(Definition)
_INSTANCE = TypeAdapter(InstanceRecord)
_RUNS = TypeAdapter(RunsRecord)


def dump(record: base.Build | Definition | InstanceRecord | RunsRecord) -> Any:
    """A record as JSON data."""
    adapter: TypeAdapter[Any] = TypeAdapter(type(record))
    return adapter.dump_python(record, mode="json")


def build(data: dict[str, Any]) -> base.Build | None:
    """What `dump` made of a build; None when there is nothing."""
    return _BUILD.validate_python(data) if data else None


def definition(data: dict[str, Any]) -> Definition | None:
    """What `dump` made of a definition; None when there is nothing."""
    return _DEFINITION.validate_python(data) if data else None


def instance(data: dict[str, Any]) -> InstanceRecord | None:
    """What `dump` made of an instance; None when there is nothing."""
    return _INSTANCE.validate_python(data) if data else None


def runs(data: dict[str, Any]) -> RunsRecord:
    """What `dump` made of a scheduled job's runs; empty when there is nothing."""
    return _RUNS.validate_python(data) if data else RunsRecord()


def store(directory: Path, definition: Definition) -> None:
    """Make a job's definition the stored one, and wait until the disk has it. Raises Transient."""
    files.write_json(directory / "job.json", dump(definition), durable=True)


def stored(directory: Path) -> Definition | None:
    """The stored definition of a job."""
    return definition(files.read_json(directory / "job.json"))
