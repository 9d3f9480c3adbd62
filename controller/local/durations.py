"""Lengths of time as kubectl prints ages: ``5s``, ``3m20s``, ``2d4h``, ``324d``.

Used by tables. The steps are those of k8s.io/apimachinery/pkg/util/duration.HumanDuration.
"""

from datetime import timedelta

_HOUR, _DAY, _YEAR = 60, 24, 24 * 365


def human(length: timedelta) -> str:
    """At most two units, the second one only where it says something."""
    seconds = int(length.total_seconds())
    if seconds < -1:
        return "<invalid>"
    if seconds < 2 * 60:
        return f"{max(seconds, 0)}s"
    minutes, rest = divmod(seconds, 60)
    if minutes < 3 * _HOUR:
        return _two(minutes, "m", rest if minutes < 10 else 0, "s")
    hours, rest = divmod(minutes, _HOUR)
    if hours < 2 * _DAY:
        return _two(hours, "h", rest if hours < 8 else 0, "m")
    days = hours // _DAY
    if hours < 2 * _YEAR:
        return _two(days, "d", hours % _DAY if days < 8 else 0, "h")
    years = days // 365
    return _two(years, "y", days % 365 if years < 8 else 0, "d")


def _two(many: int, unit: str, few: int, small: str) -> str:
    return f"{many}{unit}{few}{small}" if few else f"{many}{unit}"
