"""Collectors of requests: those that we make, those that we serve, and the certificates in use."""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry

from controller.metrics.group import METHODS, REQUEST_BUCKETS, Group, code_of, known


class RequestMetrics(Group):
    """Requests that we make: to the control plane and to the backends."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._control_plane = self._histogram(
            "control_plane_request_seconds",
            "Requests to the Kubernetes API, by verb and status code.",
            REQUEST_BUCKETS,
            *("verb", "code"),
        )
        self._backend = self._histogram(
            "backend_request_seconds",
            "Requests to the build and job services, by verb and status code.",
            REQUEST_BUCKETS,
            *("service", "verb", "code"),
        )

    def control_plane(self, verb: str, code: int | str, seconds: float) -> None:
        """A request was answered with `code`, or ended in "timeout" or "error"."""
        self._control_plane.labels(known(verb, METHODS), code_of(code)).observe(seconds)

    def backend(self, service: str, verb: str, code: int | str, seconds: float) -> None:
        """The same for a request to the service "builds" or "jobs"."""
        labels = (known(service, frozenset({"builds", "jobs"})), known(verb, METHODS))
        self._backend.labels(*labels, code_of(code)).observe(seconds)


class HttpMetrics(Group):
    """The HTTP API that we serve."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._seconds = self._histogram(
            "http_request_seconds",
            "Requests to the HTTP API, by route, method and status code; long polls excepted.",
            REQUEST_BUCKETS,
            *("route", "method", "code"),
        )
        self._requests = self._counter(
            "http_requests_total", "Requests to the HTTP API.", *("route", "method", "code")
        )
        self._waiters = self._gauge("http_waiters", "Requests that wait for a deployment.")
        self._waiters_limit = self._gauge(
            "http_waiters_limit", "Requests that may wait at once; 0 where there is no limit."
        )

    def answered(
        self, route: str, method: str, code: int, seconds: float, *, waited: bool = False
    ) -> None:
        """A request was answered; `route` is the pattern of the table, never the path."""
        labels = (route, known(method, METHODS), code_of(code))
        self._requests.labels(*labels).inc()
        if not waited:
            self._seconds.labels(*labels).observe(seconds)

    def late(self) -> None:
        """The head of a request was not whole in time: refused before anything is known of it."""
        self._requests.labels("none", known("", METHODS), code_of(408)).inc()

    def watch_waiters(self, waiting: Callable[[], float], most: int) -> None:
        """Read at every scrape how many requests wait; `most` may at once."""
        self._waiters.set_function(waiting)
        self._waiters_limit.set(most)


class CertificateMetrics(Group):
    """Certificates that this process identifies itself with."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__(registry)
        self._expiry = self._reading(
            "certificate_expiry_timestamp_seconds",
            "When a certificate that we identify ourselves with expires (Unix time).",
            "certificate",
        )

    def watch(self, expiries: Callable[[], Mapping[str, float]]) -> None:
        """Read the times from this function at every scrape; its keys are names of ours."""
        self._expiry.read = expiries
