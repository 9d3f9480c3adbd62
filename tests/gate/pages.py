"""Pages of the docs that are tables of the source: rendered here, so that they cannot differ.

Called by `tests.gate.generated`. One function per page; each returns path → text.
"""

from datetime import timedelta

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
    """Every setting: variable, default, default in `ptd local`, meaning."""
    text = (
        f"{NOTE}\n# Settings\n\n"
        "Environment variables, read when a process starts. Durations are written as `250ms`,\n"
        "`30s`, `5m`, `1h30m`; lists as words separated by commas; switches as `true` or\n"
        "`false`. No secret is a setting: where one is needed, the setting is the path of its\n"
        "file. The source is `controller/settings.py`.\n\n"
        "`ptd local` has defaults of its own for some, and reads the same variables; what it does\n"
        "not read is marked with —.\n"
    )
    for section in table.SECTIONS:
        text += f"\n## {section.__doc__}\n\n| Variable | Default | In `ptd local` | Meaning |\n"
        text += "|---|---|---|---|\n"
        for name, field in section.model_fields.items():
            shown = (f"`{table.PREFIX}{name.upper()}`", _spelled(field.default), _locally(name))
            text += f"| {' | '.join(shown)} | {field.description} |\n"
    return {"docs/settings.md": text}


def _locally(name: str) -> str:
    if name in table.LOCAL_IGNORES:
        return "—"
    own = table.LOCAL_DEFAULTS
    return _spelled(own[name]) if name in own else "the same"


def _spelled(default: object) -> str:
    match default:
        case None | "" | ():
            return "unset"
        case bool():
            return f"`{str(default).lower()}`"
        case timedelta():
            return f"`{table.spell(default)}`"
        case tuple():
            return f"`{','.join(str(each) for each in default)}`"
    return f"`{default}`"
