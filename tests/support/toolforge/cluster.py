"""The simulated Kubernetes behind the stand-in of jobs-api: Deployments, their pods, a kubelet.

A pod is ready 1 s after it was created; words in the command make it `crash` again and again, fail
to `pull` its image, be ready after 8 s (`slow`) or at once (`instant`), or `never` be scheduled.
Time passes only when somebody asks: `advance` works off what was due since.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

READY = timedelta(seconds=1)
SLOW = timedelta(seconds=8)
TERMINATION = timedelta(seconds=1.25)
RUN = timedelta(seconds=1)
KEPT_RUN = timedelta(seconds=30)


class PodState(StrEnum):
    """What jobs-api tells apart."""

    UNSCHEDULED = "unscheduled"
    CREATING = "creating"
    PULLING = "pulling"
    RUNNING = "running"
    CRASHED = "crashed"
    SUCCEEDED = "succeeded"


@dataclass
class Pod:
    """One pod; its state is a function of time."""

    command: str
    template: str
    created: datetime
    cpu: float = 0.0
    deleted: datetime | None = None
    once: bool = False

    def state(self, now: datetime) -> PodState:
        """What it is doing."""
        if "never" in self.command:
            return PodState.UNSCHEDULED
        if "pull" in self.command:
            return PodState.PULLING
        if now < self.started():
            return PodState.CREATING
        if "crash" in self.command:
            return PodState.CRASHED
        if self.once and now >= self.started() + RUN:
            return PodState.SUCCEEDED
        return PodState.RUNNING

    def started(self) -> datetime:
        """When its container starts."""
        if "instant" in self.command:
            return self.created
        return self.created + (SLOW if "slow" in self.command else READY)

    def restarts(self, now: datetime) -> tuple[int, datetime]:
        """How often its container was restarted, and when last."""
        count, last, pause = 1, self.started(), timedelta(seconds=2)
        while last + pause <= now:
            count, last, pause = count + 1, last + pause, pause * 2
        return count, last

    def ready(self, now: datetime) -> bool:
        """Whether it counts as available."""
        return self.state(now) == PodState.RUNNING

    def gone(self, now: datetime) -> bool:
        """Whether it was deleted and has had the time to end."""
        return self.deleted is not None and now >= self.deleted + TERMINATION


@dataclass
class Deployment:
    """A continuous job's runtime: a Deployment with its pods, oldest first."""

    command: str
    template: str
    replicas: int
    cpu: float
    created: datetime
    restarted: datetime | None = None
    strategy_is_recreate: bool = True
    pods: list[Pod] = field(default_factory=list)
    refused: bool = False

    def alive(self) -> list[Pod]:
        """Pods that were not told to end."""
        return [pod for pod in self.pods if pod.deleted is None]

    def available(self, now: datetime) -> int:
        """As the Deployment's status counts: terminating pods are not in it."""
        return sum(pod.ready(now) for pod in self.alive())


class Cluster:
    """A tool's namespace."""

    def __init__(self, cpu_quota: float = 64.0, pod_quota: int = 16) -> None:
        self.cpu_quota = cpu_quota
        self.pod_quota = pod_quota
        self.deployments: dict[str, Deployment] = {}
        self._at: datetime | None = None
        self._touched = False  # since time was moved last

    def put(self, name: str, wanted: Deployment) -> None:
        """Create or update a Deployment; what has the same template keeps its pods."""
        now = wanted.created
        self.advance(now)
        present = self.deployments.get(name)
        if present is None:
            self.deployments[name] = wanted
        else:
            self._scale_first(present, wanted.replicas, now)
            present.command, present.template = wanted.command, wanted.template
            present.replicas, present.cpu = wanted.replicas, wanted.cpu
            present.strategy_is_recreate = wanted.strategy_is_recreate
        self._touched = True
        self.advance(now)

    def restart(self, name: str, now: datetime) -> None:
        """As `kubectl rollout restart`: an annotation makes the template a new one."""
        self.advance(now)
        deployment = self.deployments[name]
        deployment.template = f"{deployment.template.partition(' ')[0]} restarted {now}"
        deployment.restarted = now
        self._touched = True
        self.advance(now)

    def advance(self, now: datetime) -> None:
        """Work off what was due until now, moment by moment."""
        if now == self._at and not self._touched:
            return
        self._touched = False
        while self._at is not None and (due := self._next(self._at, now)) is not None:
            self._at = due
            self._sync_all(due)
        self._at = now if self._at is None else max(self._at, now)
        self._sync_all(now)

    def used_cpu(self) -> float:
        """Of all pods that are there."""
        return sum((pod.cpu for d in self.deployments.values() for pod in d.pods), 0.0)

    def _next(self, after: datetime, until: datetime) -> datetime | None:
        moments = (m for d in self.deployments.values() for pod in d.pods for m in _moments(pod))
        return min((m for m in moments if after < m <= until), default=None)

    def _sync_all(self, now: datetime) -> None:
        for deployment in self.deployments.values():
            deployment.pods = [pod for pod in deployment.pods if not pod.gone(now)]
            while self._sync(deployment, now):
                pass

    def _sync(self, deployment: Deployment, now: datetime) -> bool:
        """One step of the Deployment controller; whether there may be another."""
        current = [pod for pod in deployment.alive() if pod.template == deployment.template]
        old = [pod for pod in deployment.alive() if pod.template != deployment.template]
        if len(current) > deployment.replicas:
            current[-1].deleted = now
            return True
        if deployment.strategy_is_recreate:
            for pod in old:
                pod.deleted = now
            leaving = any(pod.template != deployment.template for pod in deployment.pods)
            return not leaving and self._grow(deployment, len(current), now)
        # RollingUpdate: 25 % more pods than wanted (rounded up), and never fewer ready ones.
        spare = len(current) + len(old) - deployment.replicas - _unready(current, now)
        if old and spare > 0:
            broken = [pod for pod in old if not pod.ready(now)]
            if broken or deployment.available(now) > deployment.replicas:
                (broken or old)[-1].deleted = now
                return True
        surge = -(-deployment.replicas // 4)
        if len(current) + len(old) >= deployment.replicas + surge:
            return False
        return self._grow(deployment, len(current), now)

    def _grow(self, deployment: Deployment, current: int, now: datetime) -> bool:
        if current >= deployment.replicas:
            deployment.refused = False
            return False
        pods = sum(len(d.pods) for d in self.deployments.values())
        if self.used_cpu() + deployment.cpu > self.cpu_quota or pods >= self.pod_quota:
            deployment.refused = True
            return False
        deployment.pods.append(Pod(deployment.command, deployment.template, now, deployment.cpu))
        return True

    def _scale_first(self, deployment: Deployment, replicas: int, now: datetime) -> None:
        """The real controller scales what is there before it rolls out what is new."""
        alive = deployment.alive()
        for pod in alive[replicas:]:
            pod.deleted = now
        if alive and all(pod.template == deployment.template for pod in alive):
            for _ in range(replicas - len(alive)):
                pod = Pod(deployment.command, deployment.template, now, deployment.cpu)
                deployment.pods.append(pod)


def _unready(pods: list[Pod], now: datetime) -> int:
    return sum(not pod.ready(now) for pod in pods)


def _moments(pod: Pod) -> Iterator[datetime]:
    """When something about a pod changes by itself."""
    yield pod.started()
    if pod.deleted is not None:
        yield pod.deleted + TERMINATION
