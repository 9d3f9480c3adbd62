"""What the core sees of one tool at one moment: a frozen value, made by `observe`.

`plan` and `status` decide from nothing but this value and the time. No methods that read.
"""

from dataclasses import dataclass, field
from datetime import timedelta

from controller.backends.base import Build, Job
from controller.models.summary import DeploymentSummary
from controller.models.toolconfig import ToolConfigSpec
from controller.models.tooldeployment import ToolDeployment

__all__ = ["Observed", "Policy"]


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's settings that decisions need (see `controller.settings` for the meaning)."""

    build_timeout: timedelta = timedelta(minutes=30)
    deployment_timeout: timedelta = timedelta(hours=1)
    start_timeout: timedelta = timedelta(minutes=5)
    settle_time: timedelta = timedelta(seconds=10)
    give_way: timedelta = timedelta(seconds=30)
    cleanup_timeout: timedelta = timedelta(seconds=30)
    retained: int = 25
    look_at_builds: timedelta = timedelta(seconds=2)
    look_at_jobs: timedelta = timedelta(seconds=1)
    look_when_blind: timedelta = timedelta(seconds=5)
    report_progress: timedelta = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Observed:
    """A tool, its config, its deployments, and what the backends show of it.

    `config` is None where there is none or where it cannot be used; `config_problems` then says
    why. `unfinished` is ordered by age, oldest first. `builds` (newest first) and `jobs` are read
    only while a deployment is under way, and are empty otherwise. `blind` says in words for people
    why one of them could not be read; then nothing may be concluded from their being empty.
    """

    tool: str
    policy: Policy
    config: ToolConfigSpec | None = None
    config_problems: tuple[str, ...] = ()
    unfinished: tuple[ToolDeployment, ...] = ()
    finished: tuple[DeploymentSummary, ...] = ()
    builds: tuple[Build, ...] = field(default=())
    jobs: tuple[Job, ...] = field(default=())
    blind: str = ""

    def build(self, build_id: str) -> Build | None:
        """The build of that id, if the service still knows it."""
        return next((build for build in self.builds if build.id == build_id), None)

    def left_over(self) -> tuple[Build, ...]:
        """Builds that go on for deployments which have ended: nobody could stop them in time."""
        names = {deployment.name for deployment in self.unfinished}
        ours = (build for build in self.builds if build.deployment)
        return tuple(b for b in ours if b.state.live and b.deployment not in names)

    def job(self, name: str) -> Job | None:
        """The job of that name, if there is one."""
        return next((job for job in self.jobs if job.name == name), None)
