"""How fast a host is asked after it complained, and how that passes."""

from datetime import datetime, timedelta

from tests.builders import NOW
from watchers.git import recent
from watchers.repositories.rates import SLOWEST, Rates

HOST, OTHER = "git.example.org", "other.example.org"
SECOND = timedelta(seconds=1)


def asked(rates: Rates, times: int, every: timedelta, host: str = HOST) -> datetime:
    """A host is asked at a steady rate; answers when that is over."""
    for number in range(times):
        assert not rates.wait(f"https://{host}/{number}", host, NOW + number * every)
    return NOW + (times - 1) * every


def test_a_host_that_does_not_complain_is_not_limited() -> None:
    rates = Rates()
    asked(rates, 1000, timedelta(milliseconds=1))
    rates.good(HOST)
    assert rates.limits() == {}


def test_a_host_that_complains_is_asked_at_half_of_that_rate_and_others_as_before() -> None:
    rates = Rates()
    now = asked(rates, 20, SECOND / 4)
    rates.busy(HOST)

    assert rates.limits() == {HOST: 2.0}
    turns = [rates.wait(f"https://{HOST}/{number}", HOST, now) / SECOND for number in range(4)]
    assert turns == [0.0, 0.5, 1.0, 1.5]
    asked(rates, 10, timedelta(0), OTHER)


def test_hosts_that_tenants_made_up_are_forgotten_the_first_first() -> None:
    rates = Rates()
    for number in range(recent.LIMIT + 1):
        rates.busy(f"{number}.example.org")
    limited = rates.limits()
    assert (len(limited), "0.example.org" in limited) == (recent.LIMIT, False)


def test_a_turn_is_kept_until_its_time() -> None:
    rates = Rates()
    now = asked(rates, 20, SECOND / 4)
    rates.busy(HOST)
    for url in ("first", "second"):
        rates.wait(url, HOST, now)

    assert rates.wait("second", HOST, now + SECOND / 4) == SECOND / 4
    assert rates.wait("second", HOST, now + SECOND / 2) == timedelta(0)


def test_each_complaint_halves_it_down_to_one_a_minute() -> None:
    rates = Rates()
    asked(rates, 20, SECOND)
    seen = []
    for _ in range(9):
        rates.busy(HOST)
        seen.append(round(rates.limits()[HOST], 3))
        rates.good(HOST)
    assert seen == [0.5, 0.3, 0.18, 0.108, 0.065, 0.039, 0.023, 0.017, 0.017]


def test_a_host_that_is_overloaded_for_long_is_not_slow_for_long_after() -> None:
    rates = Rates()
    asked(rates, 20, SECOND)
    for _ in range(10):
        rates.busy(HOST)
    assert rates.limits() == {HOST: 1 / 2}


def test_good_answers_bring_it_back_little_by_little() -> None:
    rates = Rates()
    asked(rates, 20, SECOND)
    rates.busy(HOST)
    answers, last = 0, 0.0
    while HOST in rates.limits():
        assert rates.limits()[HOST] > last
        last = rates.limits()[HOST]
        rates.good(HOST)
        answers += 1
    assert answers == 35


def test_a_host_that_complains_at_the_first_question_is_asked_once_a_minute() -> None:
    rates = Rates()
    rates.wait("a", HOST, NOW)
    rates.busy(HOST)
    assert rates.limits() == {HOST: SLOWEST}
    assert [rates.wait(url, HOST, NOW + SECOND) / SECOND for url in "bc"] == [0, 60]
