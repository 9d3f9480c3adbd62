"""What the alert rules hold, and which metrics there are: for the tests that compare files."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from controller.metrics import Metrics
from tests.gate import monitoring

_METRIC = re.compile(r"\b(?:ptd|process|python)_\w+|\bptd:[\w:]+")
_SELECTOR = re.compile(r"\b((?:ptd|process|python)_\w+|ptd:[\w:]+)(?:\{([^}]*)\})?")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
# Added by Prometheus when it scrapes.
TARGET_LABELS = frozenset({"instance", "job", "le"})


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert rule."""

    name: str
    expr: str
    wait: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


def alerts() -> dict[str, Alert]:
    """All alerts by name."""
    rules = [rule for group in monitoring.groups() for rule in group["rules"]]
    return {
        rule["alert"]: Alert(
            rule["alert"], rule["expr"], rule["for"], rule["labels"], rule["annotations"]
        )
        for rule in rules
        if "alert" in rule
    }


def records() -> dict[str, str]:
    """All recording rules: name and expression."""
    rules = [rule for group in monitoring.groups() for rule in group["rules"]]
    return {rule["record"]: rule["expr"] for rule in rules if "record" in rule}


def metrics() -> dict[str, frozenset[str]]:
    """Every series that a process shows, by name with its labels; recorded ones too."""
    registry = CollectorRegistry()
    Metrics(registry, version="", role="")
    made: dict[Collector, list[str]] = registry._collector_to_names
    found: dict[str, frozenset[str]] = {name: frozenset() for name in records()}
    for collector, names in made.items():
        labels = frozenset(getattr(collector, "_labelnames", ()))
        found |= dict.fromkeys(names, labels)
    # Those of Python and the process are known only once they have been read.
    found |= {s.name: frozenset(s.labels) for f in registry.collect() for s in f.samples} | found
    found["ptd_build_info"] = frozenset({"version", "role"})
    return found


def mistakes(expr: str) -> list[str]:
    """The metrics and labels that a PromQL expression names and that do not exist."""
    known = metrics()
    wrong = [name for name in _METRIC.findall(expr) if name not in known]
    for name, matchers in _SELECTOR.findall(expr):
        labels = set(_LABEL.findall(re.sub(r'"[^"]*"', '""', matchers)))
        wrong += [f"{name}{{{label}}}" for label in labels - known.get(name, set()) - TARGET_LABELS]
    return sorted(set(wrong))
