"""Files for Prometheus and Grafana that are written from others: plain rules, the dashboard.

Called by `tests.gate.generated`. `manifests/monitoring/alerts.yaml` is the source of the rules.
"""

from typing import Any

import yaml

from tests.gate import environment

ALERTS = "manifests/monitoring/alerts.yaml"
RULES = "manifests/monitoring/rules.yaml"
_NOTE = f"# Written by `make generate` from {ALERTS}, for a Prometheus without the operator.\n"


class _Readable(yaml.SafeDumper):
    """Writes text of several lines as it reads."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Readable.add_representer(str, _text)


def groups() -> list[dict[str, Any]]:
    """The groups of rules, as the PrometheusRule has them."""
    source = yaml.safe_load((environment.ROOT / ALERTS).read_text())
    found: list[dict[str, Any]] = source["spec"]["groups"]
    return found


def rules() -> dict[str, str]:
    """The plain rules file."""
    text = yaml.dump({"groups": groups()}, Dumper=_Readable, sort_keys=False, width=100)
    return {RULES: _NOTE + text}
