"""Settings as the parts take them: the core's policy and the local backend's limits."""

from dataclasses import replace

from controller import config
from controller.app.control import Effort, Rules
from controller.backends.local.settings import LocalSettings
from controller.reconcile.observed import Policy
from controller.settings import Settings

_FILES = {"file", "path"}


def rules_of(settings: Settings, *, credentials: bool = False) -> Rules:
    """What the core and the judge of configs need.

    `credentials`: whether what builds can fetch with them; Toolforge's builds-api cannot.
    """
    configs = config.Policy(
        schemes=frozenset(settings.git_schemes) | (_FILES if settings.git_allow_file else set()),
        min_poll_seconds=int(settings.poll_interval_min.total_seconds()),
        credentials=credentials,
    )
    effort = Effort(
        workers=settings.workers,
        time_limit=settings.reconcile_timeout,
        first_retry=settings.retry_first,
        longest_retry=settings.retry_longest,
    )
    return Rules(_deployments(settings), configs, effort)


def _deployments(settings: Settings) -> Policy:
    return Policy(
        build_timeout=settings.build_timeout,
        deployment_timeout=settings.deployment_timeout,
        start_timeout=settings.start_timeout,
        give_way=settings.give_way,
        settle_time=settings.settle_time,
        cleanup_timeout=settings.cleanup_timeout,
        retained=settings.retention,
        look_at_builds=settings.build_interval,
        look_at_jobs=settings.job_interval,
        report_progress=settings.report_interval,
    )


def local_settings(settings: Settings) -> LocalSettings:
    """The local backend's limits; the times that a deployment has are those of the core."""
    limits = LocalSettings()
    protocols = (*settings.git_schemes, "file") if settings.git_allow_file else settings.git_schemes
    return replace(
        limits,
        builds=replace(limits.builds, timeout=settings.build_timeout, protocols=protocols),
        health=replace(limits.health, start_timeout=settings.start_timeout),
    )
