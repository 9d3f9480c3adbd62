"""The annotation by which somebody asks polling to look at a tool's repositories at once.

Set on the ToolConfig by the HTTP API for a webhook, or by hand (any new value will do):
`kubectl annotate toolconfig x-config components-api.toolforge.org/look-now="$(date)" --overwrite`.
Read by `watchers.repositories`. Pure.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from controller.models.meta import GROUP

ANNOTATION = f"{GROUP}/look-now"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NO_COMMIT = re.compile(r"0+")


@dataclass(frozen=True, slots=True)
class Push:
    """What a host says was pushed: the branch's full name and its commit, "" where unknown."""

    ref: str = ""
    commit: str = ""


def push_of(ref: object, commit: object) -> Push:
    """A push from a stranger's words; nothing where they are no branch or no commit."""
    if not isinstance(ref, str) or not isinstance(commit, str):
        return Push()
    known = ref.startswith("refs/heads/") and len(ref) < 256 and not re.search(r"\s", ref)
    real = _COMMIT.fullmatch(commit) and not _NO_COMMIT.fullmatch(commit)
    return Push(ref, commit) if known and real else Push()


def value_of(at: datetime, push: Push) -> str:
    """The annotation's value; another moment makes it another one."""
    return " ".join(word for word in (at.isoformat(), push.ref, push.commit) if word)


def push_in(value: str) -> Push:
    """The push that an annotation tells of."""
    words = value.split()
    return push_of(words[1], words[2]) if len(words) == 3 else Push()


def asked_at(value: str) -> datetime | None:
    """When the annotation was set; None where it does not say."""
    try:
        at = datetime.fromisoformat(value.split(maxsplit=1)[0])
    except (ValueError, IndexError):
        return None
    return at if at.tzinfo else None
