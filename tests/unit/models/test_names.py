"""Ids of deployments, and durations as users write them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from controller.models import durations, names

NOW = datetime(2026, 11, 21, 21, 22, 43, tzinfo=UTC)


def test_an_id_is_the_time_in_utc_and_ten_characters() -> None:
    east = NOW.astimezone(timezone(timedelta(hours=5)))
    assert names.deployment_id(NOW, "tjjijwzt46") == "20261121-212243-tjjijwzt46"
    assert names.deployment_id(east, "tjjijwzt46") == "20261121-212243-tjjijwzt46"


@pytest.mark.parametrize("part", ["", "short", "UPPERCASE1", "eleven-char", "tjjijwzt4\n"])
def test_a_random_part_of_another_form_is_refused(part: str) -> None:
    with pytest.raises(ValueError, match="not 10 characters"):
        names.deployment_id(NOW, part)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        names.deployment_id(NOW.replace(tzinfo=None), "tjjijwzt46")


def test_an_id_tells_when_it_was_made() -> None:
    assert names.creation_time("20261121-212243-tjjijwzt46") == NOW


@pytest.mark.parametrize("name", ["d1", "20261321-212243-tjjijwzt46", "20261121-212243-x"])
def test_another_name_tells_nothing(name: str) -> None:
    assert names.creation_time(name) is None


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("0s", timedelta(0)),
    ],
)
def test_a_duration_is_read(text: str, length: timedelta) -> None:
    assert durations.parse(text) == length


@pytest.mark.parametrize("text", ["", "5", "m", "1m1h", "-5m", "1.5h", "5 m", "1d", "5m\n"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        durations.parse(text)
