"""What `ptd status` says of a deployment itself: its state, and a line for each component.

Made from the answer of `T/deployment/{id}`. Why it ended as it did is told by `outcome`. No request
is made here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from controller.cli import display


def lines(shown: Mapping[str, Any]) -> list[str]:
    """The lines: the name and state, the message, and what became of each component."""
    message = shown.get("message", "")
    message = "" if message == shown["status"] else message
    told = [f"{shown['deploy_id']}  {shown['status']}", *([f"  {message}"] if message else [])]
    for component, build in shown.get("builds", {}).items():
        run = shown.get("runs", {}).get(component, {})
        words = f"build {build['build_status']}, run {run.get('run_status', 'unknown')}"
        commit = display.short(build.get("commit", ""))
        told.append(f"  {component:<16} {words}  {commit}".rstrip())
        told += [f"  {'':<16} {why}" for why in _failed(build, run) if why not in message]
    return told


def _failed(build: Mapping[str, str], run: Mapping[str, str]) -> Iterator[str]:
    """Why a component failed. The message of the whole tells it of the first one only."""
    for kind, it in (("build", build), ("run", run)):
        if it.get(f"{kind}_status") == "failed" and (why := it.get(f"{kind}_long_status")):
            yield why
