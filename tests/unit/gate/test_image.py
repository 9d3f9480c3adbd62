"""The image is built from the commit, with whichever tool there is."""

import io
import tarfile
from pathlib import Path

import pytest

from tests.gate import image
from tests.support.gitrepo import BareRepository


def _tool(folder: Path) -> Path:
    """A container tool that keeps what it was given."""
    tool = folder / "podman"
    tool.write_text(f'#!/bin/sh\necho "$*" > {folder}/words\ncat > {folder}/context.tar\n')
    tool.chmod(0o755)
    return tool


def test_the_context_is_what_is_committed_and_the_tag_names_it(tmp_path: Path) -> None:
    repository = BareRepository.create(tmp_path / "clone.git")
    commit = repository.commit({image.RECIPE: "FROM scratch\n"})
    name = image.build(str(_tool(tmp_path)), repository.path)
    assert name == f"push-to-deploy:{commit[:12]}"
    words = (tmp_path / "words").read_text().split()
    assert words == ["build", "--tag", name, "--file", image.RECIPE, "-"]
    with tarfile.open(fileobj=io.BytesIO((tmp_path / "context.tar").read_bytes())) as context:
        assert image.RECIPE in context.getnames()


def test_without_a_tool_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert image.main() == 1
    assert capsys.readouterr().err == "an image is built with podman or docker: install one\n"
