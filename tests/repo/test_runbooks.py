"""Alerts and runbooks agree: a page per alert and none besides, and nothing in them that is not."""

import re
from pathlib import Path

import pytest

from tests.repo import tree
from tests.support import alerting, runbooks

PAGES = runbooks.pages()
ALL = PAGES | {"README": runbooks.index()}
_METRIC = re.compile(r"\bptd_\w+(?:\([\w|]+\)\w*)?")
_SETTING = re.compile(r"\bPTD_[A-Z_]+\b")


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert sorted(PAGES) == sorted(alerting.alerts())


def test_the_index_leads_to_every_page_with_its_severity_and_summary() -> None:
    rows = re.findall(r"(?m)^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \| (.+) \|$", runbooks.index())
    plain = re.compile(r"\{\{ \$labels\.(\w+) \}\}")
    assert rows == [
        (a.name, a.name, a.labels["severity"], plain.sub(r"*\1*", a.annotations["summary"]))
        for a in alerting.alerts().values()
    ]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_answers_the_five_questions(name: str) -> None:
    found = runbooks.sections(PAGES[name])
    assert PAGES[name].startswith(f"# {name}\n")
    assert tuple(found) == runbooks.HEADINGS
    assert all(len(text) >= 20 for text in found.values()), "say it in a sentence"
    assert runbooks.blocks(found["Diagnosis"]), "diagnosis needs a command to paste"


@pytest.mark.parametrize("name", ALL)
def test_a_block_says_where_its_commands_run(name: str) -> None:
    assert {info for info, _ in runbooks.blocks(ALL[name])} <= {"sh", "sh cluster"}


@pytest.mark.parametrize("name", ALL)
def test_a_page_names_metrics_that_exist(name: str) -> None:
    known = alerting.metrics()
    named = {name for each in _METRIC.findall(ALL[name]) for name in spelled(each)}
    # A page may name a family by its beginning, as grep takes it.
    assert {each for each in named if not any(k.startswith(each) for k in known)} == set()


@pytest.mark.parametrize("name", ALL)
def test_a_page_names_settings_that_exist(name: str) -> None:
    settings = tree.text(Path("docs/settings.md"))
    assert {each for each in _SETTING.findall(ALL[name]) if f"`{each}`" not in settings} == set()


@pytest.mark.parametrize("name", ALL)
def test_a_page_greps_the_log_for_events_that_are_logged(name: str) -> None:
    source = "".join(tree.text(p) for p in tree.named(".py") if p.parts[0] != "tests")
    logs = [line for _, text in runbooks.blocks(ALL[name]) for line in text.splitlines()]
    greps = " ".join(line.partition("| grep")[2] for line in logs if " logs " in line)
    events = set(re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", greps))
    assert {event for event in events if f'"{event}"' not in source} == set()


def spelled(pattern: str) -> list[str]:
    """`ptd_(a|b)_c` → ptd_a_c, ptd_b_c."""
    found = re.fullmatch(r"(\w*?)\(([\w|]+)\)(\w*)", pattern)
    if found is None:
        return [pattern]
    return [f"{found[1]}{word}{found[3]}" for word in found[2].split("|")]


def test_a_pattern_stands_for_all_its_words() -> None:
    assert spelled("ptd_(a|b)_c") == ["ptd_a_c", "ptd_b_c"]
    assert _METRIC.findall("grep -E '^ptd_repositor(y_x|ies_y)' ptd_b") == [
        "ptd_repositor(y_x|ies_y)",
        "ptd_b",
    ]
