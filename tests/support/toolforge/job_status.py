"""How jobs-api turns pods into a status, with all that is misleading about it.

The first rule that fits any of a job's pods wins, old and terminating pods included.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.support.toolforge.clock import rfc3339
from tests.support.toolforge.cluster import Deployment, Pod, PodState

PATIENCE = timedelta(seconds=600)
OUT_OF_QUOTA = "Unable to start, out of quota for cpu"
DIFFERENT = (
    "The running version of job '{}' is different from what was configured, "
    "please recreate or redeploy."
)
_PULLING = "Back-off pulling image"


@dataclass(frozen=True)
class Shown:
    """The status fields of a job."""

    status: dict[str, Any]
    short: str
    long: str


def of_continuous(deployment: Deployment, now: datetime) -> Shown:
    """A continuous job's status."""
    short, since, messages = _first(deployment.pods, now)
    available = deployment.available(now) >= deployment.replicas
    if not deployment.pods and available:
        short, since = "running", deployment.created
    if short != "running":
        began = max(deployment.created, deployment.restarted or deployment.created)
        if deployment.refused:
            short, messages = "failed", [OUT_OF_QUOTA]
        elif not available and now - began > PATIENCE:
            short = "failed"
    text = _long(deployment.pods, now)
    crashed = bool(deployment.pods) and deployment.pods[0].state(now) == PodState.CRASHED
    if available:
        old_text = "Running"
    elif deployment.refused:
        old_text = OUT_OF_QUOTA
    else:
        old_text = "Specified command fails to run" if crashed else "Not running"
    return Shown(_status(short, since, now, messages), old_text, text)


def of_scheduled(
    runs: Sequence[Pod], created: datetime, upcoming: datetime | None, now: datetime
) -> Shown:
    """A scheduled job's status: it waits for its time, whatever its runs do."""
    status = _status("pending", created, now, [])
    status["previous_schedule"] = None
    status["next_schedule"] = rfc3339(upcoming) if upcoming else None
    return Shown(status, "Waiting for scheduled time", _long(runs, now))


def of_nothing(name: str) -> Shown:
    """A job that is in storage only."""
    status: dict[str, Any] = {
        "short": "unknown",
        "duration": None,
        "up_to_date": True,
        "messages": [],
    }
    return Shown(status, "Unknown", DIFFERENT.format(name))


def duration(seconds: float) -> str:
    """As jobs-api writes it: `1d2h3m4s`, without seconds from a day on."""
    minutes, secs = divmod(max(0, int(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "m"), (0 if days else secs, "s")]
    return "".join(f"{n}{unit}" for n, unit in parts if n) or "0s"


def _status(short: str, since: datetime, now: datetime, messages: list[str]) -> dict[str, Any]:
    # Kubernetes' times are whole seconds.
    age = (now - since.replace(microsecond=0)).total_seconds()
    return {"short": short, "duration": duration(age), "up_to_date": True, "messages": messages}


_Rule = tuple[PodState, str, Callable[[Pod, datetime], tuple[datetime, list[str]]]]
_RULES: list[_Rule] = [
    (PodState.UNSCHEDULED, "pending", lambda pod, _: (pod.created, ["scheduling"])),
    (PodState.PULLING, "pending", lambda pod, _: (pod.created, ["initializing", _PULLING])),
    (PodState.CREATING, "pending", lambda pod, _: (pod.created, ["initializing"])),
    (PodState.RUNNING, "running", lambda pod, _: (pod.started(), [])),
    (
        PodState.CRASHED,
        "pending",
        lambda pod, now: (
            pod.restarts(now)[1],
            [f"restarted ({pod.restarts(now)[0]})", "exitcode 1"],
        ),
    ),
]


def _first(pods: Sequence[Pod], now: datetime) -> tuple[str, datetime, list[str]]:
    for state, short, facts in _RULES:
        for pod in pods:
            if pod.state(now) == state:
                return short, *facts(pod, now)
    return "pending", now, []


def _long(pods: Sequence[Pod], now: datetime) -> str:
    if not pods:
        return "No pods were created for this job."
    pod = pods[0]
    state = pod.state(now)
    if state == PodState.UNSCHEDULED:
        return "Run not attempted yet. Pod in 'Pending' phase."
    begun = f"Last run at {rfc3339(pod.created)}. Pod in"
    started = rfc3339(pod.started())
    waiting = f"{begun} 'Pending' phase. State 'waiting'. Reason"
    if state == PodState.PULLING:
        return f"{waiting} 'ImagePullBackOff'. Additional message:'{_PULLING}'."
    if state == PodState.CRASHED:
        again = f"{begun} 'Running' phase. Pod has been restarted {pod.restarts(now)[0]} times."
        why = "Additional message:'back-off restarting failed container'."
        return f"{again} State 'waiting'. Reason 'CrashLoopBackOff'. {why}"
    if state == PodState.RUNNING:
        return f"{begun} 'Running' phase. State 'running'. Started at '{started}'."
    if state == PodState.SUCCEEDED:
        end = rfc3339(pod.started() + timedelta(seconds=1))
        # The simulated kubelet of the recording tells one time for both.
        times = f"Started at '{end}'. Finished at '{end}'. Exit code '0'."
        return f"{begun} 'Succeeded' phase. State 'terminated'. Reason 'Completed'. {times}"
    return f"{waiting} 'ContainerCreating'."
