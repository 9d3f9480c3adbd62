"""Every Prometheus collector of the program, with its unit and help, and small functions to record.

A composition root makes one `Metrics` on a registry of its own and hands the groups to those who
record: the loop gets `metrics.reconcile`, the poller `metrics.polls`, and so on. Labels come only
from fixed sets (states, reasons, verbs, status codes, routes), never from what a tenant can choose:
10,000 tools must not mean 10,000 series. The one exception, git hosts, has a cap. Nothing here
decides anything.
"""

from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    Info,
    PlatformCollector,
    ProcessCollector,
)

from controller.metrics.control import LeaderMetrics, ReconcileMetrics, WatchMetrics
from controller.metrics.deployments import DeploymentMetrics
from controller.metrics.group import PREFIX
from controller.metrics.polls import PollMetrics
from controller.metrics.requests import CertificateMetrics, HttpMetrics, RequestMetrics

__all__ = [
    "PREFIX",
    "CertificateMetrics",
    "DeploymentMetrics",
    "HttpMetrics",
    "LeaderMetrics",
    "Metrics",
    "PollMetrics",
    "ReconcileMetrics",
    "RequestMetrics",
    "WatchMetrics",
]


class Metrics:
    """All groups on one registry, with the process and Python collectors."""

    def __init__(self, registry: CollectorRegistry, *, version: str, role: str) -> None:
        self.registry = registry
        self.deployments = DeploymentMetrics(registry)
        self.polls = PollMetrics(registry)
        self.reconcile = ReconcileMetrics(registry)
        self.requests = RequestMetrics(registry)
        self.watches = WatchMetrics(registry)
        self.leader = LeaderMetrics(registry)
        self.http = HttpMetrics(registry)
        self.certificates = CertificateMetrics(registry)
        Info(f"{PREFIX}_build", "Version and role of this process.", registry=registry).info(
            {"version": version, "role": role}
        )
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
