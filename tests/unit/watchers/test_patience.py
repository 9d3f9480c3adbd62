"""When what failed is asked again."""

from datetime import timedelta

import pytest

from controller import errors
from controller.models.reasons import Reason
from tests.builders import NOW
from watchers.git import recent
from watchers.repositories.patience import Patience, Pause

URL, OTHER, HOST = "https://git.example.org/a", "https://git.example.org/b", "git.example.org"
MINUTE = timedelta(minutes=1)
SILENT = errors.Transient(Reason.REPOSITORY_UNREACHABLE, "it is silent")
BUSY = errors.Transient(Reason.REPOSITORY_UNREACHABLE, "it is busy", timedelta(minutes=5))
UNUSABLE = errors.Terminal(Reason.CREDENTIALS_UNUSABLE, "the tool has no such Secret")
AWAY = errors.Transient(Reason.PLATFORM_UNAVAILABLE, "no control plane")
ABSENT = errors.Terminal(Reason.REPOSITORY_NOT_FOUND, "there is none")


def patience(random: float = 0.0) -> Patience:
    """Patience without chance."""
    return Patience(lambda: random)


@pytest.mark.parametrize("error", [SILENT, ABSENT], ids=["silent", "absent"])
def test_a_repository_is_asked_at_twice_the_interval_each_time_up_to_a_limit(
    error: errors.EdgeError,
) -> None:
    who = patience()

    waits = [who.failed(URL, HOST, MINUTE, error, NOW) / MINUTE for _ in range(7)]

    assert waits == [1, 2, 4, 8, 15, 15, 15]


def test_a_secret_that_is_missing_says_nothing_about_the_host() -> None:
    who = patience()
    for _ in range(3):
        who.failed(URL, HOST, MINUTE, SILENT, NOW)
    paused = who.pause(HOST, NOW)
    who.failed(OTHER, HOST, MINUTE, UNUSABLE, NOW)
    assert who.pause(HOST, NOW) == paused is not None


def test_a_control_plane_that_is_away_holds_up_neither_host_nor_repository() -> None:
    who = patience()
    waits = [who.failed(URL, HOST, MINUTE, AWAY, NOW) / MINUTE for _ in range(5)]
    assert (waits, who.pause(HOST, NOW)) == ([1] * 5, None)


def test_an_interval_beyond_the_limit_stays_as_it_is() -> None:
    who = patience()

    waits = [who.failed(URL, HOST, 60 * MINUTE, ABSENT, NOW) / MINUTE for _ in range(2)]

    assert waits == [60, 60]


def test_waits_are_spread_by_a_tenth_of_the_interval() -> None:
    assert patience(0.5).failed(URL, HOST, MINUTE, ABSENT, NOW) == timedelta(seconds=63)


def test_a_good_answer_begins_anew() -> None:
    who = patience()
    for _ in range(5):
        who.failed(URL, HOST, MINUTE, ABSENT, NOW)

    who.good(URL, HOST, asked=NOW)

    assert who.failed(URL, HOST, MINUTE, ABSENT, NOW) == MINUTE


def test_a_repository_that_nobody_follows_is_forgotten() -> None:
    who = patience()
    who.failed(URL, HOST, MINUTE, ABSENT, NOW)

    who.forget(URL)

    assert who.failed(URL, HOST, MINUTE, ABSENT, NOW) == MINUTE


def test_retry_after_counts_for_the_whole_host_at_once() -> None:
    who = patience()

    assert who.failed(URL, HOST, MINUTE, BUSY, NOW) == timedelta(minutes=5)
    assert who.pause(HOST, NOW + MINUTE) == Pause(timedelta(minutes=4), BUSY)
    assert who.pause("other.org", NOW + MINUTE) is None


def test_a_retry_after_below_a_minute_is_a_minute() -> None:
    hasty = errors.Transient(Reason.REPOSITORY_UNREACHABLE, "x", timedelta(seconds=1))
    who = patience()
    who.failed(URL, HOST, MINUTE, hasty, NOW)

    assert who.pause(HOST, NOW) == Pause(MINUTE, hasty)


def test_one_repository_that_fails_does_not_hold_up_its_host() -> None:
    who = patience()
    who.failed(URL, HOST, MINUTE, SILENT, NOW)
    who.good(OTHER, HOST, asked=NOW)
    who.failed(URL, HOST, MINUTE, SILENT, NOW)
    who.failed(URL, HOST, MINUTE, SILENT, NOW)

    assert who.pause(HOST, NOW) is None


def test_a_dead_host_is_tried_by_one_repository_a_minute() -> None:
    who = patience()
    for url in ("a", "b", "c"):
        who.failed(url, HOST, MINUTE, SILENT, NOW)

    assert who.pause(HOST, NOW) == Pause(MINUTE, SILENT)
    later = NOW + MINUTE
    assert [who.pause(HOST, later), who.pause(HOST, later)] == [None, Pause(MINUTE, SILENT)]
    who.failed("a", HOST, MINUTE, SILENT, later)
    assert who.pause(HOST, later + MINUTE / 2) == Pause(MINUTE / 2, SILENT)


def test_a_host_that_answers_again_is_open_to_all() -> None:
    who = patience()
    for url in ("a", "b", "c"):
        who.failed(url, HOST, MINUTE, SILENT, NOW)
    assert who.pause(HOST, NOW + MINUTE) is None

    who.answered(HOST, asked=NOW + MINUTE)

    assert who.pause(HOST, NOW + MINUTE) is None


def test_hosts_that_tenants_made_up_are_forgotten_the_first_first() -> None:
    who = patience()
    hosts = [f"{number}.example.org" for number in range(recent.LIMIT + 1)]
    for host in hosts:
        who.failed(f"https://{host}/a", host, MINUTE, BUSY, NOW)
    resting = [host for host in hosts if who.pause(host, NOW)]
    assert resting == hosts[1:]


def test_an_answer_to_an_earlier_question_does_not_end_the_pause_that_a_host_asks_for() -> None:
    who = patience()
    who.failed(URL, HOST, MINUTE, BUSY, NOW)

    who.good(OTHER, HOST, asked=NOW - timedelta(seconds=1))
    assert who.pause(HOST, NOW) == Pause(timedelta(minutes=5), BUSY)

    who.good(OTHER, HOST, asked=NOW + timedelta(seconds=1))
    assert who.pause(HOST, NOW) is None
