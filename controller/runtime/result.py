"""What a reconcile answers to the loop. Errors are raised instead (`controller.errors`)."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Result:
    """`after`: look at this key again then, whatever happens; None: only when something changes."""

    after: timedelta | None = None
