"""Pages of the docs that are tables of the source: rendered here, so that they cannot differ.

Called by `tests.gate.generated`. One function per page; each returns path → text.
"""

from prometheus_client import CollectorRegistry
from prometheus_client.registry import Collector

from controller import metrics as collectors
from controller import settings as table
from controller.models import reasons as vocabulary

NOTE = "<!-- Written by `make generate`: change the source, not this page. -->\n"

_OWNERS = {
    vocabulary.Owner.USER: "you",
    vocabulary.Owner.PLATFORM: "the operators",
    vocabulary.Owner.NOBODY: "nobody",
}


def reasons() -> dict[str, str]:
    """Every reason: whose move it is, what it means, what to do."""
    rows = [
        f"| `{reason.value}` | {_OWNERS[told.owner]} | {told.sentence} | {told.hint} |\n"
        for reason, told in vocabulary.EXPLANATIONS.items()
    ]
    text = (
        f"{NOTE}\n# Reasons\n\n"
        "Why a deployment waits, goes on, or ended as it did: the `reason` of conditions, events,\n"
        "HTTP problems and metrics. The source is `controller/models/reasons.py`.\n\n"
        "| Reason | Whose move it is | What it means | What to do |\n|---|---|---|---|\n"
    )
    return {"docs/reasons.md": text + "".join(rows)}


def metrics() -> dict[str, str]:
    """Every metric of ours: type, labels, meaning."""
    registry = CollectorRegistry()
    collectors.Metrics(registry, version="", role="")
    made: dict[Collector, list[str]] = registry._collector_to_names
    rows = []
    for collector in made:
        labels = ", ".join(f"`{name}`" for name in getattr(collector, "_labelnames", ()))
        for metric in collector.collect():
            if metric.name.startswith(f"{collectors.PREFIX}_"):
                name = metric.name + {"counter": "_total", "info": "_info"}.get(metric.type, "")
                rows.append(f"| `{name}` | {metric.type} | {labels} | {metric.documentation} |\n")
    text = (
        f"{NOTE}\n# Metrics\n\n"
        "What `/metrics` shows beside the metrics of the process and of Python. Times are in\n"
        "seconds. Labels come from fixed sets, so that the number of series does not grow with\n"
        "the number of tools. The source is `controller/metrics/`.\n\n"
        "| Metric | Type | Labels | What it tells |\n|---|---|---|---|\n"
    )
    return {"docs/metrics.md": text + "".join(sorted(rows))}


def settings() -> dict[str, str]:
    """Every setting: variable, default, meaning."""
    return {"docs/settings.md": NOTE + table.page()}
