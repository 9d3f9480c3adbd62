"""What happened on the wires, and what is to go wrong there: the trace and the plan.

A plan is data (a JSON file replays it): at the nth request that fits, one fault. The proxies ask
`Tape.arrives` about each request and tell it each answer; the oracle reads the trace.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

READS = ("GET", "HEAD", "LIST", "WATCH")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, at the `at`-th request that fits (1 is the first).

    `kind`: "crash before" (it never arrives), "crash unanswered" (it is carried out), "crash after"
    (it is answered, too); "lost" (carried out; `how` "reset", "504" or "silence" comes back);
    "refused" (it never arrives; `how` comes back, see `proxy.ANSWERS`); "slow" (it arrives after
    `seconds`); "late" (carried out after `seconds`, its sender hears a reset at once); "view" (the
    nth event of the watches, bookmarks not counted, meets what `how` says, see `streams`).
    `verbs` empty: everything that changes something. `times` more than 1: those that fit after it,
    too. `life` 0: in whichever life.
    """

    kind: str
    at: int = 1
    how: str = ""
    verbs: tuple[str, ...] = ()
    path: str = ""
    times: int = 1
    seconds: float = 0.0
    life: int = 0

    def fits(self, entry: "Entry") -> bool:
        """Whether this request is one of those that are counted."""
        if self.kind == "view":
            return False
        if self.life not in (0, entry.life) or self.path not in entry.path:
            return False
        return entry.verb in self.verbs if self.verbs else entry.changes


Plan = tuple[Fault, ...]


@dataclass
class Entry:
    """A request as it passed: what was asked, what the neighbour said, what the sender heard."""

    number: int
    at: float
    life: int
    neighbour: str
    verb: str
    path: str
    sent: Any = None
    status: int = 0
    body: Any = None
    heard: bool = False

    @property
    def changes(self) -> bool:
        """Whether it may change something; the Lease is no part of the world."""
        return self.verb not in READS and "/leases" not in self.path

    @property
    def done(self) -> bool:
        """Whether the neighbour carried it out."""
        return 200 <= self.status < 300

    def __str__(self) -> str:
        return f"{self.number}: {self.verb} {self.neighbour}{self.path} -> {self.status}"


@dataclass
class Tape:
    """The trace of one run under one plan."""

    plan: Plan = ()
    entries: list[Entry] = field(default_factory=list)
    met: list[str] = field(default_factory=list)
    _counts: dict[int, int] = field(default_factory=dict)
    _changes: int = 0
    events: int = 0

    def arrives(self, entry: Entry) -> Fault | None:
        """Record a request; answers the fault that it meets."""
        if entry.changes:
            self._changes += 1
            entry.number = self._changes
        self.entries.append(entry)
        met = None
        for index, fault in enumerate(self.plan):
            if fault.fits(entry):
                count = self._counts[index] = self._counts.get(index, 0) + 1
                if fault.at <= count < fault.at + fault.times:
                    met = fault
        if met is not None:
            self.met.append(f"{met.kind} {met.how} at {entry}")
        return met

    def line(self, event: Any) -> Fault | None:
        """Count an event of a watch; answers what it meets."""
        if not isinstance(event, dict) or event.get("type") == "BOOKMARK":
            return None
        self.events += 1
        for fault in self.plan:
            if fault.kind == "view" and fault.at <= self.events < fault.at + fault.times:
                self.met.append(f"{fault.how} at event {self.events}")
                return fault
        return None

    def missed_by(self) -> int:
        """How many requests more would have met a fault; 0 where one was met."""
        if self.met:
            return 0
        left = (fault.at - self._counts.get(index, 0) for index, fault in enumerate(self.plan))
        return min(left, default=0)

    @property
    def changes(self) -> list[Entry]:
        """The requests that may change something, in order."""
        return [entry for entry in self.entries if entry.changes]

    def done(self, neighbour: str, verb: str, path: str = "") -> list[Entry]:
        """Those that were carried out."""
        return [
            entry
            for entry in self.entries
            if (entry.neighbour, entry.verb) == (neighbour, verb)
            and path in entry.path
            and entry.done
        ]


def write_plan(path: Path, scenario: str, plan: Sequence[Fault]) -> None:
    """Keep a plan that failed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"scenario": scenario, "faults": [asdict(fault) for fault in plan]}
    path.write_text(json.dumps(content, indent=2) + "\n")


def read_plan(path: Path) -> tuple[str, Plan]:
    """The scenario and the faults of a kept plan."""
    content = json.loads(path.read_text())
    faults = (Fault(**{**each, "verbs": tuple(each["verbs"])}) for each in content["faults"])
    return content["scenario"], tuple(faults)
