"""Conditions: set, compare, keep transition times. No words of the domain.

Called by `status`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.models.meta import Condition, ConditionStatus

__all__ = ["Wanted", "merge"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A condition as it should be, without its history."""

    type: str
    status: bool
    reason: str
    message: str


def merge(
    old: Sequence[Condition], wanted: Sequence[Wanted], generation: int, now: datetime
) -> tuple[Condition, ...]:
    """The wanted conditions; the transition time is kept where the status did not change."""
    before = {condition.type: condition for condition in old}
    return tuple(_one(before.get(w.type), w, generation, now) for w in wanted)


def _one(old: Condition | None, wanted: Wanted, generation: int, now: datetime) -> Condition:
    status = ConditionStatus.TRUE if wanted.status else ConditionStatus.FALSE
    same = old is not None and old.status == status
    return Condition(
        type=wanted.type,
        status=status,
        reason=wanted.reason,
        message=wanted.message,
        last_transition_time=old.last_transition_time if old is not None and same else now,
        observed_generation=generation,
    )
