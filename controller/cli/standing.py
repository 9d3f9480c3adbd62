"""Which version of a tool runs, whatever became of the newest deployment.

What is deployed and what polling saw are two things: a commit may be deployed by hand before
polling looks, and polling may see one that is not deployed. Speaks to the API through
`remote.Remote`; who may not ask for something (a deploy token) is told nothing of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from controller.cli import outcome, remote
from controller.models import names
from controller.models.tooldeployment import State

JSON = Mapping[str, Any]
GOING = tuple(state.value for state in State if not state.final)
ENDED = tuple(state.value for state in State if state.final)

_HOW = {"successful": "it was successful", "failed": "it failed", "timed_out": "it timed out"}


@dataclass(frozen=True, slots=True)
class Running:
    """The deployment whose version runs, and the commit of each component."""

    deploy_id: str
    commits: Mapping[str, str] = field(default_factory=dict)

    @property
    def made(self) -> datetime | None:
        """When it was asked for; None where the id does not tell."""
        return names.creation_time(self.deploy_id)


def runs_now(there: remote.Remote, shown: JSON) -> Running | None:
    """The version that runs while `shown` is the newest deployment; None if it is not known."""
    if shown.get("status") not in GOING:
        return running(shown, ())
    return running(shown, _data(there, "deployment").get("deployments", [])[::-1])


def running(newest: JSON, made: Iterable[JSON]) -> Running | None:
    """The same, where `made` are all deployments, newest first."""
    if newest.get("status") == "successful":
        return Running(newest["deploy_id"], commits(newest))
    if kept := newest.get("kept_running"):
        return Running(kept["deploy_id"], kept.get("commits", {}))
    if newest.get("status") not in GOING:
        return None
    good = (each for each in made if each.get("status") == "successful")
    return next((Running(each["deploy_id"], commits(each)) for each in good), None)


def followed(there: remote.Remote) -> dict[str, Any]:
    """What polling saw last, by component."""
    return dict(_data(there, "polling").get("components", {}))


def meanwhile(shown: JSON, runs: Running | None) -> list[str]:
    """While a deployment goes on: what runs until it is done."""
    if runs is None or shown["status"] not in GOING:
        return []
    return [f"  {outcome.still_runs(runs.deploy_id, runs.commits)}"]


def not_cancelled(shown: JSON) -> str:
    """Why there is nothing to cancel; "" where the state does not say."""
    name = shown["deploy_id"]
    match shown["status"]:
        case "cancelling":
            return f"{name} is being cancelled already; `ptd wait {name}` waits for it."
        case "cancelled":
            return f"{name} is cancelled already."
        case "successful" | "failed" | "timed_out":
            return f"{name} is over ({_HOW[shown['status']]}): there is nothing to cancel."
    return ""


def not_retried(shown: JSON) -> str:
    """Why there is nothing to retry; "" where the state does not say."""
    name = shown["deploy_id"]
    match shown["status"]:
        case "pending" | "running" | "cancelling":
            return f"{name} is not over yet; `ptd wait {name}` waits for it."
        case "successful":
            return f"{name} was successful; `ptd deploy` deploys the tool anew."
    return ""


def commits(shown: JSON) -> dict[str, str]:
    """The commit of each component of a deployment, as far as it has one."""
    return {name: b["commit"] for name, b in shown.get("builds", {}).items() if b.get("commit")}


def _data(there: remote.Remote, path: str) -> dict[str, Any]:
    try:
        reply = there.ask("GET", path)
    except remote.Away:
        return {}
    data = reply.body.get("data") if reply.status == 200 else None
    return data if isinstance(data, dict) else {}
