"""The demo's narration: a claim that does not hold is never told as one that does."""

import io

import pytest
from rich.console import Console

from examples.demo import narration


def _narrator() -> tuple[narration.Narrator, io.StringIO]:
    told = io.StringIO()
    return narration.Narrator(Console(file=told, highlight=False, soft_wrap=True)), told


def test_a_claim_that_holds_is_told_and_counted() -> None:
    narrator, told = _narrator()
    narrator.claim("The page changed", held=True)
    narrator.end()
    assert "✓  The page changed" in told.getvalue()
    assert "All 1 claims held, in 0 seconds." in told.getvalue()


def test_a_claim_that_does_not_hold_ends_the_demo_with_what_was_seen() -> None:
    narrator, told = _narrator()
    with pytest.raises(narration.ClaimBroken, match="The page changed: seen instead: the old one"):
        narrator.claim("The page changed", held=False, seen="the old one")
    assert told.getvalue() == ""


def test_what_others_say_is_told_word_for_word() -> None:
    narrator, told = _narrator()
    narrator.quote("first [bold]line[/bold]\nsecond line\n")
    lines = [line.strip() for line in told.getvalue().splitlines()]
    assert lines == ["│ first [bold]line[/bold]", "│ second line"]
