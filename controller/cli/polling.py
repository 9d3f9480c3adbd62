"""What `ptd status` says of polling: a few lines for each component that is followed.

Made from the answer of `T/polling`. Who may not ask for that (a deploy token), or asks an older
service, is told nothing of it. Where what polling saw is not what runs, that is said. No request is
made here.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from controller.cli import display
from controller.cli.standing import Running


def lines(components: Mapping[str, Mapping[str, Any]], running: Running | None = None) -> list[str]:
    """The lines, none where nothing is followed."""
    told = [line for name, watch in components.items() for line in _component(name, watch, running)]
    return ["polling last saw (times in UTC)", *told] if told else []


def _component(name: str, watch: Mapping[str, Any], running: Running | None) -> Iterator[str]:
    found = watch.get("choice") or watch.get("ref") or "the default branch"
    if commit := watch.get("commit", ""):
        found += f", {display.short(commit)} since {display.minute(watch['seen_at'])}"
        found += " (a webhook told of it)" if watch.get("found_by") == "webhook" else ""
    checked = watch.get("checked_at")
    never = "no check has succeeded yet" if watch.get("error_reason") else "not checked yet"
    found += f"; checked {display.minute(checked)}" if checked else f"; {never}"
    yield f"  {name:<16} {found}"
    if running is not None and (runs := running.commits.get(name)) and commit and runs != commit:
        yield f"  {'':<16} {_difference(display.short(runs), running.made, checked)}"
    if reason := watch.get("error_reason"):
        yield f"  {'':<16} {reason}: {watch['error']}"


def _difference(runs: str, made: datetime | None, checked: str | None) -> str:
    """Why what polling saw is not what runs, as far as the times tell."""
    if made and checked and datetime.fromisoformat(checked) <= made:
        return f"{runs} runs: it was deployed after that"
    return f"not deployed: {runs} runs"
