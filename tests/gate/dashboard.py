"""The Grafana dashboard, from a table of questions and panels: `make generate` writes the JSON.

Called by `tests.gate.generated`. Each row is a question of somebody on call. Layout and
Grafana's format are here; what is asked is in the table.
"""

import json
from dataclasses import dataclass
from typing import Any

from controller.models.reasons import EXPLANATIONS, Owner

PATH = "manifests/monitoring/dashboard.json"
UID = "push-to-deploy"
_WIDTH, _HEIGHT = 24, 7
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def _reasons(owner: Owner) -> str:
    return "|".join(r.value for r, told in EXPLANATIONS.items() if told.owner is owner)


_OURS, _THEIRS = _reasons(Owner.PLATFORM), _reasons(Owner.USER)
_FINISHED = "ptd_deployments_finished_total"
_BACKEND = "ptd_backend_request_seconds"
_BAD = 'code=~"5..|401|429|timeout|error"'


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: queries as (PromQL, legend). `kind` is Grafana's; `red` a value that is bad."""

    title: str
    says: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    red: float | None = None


def _quantiles(metric: str, by: str = "", where: str = "") -> tuple[tuple[str, str], ...]:
    """The median and the 95th percentile of a histogram."""
    inside = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    rate = f"sum by ({inside}) (rate({metric}_bucket{where}[$__rate_interval]))"
    return tuple(
        (f"histogram_quantile({part}, {rate})", f"p{part * 100:.0f}{legend}")
        for part in (0.5, 0.95)
    )


def _stat(title: str, says: str, query: str, red: float | None, unit: str = "short") -> Panel:
    return Panel(title, says, ((query, ""),), unit, "stat", red)


