"""What the groups of collectors share: names with a prefix, buckets, and the bounds of labels.

Called by the other modules of this package only.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

PREFIX = "ptd"
OTHER = "other"

REQUEST_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
PHASE_BUCKETS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)
LAG_BUCKETS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "WATCH", "LIST"})


def known(value: str, allowed: frozenset[str]) -> str:
    """The value itself if it is one of the few allowed, else "other"."""
    return value if value in allowed else OTHER


def code_of(code: int | str) -> str:
    """A status code, or one of "timeout" and "error" where no answer came."""
    if isinstance(code, int):
        return str(code) if 100 <= code <= 599 else OTHER
    return known(code, frozenset({"timeout", "error"}))


class Reading(Collector):
    """A gauge with one label whose values are all read at each scrape; what is gone is gone."""

    def __init__(self, name: str, text: str, label: str) -> None:
        self._name = name
        self._text = text
        self._labelnames = (label,)
        self.read: Callable[[], Mapping[str, float]] = dict

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The gauge without values: it is called when it is registered."""
        yield GaugeMetricFamily(self._name, self._text, labels=self._labelnames)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauge with its values of now."""
        family = GaugeMetricFamily(self._name, self._text, labels=self._labelnames)
        for value, number in self.read().items():
            family.add_metric((value,), number)
        yield family


class Group:
    """Makes collectors on one registry; names get the prefix."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", text, labels, registry=self._registry)

    def _reading(self, name: str, text: str, label: str) -> Reading:
        reading = Reading(f"{PREFIX}_{name}", text, label)
        self._registry.register(reading)
        return reading

    def _histogram(
        self, name: str, text: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", text, labels, buckets=buckets, registry=self._registry)
