"""What `ptd status` says of polling: a few lines for each component that is followed.

Made from the answer of `T/polling`. Who may not ask for that (a deploy token), or asks an older
service, is told nothing of it. No request is made here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

_SHORT = 10


def lines(components: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The lines, none where nothing is followed."""
    told = [line for name, watch in components.items() for line in _component(name, watch)]
    return ["polling", *told] if told else []


def _component(name: str, watch: Mapping[str, Any]) -> Iterator[str]:
    found = watch.get("choice") or watch.get("ref") or "the default branch"
    if commit := watch.get("commit", ""):
        found += f", {commit[:_SHORT]} since {_time(watch['seen_at'])}"
        found += " (a webhook told of it)" if watch.get("found_by") == "webhook" else ""
    checked = watch.get("checked_at")
    found += f"; checked {_time(checked)}" if checked else "; not checked yet"
    yield f"  {name:<16} {found}"
    if reason := watch.get("error_reason"):
        yield f"  {'':<16} {reason}: {watch['error']}"


def _time(text: str) -> str:
    """`2026-11-22T03:04:05Z` to the minute."""
    return text[:16].replace("T", " ")
