"""A mistake in a config, as a sentence for people and for GitHub."""

import pytest

from controller.api import problem_body
from controller.cli import annotating

MISTAKE = {"file": "a.yaml", "line": 3, "column": 5, "path": "components.web", "message": "It is 3"}


@pytest.mark.parametrize(
    ("hint", "said"),
    [
        ("Write a mapping.", "components.web: It is 3. Write a mapping."),
        ("", "components.web: It is 3"),
    ],
)
def test_a_mistake_and_what_to_do_are_two_sentences(hint: str, said: str) -> None:
    mistake = {**MISTAKE, "hint": hint}
    assert annotating.said(mistake) == said
    assert problem_body.lines({"mistakes": [mistake]}) == f"mistake=a.yaml 3 5 {said}\n"
