"""A stored object that cannot be used says where, in the words of the file."""

from typing import Any

import pytest
import yaml

from controller.models.summary import InvalidConfig
from controller.models.toolconfig import ToolConfig, ToolConfigStatus
from controller.store import kinds
from tests.unit.config.mistakes import MISTAKES

METADATA = {
    "name": "demo-config",
    "namespace": "tool-demo",
    "creationTimestamp": "2026-11-21T21:22:43Z",
}
ROWS = (
    "a port that is too high",
    "too many retries, not said for both kinds of component",
    "a ref that is an option",
    "a component that reuses itself",
    "a name with capital letters",
)


def test_a_status_that_cannot_be_read_does_not_hide_the_config() -> None:
    web = {
        "component_type": "continuous",
        "build": {"repository": "https://git.example.org/a", "ref": "main"},
        "run": {"command": "web"},
    }
    spec = {"components": {"web": web}}
    status = {"components": "from another version"}
    found = kinds.read_config({"metadata": METADATA, "spec": spec, "status": status})
    assert isinstance(found, ToolConfig)
    assert found.status == ToolConfigStatus()


def test_nor_what_is_wrong_with_it() -> None:
    status = {"conditions": "from another version"}
    found = kinds.read_config({**stored(ROWS[0]), "status": status})
    assert isinstance(found, InvalidConfig)
    assert found.status == ToolConfigStatus()


def stored(name: str) -> dict[str, Any]:
    return {"metadata": METADATA, "spec": yaml.safe_load(MISTAKES[name][0])}


@pytest.mark.parametrize("name", ROWS)
def test_a_config_that_somebody_stored_past_all_checks_names_its_mistake(name: str) -> None:
    _, _, path, message = MISTAKES[name]
    found = kinds.read_config(stored(name))
    assert isinstance(found, InvalidConfig)
    assert found.problems == (f"spec.{path}: {message}",)
