"""Values of built-in kinds: read as Go reads them into its structs."""

import pytest

from controller.local import typed

PLACE = ("Event.lastTimestamp", "lastTimestamp")


@pytest.mark.parametrize(
    ("kind", "text", "stored"),
    [
        (typed.time, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        (typed.time, "2026-01-01T01:30:00.75+02:00", "2025-12-31T23:30:00Z"),
        (typed.time, "0099-01-01T00:00:00Z", "0099-01-01T00:00:00Z"),
        (typed.micro_time, "2026-01-01T00:00:00.250000Z", "2026-01-01T00:00:00.250000Z"),
        (typed.micro_time, "2026-01-01T00:00:00.000001-01:00", "2026-01-01T01:00:00.000001Z"),
    ],
)
def test_a_time_is_stored_in_utc_and_in_its_precision(
    kind: typed.Type, text: str, stored: str
) -> None:
    assert kind(text, PLACE, []) == stored


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (typed.time, ""),
        (typed.time, "2026-01-01"),
        (typed.time, "2026-01-01t00:00:00z"),
        (typed.time, "2026-13-01T00:00:00Z"),
        (typed.time, "2026-01-01T24:00:00Z"),
        (typed.time, "0001-01-01T00:00:00+14:00"),
        (typed.micro_time, "2026-01-01T00:00:00Z"),
        (typed.micro_time, "2026-01-01T00:00:00.25Z"),
        (typed.micro_time, "2026-01-01T00:00:00.250000000Z"),
    ],
)
def test_what_go_does_not_read_as_a_time_is_refused(kind: typed.Type, text: str) -> None:
    with pytest.raises(typed.MismatchError, match="parsing time"):
        kind(text, PLACE, [])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("YQ=", "illegal base64 data at input byte 2"),
        ("é", "illegal base64 data at input byte 0"),
        ("YQ\U0001f600", "illegal base64 data at input byte 2"),
    ],
)
def test_what_is_no_base64_is_refused(text: str, told: str) -> None:
    with pytest.raises(typed.MismatchError, match=told):
        typed.data(text, PLACE, [])


def test_base64_is_stored_without_line_breaks() -> None:
    assert typed.data("YW\r\nJj\n", PLACE, []) == "YWJj"
