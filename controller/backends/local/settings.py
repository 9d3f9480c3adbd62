"""Every limit and timing of the local backend, with its default.

Made by the composition root, handed to `LocalBackend`. Only data may be put here; each field is
described in `docs/local.md`.
"""

from dataclasses import dataclass, field
from datetime import timedelta

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class BuildLimits:
    """What a build may use, and how many are kept."""

    parallel: int = 2
    timeout: timedelta = timedelta(minutes=30)
    image_bytes: int = 4096 * _MIB
    file_bytes: int = 1024 * _MIB
    cache_bytes: int = 4096 * _MIB
    keep: int = 5
    collect_after: timedelta = timedelta(minutes=1)
    attempts: int = 3
    protocols: tuple[str, ...] = ("https", "http", "git", "ssh", "file")
    fetch_stall: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class HealthTimings:
    """When a process counts as up, and when no longer."""

    start_interval: timedelta = timedelta(seconds=0.5)
    start_timeout: timedelta = timedelta(seconds=120)
    min_up: timedelta = timedelta(seconds=2)
    interval: timedelta = timedelta(seconds=10)
    timeout: timedelta = timedelta(seconds=5)
    failures: int = 3


@dataclass(frozen=True, slots=True)
class RestartTimings:
    """How a process that ended comes back, and when that is a crash loop."""

    first: timedelta = timedelta(seconds=1)
    cap: timedelta = timedelta(seconds=60)
    crash_loop: int = 3
    window: timedelta = timedelta(minutes=10)
    retry_first: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class LocalSettings:
    """Everything that can be set."""

    host: str = "127.0.0.1"
    linger: timedelta = timedelta(seconds=60)
    grace: timedelta = timedelta(seconds=15)
    drain: timedelta = timedelta(seconds=10)
    port_wait: timedelta = timedelta(seconds=5)
    missed_run_grace: timedelta = timedelta(seconds=30)
    log_bytes: int = 5 * _MIB
    log_files: int = 4
    builds: BuildLimits = field(default_factory=BuildLimits)
    health: HealthTimings = field(default_factory=HealthTimings)
    restarts: RestartTimings = field(default_factory=RestartTimings)
