"""How commits and times from the API's answers look on a terminal. Pure.

Used by whatever tells of a deployment, of polling or of a token. Words about them are the matter of
those who tell.
"""

from datetime import UTC, datetime


def short(commit: str) -> str:
    """As much of a full SHA as people compare."""
    return commit[:10]


def minute(text: str) -> str:
    """`2026-11-22T03:04:05Z` as `2026-11-22 03:04`, in UTC; ValueError if it is no time."""
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M}"
