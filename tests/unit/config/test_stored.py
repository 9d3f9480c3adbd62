"""A stored object that cannot be used says where, in the words of the file."""

from typing import Any

import pytest
import yaml

from controller.models.summary import InvalidConfig
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


def stored(name: str) -> dict[str, Any]:
    return {"metadata": METADATA, "spec": yaml.safe_load(MISTAKES[name][0])}


@pytest.mark.parametrize("name", ROWS)
def test_a_config_that_somebody_stored_past_all_checks_names_its_mistake(name: str) -> None:
    _, _, path, message = MISTAKES[name]
    found = kinds.read_config(stored(name))
    assert isinstance(found, InvalidConfig)
    assert found.problems == (f"spec.{path}: {message}",)
