"""Whose turn it is: one deployment of a tool at a time, the others wait in order.

Called by `plan`. Knows nothing of builds and jobs.
"""

from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import datetime

from controller.models.summary import DeploymentSummary
from controller.models.tooldeployment import ToolDeployment

__all__ = ["Turns", "take_turns", "turn_began"]


@dataclass(frozen=True, slots=True)
class Turns:
    """The unfinished deployments, sorted into what is to become of each.

    `active` is the one that is worked on; `waiting` come after it, in order; `cancelled` are to be
    ended without having started; `superseded` pairs each replaced deployment with its successor.
    """

    active: ToolDeployment | None
    waiting: tuple[ToolDeployment, ...]
    cancelled: tuple[ToolDeployment, ...]
    superseded: tuple[tuple[ToolDeployment, ToolDeployment], ...]


def take_turns(unfinished: tuple[ToolDeployment, ...], at_work: Set[str] = frozenset()) -> Turns:
    """Sort a tool's unfinished deployments; nothing but their own content decides.

    The oldest that has started goes on; else the oldest that waits begins. A poll deployment that
    has not started gives way to any newer one, started or not: it would deploy an older commit.
    `at_work` names those of which something is seen to go on: they have started, and a crash came
    before that was recorded.
    """
    ordered = sorted(unfinished, key=_age)
    active = next((d for d in ordered if d.status.started_at is not None), None) or next(
        (d for d in ordered if d.name in at_work), None
    )
    resting = [d for d in ordered if d is not active]
    cancelled = tuple(d for d in resting if _is_to_end(d))
    candidates = [d for d in resting if not _is_to_end(d)]
    superseded = tuple(_superseded(candidates, active))
    replaced = {old.name for old, _ in superseded}
    waiting = [d for d in candidates if d.name not in replaced]
    if active is None and waiting:
        active = waiting.pop(0)
    return Turns(active, tuple(waiting), cancelled, superseded)


def turn_began(deployment: ToolDeployment, finished: Iterable[DeploymentSummary]) -> datetime:
    """Since when, at the earliest, the deployment whose turn it is has been worked on.

    Before its beginning is recorded that is when it was created, or when the one before it ended.
    """
    if deployment.status.started_at is not None:
        return deployment.status.started_at
    ends = [each.finished_at for each in finished if each.finished_at is not None]
    return max([deployment.metadata.creation_timestamp, *ends])


def _is_to_end(deployment: ToolDeployment) -> bool:
    return deployment.spec.cancel or deployment.metadata.deletion_timestamp is not None


def _age(deployment: ToolDeployment) -> tuple[object, str]:
    return deployment.metadata.creation_timestamp, deployment.name


def _superseded(
    candidates: list[ToolDeployment], active: ToolDeployment | None
) -> list[tuple[ToolDeployment, ToolDeployment]]:
    known = [*candidates, active] if active else candidates
    polls = sorted((d for d in known if d.spec.trigger.kind.automatic), key=_age)
    return [(old, polls[-1]) for old in polls[:-1] if old is not active]
