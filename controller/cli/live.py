"""What `ptd status` says of components as they are now, after their deployment has ended.

A deployment says what was seen when it ended; a component may have crashed since. Only `ptd local`
can be asked for that, in one request; of others `jobs` answers None and nothing is claimed. Speaks
through `remote.Remote`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from controller.cli import display, remote, standing

JSON = Mapping[str, Any]
_PATIENCE = 5.0  # seconds; the rest of the status does not wait longer for it


def jobs(there: remote.Remote, shown: JSON) -> dict[str, Any] | None:
    """The jobs by component, once a deployment has ended; None where they are not to be had."""
    if shown.get("status") not in standing.ENDED or not there.kubeconfig:
        return None
    beside = replace(there, base=there.base.removesuffix("/components") + "/ptd")
    try:
        reply = beside.ask("GET", "jobs", patience=_PATIENCE)
    except remote.Away:
        return None
    data = reply.body.get("data") if reply.status == 200 else None
    return dict(data["jobs"]) if isinstance(data, dict) and "jobs" in data else None


def believed(shown: JSON, found: JSON | None) -> dict[str, Any]:
    """The deployment with a message that is true now: of a success it says when that was seen."""
    if shown.get("status") != "successful" or not shown.get("message"):
        return dict(shown)
    if found is not None and not lines(shown, found):
        return dict(shown)
    when = f"when it ended ({_minute(shown.get('finished_at', ''))})"
    return {**shown, "message": f"{when}: {shown['message']}"}


def lines(shown: JSON, found: JSON | None) -> list[str]:
    """What is not as the deployment left it: which component, since when, what follows."""
    if found is None:
        return []
    told = [line for name, job in found.items() for line in _job(name, job)]
    if shown.get("status") == "successful":
        gone = [name for name in shown.get("runs", {}) if name not in found]
        told += [f"  {name:<16} it is not there any more" for name in gone]
    return ["components now (times in UTC)", *told] if told else []


def _job(name: str, job: JSON) -> Iterator[str]:
    phase, restarts = job.get("phase"), job.get("restarts", 0)
    fine = phase == "installed" or (phase == "up" and not restarts)
    if fine and not job.get("trouble"):
        return
    since = f" since {_minute(job['since'])}" if job.get("since") else ""
    times = f", has ended by itself {restarts} {'time' if restarts == 1 else 'times'}"
    yield f"  {name:<16} {job.get('trouble') or phase}{since}{times if restarts else ''}"
    if words := "; ".join(filter(None, (job.get("message"), job.get("outlook")))):
        yield f"  {'':<16} {words}"
    yield f"  {'':<16} its log: `ptd logs {name}`"


def _minute(text: str) -> str:
    try:
        return display.minute(text)
    except ValueError:
        return "at a time that is not known"
