"""Generated files: what differs is written, what is equal is left alone, and a check only looks."""

from pathlib import Path

import pytest

from controller.models import reasons
from tests.gate import generated, pages


def test_only_what_differs_is_written(tmp_path: Path) -> None:
    (tmp_path / "same.md").write_text("same")
    (tmp_path / "old.md").write_text("old")
    files = {"same.md": "same", "old.md": "new", "deep/missing.md": "there"}
    assert generated.stale(files, tmp_path) == ["old.md", "deep/missing.md"]
    assert generated.write(files, tmp_path) == ["old.md", "deep/missing.md"]
    assert generated.stale(files, tmp_path) == []


def test_an_unknown_generator_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert generated.main(["poems"]) == 2
    assert "no generator poems; there are: " in capsys.readouterr().err


def test_the_page_of_reasons_explains_every_reason() -> None:
    (page,) = pages.reasons().values()
    assert all(f"| `{reason.value}` |" in page for reason in reasons.Reason)
