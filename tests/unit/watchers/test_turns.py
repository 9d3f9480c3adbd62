"""Places in the interval that last, jitter that does not add up, and turns that nobody took."""

import random
from collections import Counter
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.builders import NOW, REPOSITORY
from watchers.repositories.turns import Turns

INTERVAL = timedelta(seconds=100)
JITTER = 0.1


def turns(url: str = REPOSITORY, chance: float = 0.5) -> Turns:
    return Turns(url, INTERVAL, JITTER, lambda: chance)


def many() -> list[Turns]:
    return [turns(f"https://git.example.org/{n}.git") for n in range(1000)]


def test_repositories_have_their_turns_all_over_the_interval() -> None:
    tenths = Counter(int(each.until(NOW) / INTERVAL * 10) for each in many())

    assert min(tenths.values()) > 70
    assert max(tenths.values()) < 130


def test_the_turn_is_the_same_at_all_times_and_in_all_processes() -> None:
    left = turns().until(NOW)
    for later in (0.3, 1, 7.9, 100_000):
        waited = turns().until(NOW + INTERVAL * later)
        assert (waited + INTERVAL * later - left) % INTERVAL == timedelta(0)


def test_jitter_does_not_add_up() -> None:
    chance = random.Random(1)
    own = Turns(REPOSITORY, INTERVAL, JITTER, chance.random)
    fired = [NOW + own.until(NOW)]
    for _ in range(1000):
        fired.append(own.get_next_fire_time(fired[-1], fired[-1]))

    gaps = [(later - earlier) / INTERVAL for earlier, later in pairwise(fired)]
    assert 1 - JITTER <= min(gaps) <= max(gaps) <= 1 + JITTER
    away = [1 - own.until(each) / INTERVAL for each in fired[1:]]
    assert 0 <= min(away) <= max(away) <= JITTER


@pytest.mark.parametrize("part", [n / 50 for n in range(50)])
def test_after_a_check_out_of_turn_comes_a_turn_within_the_interval_and_its_jitter(
    part: float,
) -> None:
    own = turns(chance=0.999)
    asked = NOW + own.until(NOW) + INTERVAL * part
    waited = (own.get_next_fire_time(asked, asked) - asked) / INTERVAL

    assert JITTER <= waited <= 1 + JITTER


@pytest.mark.parametrize(
    ("ago", "wait"),
    [(0.0, 30.0), (3.0, 27.0), (30.0, 0.0), (30.001, None), (60.0, None), (99.0, None)],
)
def test_a_turn_just_before_a_start_is_made_good(ago: float, wait: float | None) -> None:
    own = turns()
    start = NOW + own.until(NOW) + timedelta(seconds=ago)

    expected = None if wait is None else timedelta(seconds=wait)
    assert own.missed(start) == expected


def test_the_turn_that_comes_anyway_is_not_made_good_before() -> None:
    often = Turns(REPOSITORY, timedelta(seconds=1), JITTER, lambda: 0.5)
    assert [often.missed(NOW + timedelta(seconds=n / 10)) for n in range(10)] == [None] * 10


def test_a_start_with_thousands_is_no_herd() -> None:
    seconds: Counter[int] = Counter()
    for each in many():
        missed = each.missed(NOW)
        seconds[int(each.until(NOW).total_seconds())] += 1
        if missed is not None:
            seconds[int(missed.total_seconds())] += 1

    assert [sum(seconds[n] for n in range(at, at + 10)) / 100 for at in range(0, 100, 10)] == (
        pytest.approx([2, 2, 2, *[1] * 7], abs=0.5)
    )
