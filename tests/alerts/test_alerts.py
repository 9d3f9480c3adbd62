"""Every alert fires when it should and only then: promtool's tests, and what they cover."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.models.reasons import EXPLANATIONS, Owner, Reason
from tests.gate import environment, monitoring, prometheus
from tests.support import alerting

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.yaml"))
RUNBOOKS = "https://gitlab.wikimedia.org/repos/cloud/toolforge/push-to-deploy/-/blob/main/runbooks"
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the real promtool; none is a failure."""
    command = (str(prometheus.find("promtool")), *arguments)
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=50)


def seconds(written: str) -> float:
    """`1h30m` → 5400."""
    return sum(
        float(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([dhms])", written)
    )


def moments(alert: str) -> list[tuple[float, bool, float]]:
    """When the tests look at an alert: seconds, whether it fires, and the rules' interval."""
    found = []
    for path in FILES:
        file: dict[str, Any] = yaml.safe_load(path.read_text())
        step = seconds(file["evaluation_interval"])
        for test in file["tests"]:
            for check in test["promql_expr_test"]:
                if f'alertname="{alert}"' in check["expr"]:
                    found.append((seconds(check["eval_time"]), bool(check["exp_samples"]), step))
    return found


def test_promtool_accepts_the_rules() -> None:
    done = promtool("check", "rules", str(environment.ROOT / monitoring.RULES))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_alerts_fire_when_they_should(path: Path) -> None:
    done = promtool("test", "rules", str(path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", alerting.alerts())
def test_an_alert_is_seen_silent_then_firing_then_silent_again(alert: str) -> None:
    looked = moments(alert)
    assert [fires for _, fires, _ in looked] == [False, True, False], "just before, after, over"
    (before, _, step), (after, _, _), (over, _, _) = looked
    assert 0 < after - before <= step, "the two must be one evaluation apart"
    assert over > after


def test_what_tools_do_wrong_is_compared_with_all_alerts_for_a_day() -> None:
    (test,) = yaml.safe_load((HERE / "tenants.yaml").read_text())["tests"]
    silent = [c["eval_time"] for c in test["promql_expr_test"] if c["expr"] == "ALERTS"]
    assert silent == ["30m", "2h", "24h"]
    told = " ".join(each["series"] for each in test["input_series"])
    faults = {r.value for r, e in EXPLANATIONS.items() if e.owner is Owner.USER}
    assert len([fault for fault in faults if fault in told]) >= 7


@pytest.mark.parametrize("alert", alerting.alerts().values(), ids=lambda alert: alert.name)
def test_an_alert_says_all_that_somebody_woken_needs(alert: alerting.Alert) -> None:
    assert alert.labels["severity"] in {"critical", "warning"}
    assert alert.annotations == {
        "summary": alert.annotations["summary"],
        "description": alert.annotations["description"],
        "dashboard": "/d/push-to-deploy",
        "runbook_url": f"{RUNBOOKS}/{alert.name}.md",
    }
    for words in (alert.annotations["summary"], alert.annotations["description"]):
        assert re.fullmatch(r"(?s)\S.{15,250}\.", words)
    shown = set(re.findall(r"\$labels\.(\w+)", str(alert.annotations)))
    kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", alert.expr))))
    assert shown <= kept, "a label that the expression drops would be shown empty"


@pytest.mark.parametrize(
    ("name", "expr"),
    [(a.name, a.expr) for a in alerting.alerts().values()] + list(alerting.records().items()),
)
def test_an_expression_names_metrics_and_labels_that_exist(name: str, expr: str) -> None:
    assert alerting.mistakes(expr) == []


def test_a_metric_and_a_label_that_do_not_exist_are_found() -> None:
    expr = 'sum(ptd_leader{role="x"}) / ptd_no_such_total > ptd:nothing'
    assert alerting.mistakes(expr) == ["ptd:nothing", "ptd_leader{role}", "ptd_no_such_total"]


def platform(*without: Reason) -> str:
    """The reasons that are the platform's to mend, as the rules spell them."""
    owned = {r for r, told in EXPLANATIONS.items() if told.owner is Owner.PLATFORM}
    return "|".join(sorted(reason.value for reason in owned - set(without)))


def test_the_platforms_faults_are_those_of_the_vocabulary() -> None:
    failing = alerting.alerts()["PushToDeployDeploymentsFailing"].expr
    expected = {platform(Reason.REPOSITORY_UNREACHABLE)}
    assert set(re.findall(r'reason=~"([^"]*)"', failing)) == expected
    for expr in alerting.records().values():
        assert set(re.findall(r'reason=~"([^"]*)"', expr)) == {platform()}
