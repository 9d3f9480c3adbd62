"""The record that candidates for leadership share: who leads, and since when.

Stored as a Lease of coordination.k8s.io; made and judged by `controller.runtime.leader`. Data only.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """One state of the Lease.

    `holder` is empty after an orderly release. The times are for people to read: no candidate
    compares them with its own clock. `version` is the resourceVersion that an update must meet.
    """

    holder: str
    duration: timedelta
    acquired: datetime
    renewed: datetime
    transitions: int = 0
    version: str = ""
