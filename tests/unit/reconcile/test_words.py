"""Fifty components are one line that a person reads."""

import pytest

from controller.reconcile import words

FIFTY = [f"c{number}" for number in range(50)]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["web"], "web"),
        (["a", "b", "c", "d"], "a, b, c, d"),
        (FIFTY, "c0, c1, c2 and 47 others"),
    ],
)
def test_a_few_are_named_and_the_others_counted(names: list[str], told: str) -> None:
    assert words.some(names) == told


def test_components_with_one_message_share_it() -> None:
    told = words.each({"web": "it is starting", "job": "pulled", "api": "it is starting"})
    assert told == "web, api: it is starting; job: pulled"
    assert words.each(dict.fromkeys(FIFTY, "it is starting")) == (
        "c0, c1, c2 and 47 others: it is starting"
    )


def test_a_failure_says_which_others_failed_of_how_many() -> None:
    assert words.failed(["web"], 3, "component web: gone") == "component web: gone"
    told = words.failed(["a", "b", "c"], 50, "component a: gone")
    assert told == "3 of 50 components failed: a, b, c; component a: gone"


def test_many_sentences_are_cut() -> None:
    assert words.few(["a", "b"]) == "a; b"
    assert words.few(FIFTY) == "c0; c1; c2; and 47 more"
