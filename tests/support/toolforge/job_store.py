"""The stand-in's jobs of one tool: storage (definitions) and runtime (the simulated cluster).

Follows the real service in what it gets wrong: storage is written before the runtime's checks, a
change of type is an error, a failing PATCH leaves the bad definition behind.
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.support.toolforge import cluster, cron, job_models, job_status
from tests.support.toolforge.job_models import (
    Job,
    NewContinuousJob,
    NewOneOffJob,
    NewScheduledJob,
    quantity,
)
from tests.support.toolforge.registry import Registry

_NAME = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_RULES = "See the documentation for the naming rules: https://w.wiki/6YL8"
_MAX_CPU, _MAX_MEMORY = 8.0, 6.0
_NOT_IN_PODS = {"replicas", "publish"}


class Refused(Exception):
    """An error of the service: `{"error": [text]}`."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass
class CronJob:
    """A scheduled job's runtime."""

    fields: str
    created: datetime
    runs: list[cluster.Pod] = field(default_factory=list)


class ToolJobs:
    """One tool's jobs."""

    def __init__(self, tool: str, registry: Registry, runtime: cluster.Cluster) -> None:
        self._tool = tool
        self._registry = registry
        self.cluster = runtime
        self.stored: dict[str, Job] = {}
        self.crons: dict[str, CronJob] = {}
        self.started: dict[str, int] = {}

    def check(self, job: Job) -> None:
        """What is checked before anything is stored."""
        if not job.name:
            raise Refused(400, f"Job name is required. {_RULES}")
        if not _NAME.match(job.name):
            raise Refused(400, f"Invalid job name. {_RULES}")
        if len(job.name) > 52:
            text = "Invalid job name, it can't be longer than 52 characters."
            raise Refused(400, f"{text} {_RULES}")
        if isinstance(job, NewScheduledJob):
            self._actual(job)
        if isinstance(job, NewContinuousJob):
            _check_health_check(job, self._tool)

    def upsert(self, job: Job, now: datetime) -> tuple[bool, str]:
        """PATCH: whether something changed, and the service's sentence."""
        self.check(job)
        if isinstance(job, NewOneOffJob):
            return False, "OneOffJobs can't be updated, delete and recreate it instead"
        stored = self.stored.get(job.name)
        if stored is not None and type(stored) is not type(job):
            raise Refused(500, "Unable to find object in storage")
        if stored is None:
            self._store(job)
            self._check_limits(job)
            self._put(job, now)
            return True, f"Job {job.name} created in storage and runtime"
        if self._definition(stored) != self._definition(job):
            self._store(job)
            self._check_limits(job)
            self._put(job, now)
            return True, f"Job {job.name} was updated in storage and runtime"
        if not self._in_runtime(job.name):
            self._check_limits(job)
            self._put(job, now)
            return True, f"Job {job.name} was updated in runtime only"
        return False, f"Job {job.name} is already up to date"

    def create(self, job: Job, now: datetime) -> dict[str, Any]:
        """POST."""
        self.check(job)
        if job.name in self.stored:
            raise Refused(409, f"A job with the name {job.name} already exists")
        self._store(job)
        self._check_limits(job)
        self._put(job, now)
        return self.shown(job.name, now, unset=True)

    def restart(self, name: str, now: datetime) -> None:
        """Roll a continuous job over, or run a scheduled one now."""
        job = self._get(name)
        if isinstance(job, NewOneOffJob):
            raise Refused(400, "Unable to restart a one-off job")
        self.started[name] = self.started.get(name, 0) + 1
        if isinstance(job, NewScheduledJob):
            run = cluster.Pod(job.cmd, "", now, quantity(job.cpu), once=True)
            self.crons[name].runs = [run]
        elif name in self.cluster.deployments:
            self.cluster.restart(name, now)
        else:
            self._put(job, now)

    def delete(self, name: str) -> None:
        """Remove from storage and runtime (the real one waits for the pods)."""
        self._get(name)
        del self.stored[name]
        self.cluster.deployments.pop(name, None)
        self.crons.pop(name, None)

    def pods(self, now: datetime) -> int:
        """How many pods count for the quota: all that have not ended."""
        self.cluster.advance(now)
        runs = (run for cron_job in self.crons.values() for run in cron_job.runs)
        going = sum(run.state(now) != cluster.PodState.SUCCEEDED for run in runs)
        return going + sum(len(d.pods) for d in self.cluster.deployments.values())

    def names(self) -> list[str]:
        """As listed: continuous jobs, then scheduled ones, by name."""
        return sorted(self.stored, key=lambda n: (isinstance(self.stored[n], NewScheduledJob), n))

    def shown(self, name: str, now: datetime, *, unset: bool) -> dict[str, Any]:
        """A job as the service shows it; without `unset` only what was set, and no status."""
        job = self._get(name)
        dump = job.model_dump(mode="json", exclude_unset=not unset)
        dump |= {"job_type": job.job_type.value, "image": job.imagename}
        if isinstance(job, NewContinuousJob):
            dump["continuous"] = True
            if dump.get("publish") is None:
                dump.pop("publish", None)
        else:
            dump.pop("continuous", None)
        if not unset:
            return dump
        status = self._status(job, now)
        if isinstance(job, NewScheduledJob):
            dump["schedule_actual"] = self._actual(job)
        dump |= {"image_state": "stable", "status_short": status.short, "status_long": status.long}
        return dump | {"status": status.status}

    def _status(self, job: Job, now: datetime) -> job_status.Shown:
        self.cluster.advance(now)
        if job.name in self.cluster.deployments:
            return job_status.of_continuous(self.cluster.deployments[job.name], now)
        if job.name in self.crons:
            schedule = self.crons[job.name]
            runs = [r for r in schedule.runs if now < r.started() + cluster.RUN + cluster.KEPT_RUN]
            upcoming = cron.next_time(schedule.fields, now)
            return job_status.of_scheduled(runs, schedule.created, upcoming, now)
        return job_status.of_nothing(job.name)

    def _get(self, name: str) -> Job:
        if name not in self.stored:
            raise Refused(404, f"Job '{name}' does not exist")
        return self.stored[name]

    def _store(self, job: Job) -> None:
        update = {"imagename": self._registry.short(job.imagename)}
        self.stored[job.name] = job.model_copy(update=update)

    def _definition(self, job: Job) -> dict[str, Any]:
        dump = job.model_dump(mode="json", exclude_unset=True)
        return dump | {"imagename": self._registry.short(job.imagename), "job_type": job.job_type}

    def _in_runtime(self, name: str) -> bool:
        return name in self.cluster.deployments or name in self.crons

    def _check_limits(self, job: Job) -> None:
        cpu, memory = quantity(job.cpu), quantity(job.memory) / 1024**3
        if cpu > _MAX_CPU:
            text = f"Requested CPU {cpu} is over maximum allowed per container ({_MAX_CPU:g})"
            raise Refused(400, text)
        if memory > _MAX_MEMORY:
            over = f"is over maximum allowed per container ({_MAX_MEMORY:g}Gi)"
            raise Refused(400, f"Requested memory {job.memory} {over}")
        if not self._registry.knows(job.imagename):
            url = f"{self._registry.host}/{self._registry.short(job.imagename)}"
            raise Refused(400, f"No such image '{url}'")

    def _put(self, job: Job, now: datetime) -> None:
        if isinstance(job, NewScheduledJob):
            created = self.crons[job.name].created if job.name in self.crons else now
            self.crons[job.name] = CronJob(self._actual(job), created)
        elif isinstance(job, NewContinuousJob):
            # Site default of the cpu limit: half a core where the user named none.
            cpu = quantity(job.cpu) if "cpu" in job.model_fields_set else 0.5
            recreate = job.replicas == 1
            wanted = cluster.Deployment(
                job.cmd, self._template(job), job.replicas, cpu, now, None, recreate
            )
            self.cluster.put(job.name, wanted)

    def _template(self, job: Job) -> str:
        dump = (
            self._registry.short(job.imagename),
            job.model_dump(mode="json", exclude=_NOT_IN_PODS | {"imagename"}),
        )
        return hashlib.sha256(json.dumps(dump, sort_keys=True).encode()).hexdigest()

    def _actual(self, job: NewScheduledJob) -> str:
        try:
            return cron.actual(job.schedule, self._tool, job.name)
        except cron.BadSchedule as error:
            text = f'Unable to parse cron expression "{job.schedule}"'
            raise Refused(400, f"{text} ({text}: {error})") from None


def _check_health_check(job: NewContinuousJob, tool: str) -> None:
    if isinstance(job.health_check, job_models.HttpHealthCheck) and job.port is None:
        seen = f"{{'cmd': {job.cmd!r}, 'job_type': ..., 'tool_name': {tool!r}}}"
        problem = "Value error, Port must be set for HTTP health checks [type=value_error"
        text = f"1 validation error for ContinuousJob\n  {problem}, input_value={seen}"
        raise Refused(400, f"{text}, input_type=dict]")
