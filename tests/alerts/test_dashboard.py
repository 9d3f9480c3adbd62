"""The dashboard answers the five questions, with queries that promtool and the program accept."""

import subprocess
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from tests.gate import dashboard, prometheus
from tests.support import alerting

QUERIES = [
    (f"{question} {panel.title}", query)
    for question, row in dashboard.ROWS.items()
    for panel in row
    for query, _ in panel.queries
]


def test_it_answers_the_questions_of_somebody_on_call() -> None:
    assert list(dashboard.ROWS) == [
        "Is it healthy?",
        "Who waits?",
        "What fails, and whose fault is it?",
        "Is polling on time?",
        "Where does the time go?",
    ]


@pytest.mark.parametrize(("place", "query"), QUERIES)
def test_a_query_names_metrics_and_labels_that_exist(place: str, query: str) -> None:
    assert alerting.mistakes(query) == []


def test_promtool_understands_every_query(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:query{number}", "expr": query.replace("$__rate_interval", "5m")}
        for number, (_, query) in enumerate(QUERIES)
    ]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    command = (str(prometheus.find("promtool")), "check", "rules", str(file))
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_opens_this_dashboard() -> None:
    links = {alert.annotations["dashboard"] for alert in alerting.alerts().values()}
    assert links == {f"/d/{dashboard.UID}"}


def test_panels_do_not_cover_each_other() -> None:
    places = [panel["gridPos"] for panel in dashboard._panels()]
    for one, other in combinations(places, 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, (one, other)
        assert one["x"] + one["w"] <= 24
