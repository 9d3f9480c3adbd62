"""Settings: how they are written, which are refused, and that each is explained."""

import io
from datetime import timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError
from rich.console import Console

from controller import settings
from controller.app.local import Local
from controller.settings import Settings
from tests.gate import pages


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"PTD_{name.upper()}", raising=False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250ms", timedelta(milliseconds=250)),
        ("30s", timedelta(seconds=30)),
        ("1.5s", timedelta(seconds=1.5)),
        ("1h30m", timedelta(minutes=90)),
        ("2d", timedelta(days=2)),
    ],
)
def test_durations_are_read_as_people_write_them(
    text: str, value: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTD_RECONCILE_TIMEOUT", text)
    assert Settings().reconcile_timeout == value


@pytest.mark.parametrize(
    "text", ["", "30", "30 s", "s", "1h nonsense", "-5s", "0s", "99999999999d"]
)
def test_durations_that_mean_nothing_are_refused(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PTD_RECONCILE_TIMEOUT", text)
    with pytest.raises(ValidationError, match="reconcile_timeout"):
        Settings()


@pytest.mark.parametrize("text", ["5ms", "1h30m", "2d", "10s", "0s"])
def test_durations_are_spelled_as_they_are_read(text: str) -> None:
    value = settings._duration(text)
    assert isinstance(value, timedelta)
    assert settings.spell(value) == text


def test_lists_are_words_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTD_GIT_ALLOW", "git.example.org, *.example.net:8443,")
    monkeypatch.setenv("PTD_GIT_DENIED_NETWORKS", "192.168.0.0/16")
    read = Settings()
    assert read.git_allow == ("git.example.org", "*.example.net:8443")
    assert read.git_denied_networks == (IPv4Network("192.168.0.0/16"),)


def test_keywords_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTD_DATA_DIR", "/from/environment")
    assert Settings(data_dir=Path("/from/keyword")).data_dir == Path("/from/keyword")


def test_a_lease_that_could_have_two_leaders_is_refused() -> None:
    with pytest.raises(ValidationError, match="lease_renew_deadline < lease_duration"):
        Settings(lease_duration=timedelta(seconds=10))


def test_a_variable_that_is_no_setting_is_told_with_what_was_meant() -> None:
    found = settings.unknown({"PTD_WORKER": "1", "PTD_XYZZY": "1", "PTD_WORKERS": "1", "PATH": ""})
    assert found == [
        "PTD_WORKER is no setting; did you mean PTD_WORKERS?",
        "PTD_XYZZY is no setting",
    ]


def test_each_setting_is_explained_once() -> None:
    (page,) = pages.settings().values()
    for name, field in Settings.model_fields.items():
        assert page.count(f"| `PTD_{name.upper()}` | ") == 1
        assert field.description
        assert field.description.endswith(".")


def test_defaults_are_shown_as_they_are_written() -> None:
    (page,) = pages.settings().values()
    for row in (
        "| `PTD_KUBECONFIG` | unset | — |",
        "| `PTD_GIT_ALLOW` | unset | the same |",
        "| `PTD_GIT_SCHEMES` | `https,http,git,ssh` | the same |",
        "| `PTD_RETRY_FIRST` | `5ms` | the same |",
        "| `PTD_GIT_ALLOW_FILE` | `false` | `true` |",
        "| `PTD_START_TIMEOUT` | `5m` | `2m` |",
        "| `PTD_API_PORT` | `8000` | — |",
    ):
        assert row in page


def test_ptd_local_has_its_own_defaults_and_the_environment_wins_over_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PTD_SETTLE_TIME", "7s")
    made = settings.for_local(Settings())
    told = {**settings.LOCAL_DEFAULTS, "settle_time": timedelta(seconds=7)}
    assert {name: getattr(made, name) for name in told} == told
    others = set(Settings.model_fields) - set(told)
    assert {name for name in others if getattr(made, name) != getattr(Settings(), name)} == set()


class _Noted(Settings):
    """Settings that note which of them are read."""

    def __getattribute__(self, name: str) -> Any:
        if name in Settings.model_fields:
            _Noted.read.add(name)
        return super().__getattribute__(name)

    read: ClassVar[set[str]] = set()


async def test_ptd_local_reads_every_setting_but_those_that_the_page_says(tmp_path: Path) -> None:
    given = _Noted()
    _Noted.read.clear()  # the validators have read some
    running = Local(tmp_path / "data", 0, ("demo",), given, Console(file=io.StringIO()))
    await running.start()
    await running.stop()
    by_the_command = {"data_dir", "log_level", "log_format"}
    assert (_Noted.read & settings.LOCAL_IGNORES) == set()
    assert set(Settings.model_fields) - _Noted.read - by_the_command == settings.LOCAL_IGNORES
