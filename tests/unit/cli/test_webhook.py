"""`ptd webhook`: what is pasted, and whether a call would do anything."""

import asyncio
from typing import Any

import pytest
from click.testing import CliRunner

from controller.cli.main import main
from controller.models.meta import config_name
from controller.store import kinds
from controller.store.objects import Store
from controller.store.secrets import Secrets
from tests.api.service import CONFIG, Clock, connected
from tests.support import controlplane

OFF = {**CONFIG, "auto_deploy": False}
ON = {**CONFIG, "auto_deploy": True}


@pytest.mark.parametrize(
    ("tool", "config", "warns"),
    [("unset", None, True), ("off", OFF, True), ("on", ON, False)],
    ids=["no config", "auto_deploy is off", "auto_deploy is on"],
)
async def test_who_sets_up_a_webhook_that_nothing_listens_to_is_told(
    control_plane: controlplane.Access, tool: str, config: dict[str, Any] | None, warns: bool
) -> None:
    async with connected(control_plane.kubeconfig) as calls:
        await Secrets(calls).ensure_namespace(tool)
        if config is not None:
            kept = Store(calls, Clock(), "tests")
            await kept.put(kinds.CONFIGS, tool, config_name(tool), config)
    words = ["webhook", "--tool", tool, "--kubeconfig", str(control_plane.kubeconfig)]
    result = await asyncio.to_thread(CliRunner().invoke, main, words)
    assert result.exit_code == 0, result.output
    assert (f"Polling is off for {tool}" in result.stderr) is warns
    assert "Polling" not in result.stdout
