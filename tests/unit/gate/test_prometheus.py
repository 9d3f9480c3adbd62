"""Prometheus for the tests: which one is taken, and that it is unpacked and not installed."""

import os
from pathlib import Path

import pytest

from tests.gate import prometheus


def _script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_the_named_one_is_taken_whatever_the_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTD_PROMETHEUS", str(tmp_path))
    assert prometheus.find("promtool") == tmp_path / "promtool"


def test_none_is_a_sentence_that_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PTD_PROMETHEUS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(prometheus.PrometheusMissing, match="run `make setup`"):
        prometheus.find("promtool", tmp_path)


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An apt-get that knows packages only after an update, and a dpkg-deb; answers apt's log."""
    log = tmp_path / "apt.log"
    programs = tmp_path / "bin"
    programs.mkdir()
    _script(
        programs / "apt-get",
        f'echo "$2" >> {log}\n'
        f'[ "$2" = update ] && touch {tmp_path}/lists && exit 0\n'
        f"[ -e {tmp_path}/lists ] || exit 100\n"
        "touch prometheus_1_amd64.deb",
    )
    _script(programs / "dpkg-deb", 'mkdir -p "$3/usr/bin" && touch "$3/usr/bin/promtool"')
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}/usr/bin:/bin")
    monkeypatch.delenv("PTD_PROMETHEUS", raising=False)
    return log


def test_a_machine_that_knows_no_packages_asks_for_them_first(tmp_path: Path, apt: Path) -> None:
    target = tmp_path / "tools" / "prometheus"
    prometheus.fetch(target)
    assert apt.read_text().split() == ["download", "update", "download"]
    assert prometheus.find("promtool", target).is_file()


def test_a_second_fetch_replaces_the_first(tmp_path: Path, apt: Path) -> None:
    target = tmp_path / "prometheus"
    target.mkdir()
    (target / "left-over").touch()
    prometheus.fetch(target)
    assert sorted(path.name for path in target.iterdir()) == ["usr"]
