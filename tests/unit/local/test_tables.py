"""Tables: the recorded ones, and the cells that they do not show."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.local import durations, jsonpaths, tables
from tests.unit.local import golden

WIDGET = tables.columns_of(golden.crd_version())


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("number", "source", "include", "now"),
    [
        (135, 118, "Metadata", "2026-11-21T22:18:11Z"),
        (137, 118, "Object", "2026-11-21T22:18:11Z"),
        (138, 118, "None", "2026-11-21T22:18:11Z"),
    ],
)
def test_a_table_of_custom_objects_is_as_recorded(
    number: int, source: int, include: str, now: str
) -> None:
    answer = golden.answer(number)
    objects = golden.answer(source)["items"][: len(answer["rows"])]
    found = tables.table(objects, WIDGET, answer["metadata"], include, at(now))
    assert found == answer


@pytest.mark.parametrize(
    ("number", "source", "kind"),
    [
        (171, 170, "/Secret"),
        (178, 177, "/ConfigMap"),
        (185, 181, "coordination.k8s.io/Lease"),
        (191, 189, "/Event"),
    ],
)
def test_a_table_of_built_in_objects_is_as_recorded(number: int, source: int, kind: str) -> None:
    answer, given = golden.answer(number), golden.answer(source)
    objects = given.get("items", [given])
    now = at("2026-11-21T22:18:22Z")
    columns = tables.BUILT_IN[kind]
    assert tables.table(objects, columns, answer["metadata"], "Metadata", now) == answer


def test_an_event_of_the_newer_form_has_the_same_cells() -> None:
    event, now = golden.answer(192), at("2026-01-01T00:00:05Z")
    row = [column.cell(event, now) for column in tables.BUILT_IN["events.k8s.io/Event"]]
    source = "ptd, ptd-0"
    assert row == ["5s", "Normal", "Built", "widget/a", "", source, "built it", "5s", 1, "a.3"]
    event["series"] = {"count": 7, "lastObservedTime": "2026-01-01T00:00:04.000000Z"}
    row = [column.cell(event, now) for column in tables.BUILT_IN["events.k8s.io/Event"]]
    assert (row[0], row[7], row[8]) == ("1s", "5s", 7)


@pytest.mark.parametrize(
    ("kind", "value", "cell"),
    [
        ("string", 3, "3"),
        ("string", True, "true"),
        ("string", ["a"], '["a"]'),
        ("integer", 3.7, 3),
        ("integer", "3", None),
        ("number", 3.5, 3.5),
        ("boolean", False, False),
        ("boolean", "no", None),
        ("date", "2026-01-01T00:00:00Z", "5s"),
        ("date", "yesterday", "<invalid>"),
        ("date", 3, None),
    ],
)
def test_a_cell_has_the_type_of_its_column(kind: str, value: Any, cell: Any) -> None:
    columns = tables.columns_of(
        {"additionalPrinterColumns": [{"name": "X", "type": kind, "jsonPath": ".spec.x"}]}
    )
    obj = {"metadata": {"name": "a"}, "spec": {"x": value}}
    assert columns[1].cell(obj, at("2026-01-01T00:00:05Z")) == cell


def test_a_custom_kind_without_columns_has_its_age() -> None:
    obj = {"metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"}}
    row = [column.cell(obj, at("2026-01-01T02:30:00Z")) for column in tables.columns_of({})]
    assert row == ["a", "150m"]


DAY = 24 * 3600


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (601, "10m"),
        (3 * 3600, "3h"),
        (3 * 3600 + 60, "3h1m"),
        (9 * 3600 + 60, "9h"),
        (2 * DAY, "2d"),
        (2 * DAY + 4 * 3600, "2d4h"),
        (9 * DAY, "9d"),
        (700 * DAY, "700d"),
        (2 * 365 * DAY, "2y"),
        (800 * DAY, "2y70d"),
        (9 * 365 * DAY + DAY, "9y"),
    ],
)
def test_an_age_is_printed_as_kubectl_prints_it(seconds: int, text: str) -> None:
    assert durations.human(timedelta(seconds=seconds)) == text


OBJECT = {
    "metadata": {"labels": {"example.com/app": "x"}},
    "list": [{"type": "A", "n": 1}, {"type": "Ready", "n": 2}],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".list[0].type", ["A"]),
        (".list[-1].n", [2]),
        (".list[9].n", []),
        (".list[*].n", [1, 2]),
        ('.list[?(@.type=="Ready")].n', [2]),
        (".list[?(@.n > 1)].type", ["Ready"]),
        ('.list[?(@.type != "A")].n', [2]),
        (".metadata.labels.example\\.com/app", ["x"]),
        (".metadata.labels['example.com/app']", ["x"]),
        ("{.list[0].n}", [1]),
        (".nothing.at.all", []),
        (".list[-1:].n", [2]),
        (".list[:].n", [1, 2]),
        (".list[:1].n", [1]),
        (".list[0:9].n", []),
        (".metadata[0:1]", []),
        (".list[1,0].n", [2, 1]),
        ("['list','nothing']", [[{"type": "A", "n": 1}, {"type": "Ready", "n": 2}]]),
        ("..n", [1, 2]),
        (".metadata..example\\.com/app", ["x"]),
        (".list[?(@.n)].type", ["A", "Ready"]),
        (".list[?(@.m)].type", []),
        ('.list[?(@.type=="(no)")].n', []),
    ],
)
def test_a_path_finds(path: str, found: list[Any]) -> None:
    assert jsonpaths.compiled(path)(OBJECT) == found


@pytest.mark.parametrize(
    "path", ["", "spec", ".a[", "...a", ".a[x:]", ".a[" + "9" * 5_000 + "]", ".a[?(@.b==c)]"]
)
def test_a_path_is_refused(path: str) -> None:
    with pytest.raises(jsonpaths.PathError):
        jsonpaths.compiled(path)
