"""Names that are derived: the id of a deployment, which is its object's name.

Used by whoever creates a deployment (the HTTP API, the poller, the command line). Clock and
randomness are arguments. What the tool's name gives (namespace, config) is in `models.meta`.
"""

import re
from datetime import UTC, datetime

RANDOM_LENGTH = 10
RANDOM_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_ID = re.compile(r"(?P<time>[0-9]{8}-[0-9]{6})-[a-z0-9]{10}")
_TIME = "%Y%m%d-%H%M%S"


def deployment_id(now: datetime, random_part: str) -> str:
    """`YYYYMMDD-HHMMSS-<10 of a-z0-9>` in UTC, as the public API has it.

    `now` must know its time zone. Raises ValueError for a random part of another form.
    """
    if now.tzinfo is None:
        raise ValueError("the time has no time zone")
    name = f"{now.astimezone(UTC):{_TIME}}-{random_part}"
    if not _ID.fullmatch(name):
        raise ValueError(f"{random_part!r} is not {RANDOM_LENGTH} characters of a-z and 0-9")
    return name


def creation_time(name: str) -> datetime | None:
    """When the deployment of that id was made, or None where the name is not of that form."""
    match = _ID.fullmatch(name)
    if not match:
        return None
    try:
        return datetime.strptime(match["time"], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