ROWS: dict[str, tuple[Panel, ...]] = {
    "Is it healthy?": (
        _stat("Leaders", "Must be 1.", "sum(ptd_leader)", 2),
        _stat("Past their deadline", "Must be 0.", "max(ptd_deployments_past_deadline)", 1),
        _stat("Bugs, 24 h", "Must be 0.", "sum(increase(ptd_reconcile_bugs_total[24h]))", 1),
        _stat(
            "Pushes that the platform failed, 3 d",
            "The objective is less than 1 % in 30 days.",
            "ptd:pushes_failed_by_platform:ratio_rate3d",
            0.01,
            "percentunit",
        ),
        _stat(
            "First certificate expires in",
            "Renewed in time?",
            "min(ptd_certificate_expiry_timestamp_seconds) - time()",
            None,
            "s",
        ),
        Panel(
            "Processes",
            "Which versions run, in which role.",
            (("count by (role, version) (ptd_build_info)", "{{role}} {{version}}"),),
        ),
        Panel(
            "Memory",
            "Of each process.",
            (('process_resident_memory_bytes{job=~"push-to-deploy-.*"}', "{{instance}}"),),
            "bytes",
        ),
        Panel(
            "CPU",
            "Of each process; 1 is one core.",
            (
                (
                    'rate(process_cpu_seconds_total{job=~"push-to-deploy-.*"}[$__rate_interval])',
                    "{{instance}}",
                ),
            ),
        ),
    ),
    "Who waits?": (
        Panel(
            "Deployments under way",
            "By the phase that they are in.",
            (("max by (phase) (ptd_deployments_in_phase)", "{{phase}}"),),
        ),
        Panel(
            "Longest wait",
            "Of all, and of those whose tool has nothing under way: the second is our fault.",
            (
                ("max(ptd_deployments_oldest_waiting_seconds)", "for its turn"),
                ("max(ptd_deployments_oldest_unserved_seconds)", "for the controller"),
                ("max(ptd_workqueue_longest_wait_seconds)", "tool for a worker"),
            ),
            "s",
        ),
        Panel(
            "Requests that wait for a deployment",
            "Against the limit.",
            (
                ("sum(ptd_http_waiters)", "waiting"),
                ("sum(ptd_http_waiters_limit)", "limit"),
            ),
        ),
    ),
    "What fails, and whose fault is it?": (
        Panel(
            "Deployments by end",
            "In the last hour.",
            ((f"sum by (state) (increase({_FINISHED}[1h]))", "{{state}}"),),
        ),
        Panel(
            "Failed by the platform",
            "In the last hour, by reason: ours to mend.",
            ((f'sum by (reason) (increase({_FINISHED}{{reason=~"{_OURS}"}}[1h]))', "{{reason}}"),),
        ),
        Panel(
            "Failed by the tool",
            "In the last hour, by reason: theirs to mend.",
            (
                (
                    f'sum by (reason) (increase({_FINISHED}{{reason=~"{_THEIRS}"}}[1h]))',
                    "{{reason}}",
                ),
            ),
        ),
        Panel(
            "Builds",
            "In the last hour, by what became of the wish for one.",
            (("sum by (event) (increase(ptd_builds_total[1h]))", "{{event}}"),),
        ),
        Panel(
            "Failing requests to the services",
            "Share of errors and time-outs.",
            (
                (
                    f"sum by (service) (rate({_BACKEND}_count{{{_BAD}}}[$__rate_interval])) / "
                    f"sum by (service) (rate({_BACKEND}_count[$__rate_interval]))",
                    "{{service}}",
                ),
                (
                    f"sum(rate(ptd_control_plane_request_seconds_count{{{_BAD}}}"
                    "[$__rate_interval])) / "
                    "sum(rate(ptd_control_plane_request_seconds_count[$__rate_interval]))",
                    "Kubernetes API",
                ),
            ),
            "percentunit",
        ),
        Panel(
            "HTTP API",
            "Answers by code.",
            (("sum by (code) (rate(ptd_http_requests_total[$__rate_interval]))", "{{code}}"),),
            "reqps",
        ),
    ),
    "Is polling on time?": (
        Panel(
            "Lateness",
            "Of the latest check, and how late checks begin.",
            (
                ("max(ptd_repository_most_overdue_seconds)", "most overdue"),
                *_quantiles("ptd_repository_poll_lag_seconds"),
            ),
            "s",
        ),
        Panel(
            "Since any good check",
            "Grows while nothing can be reached.",
            (("time() - max(ptd_repository_last_good_poll_timestamp_seconds)", "age"),),
            "s",
        ),
        Panel(
            "Repositories that cannot be reached",
            "By host; the 20 with most repositories are told apart.",
            (("sum by (host) (ptd_repositories_unreachable)", "{{host}}"),),
        ),
        Panel(
            "Checks",
            "By outcome, those that failed by reason, and those that sharing made unnecessary.",
            (
                (
                    "sum by (outcome) (rate(ptd_repository_polls_total[$__rate_interval]))",
                    "{{outcome}}",
                ),
                (
                    "sum by (reason) (rate(ptd_repository_poll_errors_total[$__rate_interval]))",
                    "{{reason}}",
                ),
                ("sum(rate(ptd_repository_polls_saved_total[$__rate_interval]))", "saved"),
            ),
            "ops",
        ),
        Panel("Duration of a check", "", _quantiles("ptd_repository_poll_seconds"), "s"),
    ),
    "Where does the time go?": (
        Panel(
            "Phases of a deployment",
            "How long each takes.",
            _quantiles("ptd_deployment_phase_seconds", "phase"),
            "s",
        ),
        Panel(
            "From a commit's first sight to its end",
            "By final state.",
            _quantiles("ptd_commit_to_final_seconds", "state"),
            "s",
        ),
        Panel("Reconciles", "How long one look takes.", _quantiles("ptd_reconcile_seconds"), "s"),
        Panel(
            "Reconciles by outcome",
            "",
            (("sum by (outcome) (rate(ptd_reconciles_total[$__rate_interval]))", "{{outcome}}"),),
            "ops",
        ),
        Panel("Requests to the services", "", _quantiles(_BACKEND, "service"), "s"),
        Panel(
            "Requests to the Kubernetes API",
            "Watches excepted.",
            _quantiles("ptd_control_plane_request_seconds", "verb", '{verb!="WATCH"}'),
            "s",
        ),
        Panel(
            "Watches",
            "Age of the newest line; bookmarks come each minute.",
            (("max by (kind) (ptd_watch_newest_line_age_seconds)", "{{kind}}"),),
            "s",
        ),
    ),
}


def page() -> dict[str, str]:
    """Path → the dashboard."""
    dashboard = {
        "uid": UID,
        "title": "push-to-deploy",
        "description": "Written by `make generate` from tests/gate/dashboard.py.",
        "tags": ["push-to-deploy"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus"}]
        },
        "panels": _panels(),
    }
    return {PATH: json.dumps(dashboard, indent=1) + "\n"}


def _panels() -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = []
    top = 0
    for question, row in ROWS.items():
        place = {"x": 0, "y": top, "w": _WIDTH, "h": 1}
        panels.append({"id": len(panels) + 1, "type": "row", "title": question, "gridPos": place})
        top += 1
        left, height = 0, 0
        for panel in row:
            width, tall = (4, 4) if panel.kind == "stat" else (8, _HEIGHT)
            if left + width > _WIDTH or (left and tall != height):
                left, top = 0, top + height
            height = tall
            place = {"x": left, "y": top, "w": width, "h": height}
            panels.append(_panel(panel, len(panels) + 1, place))
            left += width
        top += height
    return panels


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red is not None:
        steps.append({"color": "red", "value": panel.red})
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "gridPos": place,
        "datasource": _DATASOURCE,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
            },
            "overrides": [],
        },
        "targets": [
            {"refId": chr(ord("A") + index), "expr": query, "legendFormat": legend}
            for index, (query, legend) in enumerate(panel.queries)
        ],
    }
