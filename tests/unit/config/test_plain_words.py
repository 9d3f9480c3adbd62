"""Whatever is written wrong, nobody is told in the words of the validation library."""

import copy
import itertools
import math
import re
from collections.abc import Iterator
from typing import Any

import click
import pytest
from pydantic import ValidationError

from controller import config, settings
from controller.cli.roles import read_settings
from controller.config import vocabulary
from controller.models.toolconfig import ToolConfig
from controller.store import kinds

THEIRS = re.compile(
    r"[Ii]nput|valid (string|integer|dictionary|boolean|list)|^String|^Dictionary|^Value error|"
    r"Field required|validation|Mapping|Unable|[Ii]nstance of"
)
WRONG: tuple[Any, ...] = (
    *(5, 0.5, -1, 10**30, math.inf, math.nan, True, None, [], ["a"], {}, {"a": 1}),
    *("", " ", "x", "x" * 5000, "\ud800", "a\0b", "-1", "0.5", "9" * 5000),
)
SOURCE: dict[str, Any] = {"repository": "https://a.org/x", "ref": "main"}
WEB: dict[str, Any] = {"build": SOURCE, "run": {"command": "x", "port": 1}}
JOB: dict[str, Any] = {
    "build": {"reuse_from": "web"},
    "run": {"command": "x", "schedule": "@daily"},
}
CONFIG: dict[str, Any] = {"components": {"web": WEB, "job": JOB}}


def changed(path: tuple[str, ...], value: object) -> dict[str, Any]:
    """A good config with one value in the place of what was there."""
    data = copy.deepcopy(CONFIG)
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return data


def everywhere() -> Iterator[tuple[str, ...]]:
    """Every place of the format."""
    yield from ((name,) for name in vocabulary.TOP)
    for component in ("web", "job"):
        home = ("components", component)
        yield home
        yield from ((*home, name) for name in vocabulary.COMPONENT)
        yield from ((*home, "build", name) for name in vocabulary.BUILD)
        yield from ((*home, "run", name) for name in vocabulary.RUN)
    ref = ("components", "web", "build", "ref")
    yield from ((*ref, name) for name in ("semver", "tag"))


PLACES = list(everywhere())


@pytest.mark.parametrize("path", PLACES, ids=".".join)
def test_every_mistake_is_said_in_plain_words(path: tuple[str, ...]) -> None:
    parent = changed(path[:-1], {}) if path[-2:-1] == ("ref",) else CONFIG
    said = set()
    for value in WRONG:
        data = changed(path[:-1], {path[-1]: value}) if parent is not CONFIG else None
        said |= {it.message for it in config.load_object(data or changed(path, value)).errors}
    assert sorted(text for text in said if THEIRS.search(text)) == []


def test_every_mistake_of_a_stored_config_is_said_in_plain_words() -> None:
    metadata = {"name": "a", "namespace": "tool-a", "creationTimestamp": "2026-11-22T03:04:05Z"}
    said = set()
    for path, value in itertools.product(PLACES, WRONG):
        if path[-2:-1] != ("ref",):
            try:
                ToolConfig.model_validate({"metadata": metadata, "spec": changed(path, value)})
            except ValidationError as error:
                said |= {text.partition(": ")[2] for text in kinds.problems(error)}
    assert "This is empty" in said
    assert sorted(text for text in said if THEIRS.search(text)) == []


@pytest.mark.parametrize("name", settings.Settings.model_fields)
def test_every_wrong_setting_is_said_in_plain_words(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"PTD_{name.upper()}"
    for value in ("", "-1", "0s", "nonsense", "1000000", "0", "999999999999999d", "1e9", "a,b"):
        monkeypatch.setenv(variable, value)
        try:
            read_settings()
        except click.UsageError as error:
            head, *said = str(error).split("\n")
            assert head == "settings:"
            assert [text for text in said if THEIRS.search(text)] == []
            assert len(set(said)) == len(said)


def test_a_wrong_setting_is_named_with_what_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "POLL_INTERVAL": "soon",
        "START_TIMEOUT": "0s",
        "WORKERS": "many",
        "GIT_DENIED_NETWORKS": "a",
        "LOG_FORMAT": "xml",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(f"PTD_{name}", value)
    with pytest.raises(click.UsageError) as refused:
        read_settings()
    assert sorted(str(refused.value).split("\n")[1:]) == [
        "PTD_GIT_DENIED_NETWORKS: This has to be a network such as 10.0.0.0/8 or fd00::/8",
        "PTD_LOG_FORMAT: This has to be `json` or `console`",
        "PTD_POLL_INTERVAL: expected a duration such as 30s, 5m, 1h30m or 250ms",
        "PTD_START_TIMEOUT: expected a duration of more than 0s",
        "PTD_WORKERS: This has to be a whole number",
    ]
