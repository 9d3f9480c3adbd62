"""The Toolforge client with the kubeconfig that `ptd local` writes: the README's own words."""

import json
from pathlib import Path

import pytest
import yaml

from tests.support import toolforgeclient
from tests.support.ptdlocal import TOOL, PtdLocal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CONFIG = """\
components:
  web:
    build: {repository: "https://git.example.org/web.git", ref: main}
    run: {command: web}
"""


async def test_the_kubeconfig_of_ptd_local_drives_the_toolforge_client(tmp_path: Path) -> None:
    ptd = PtdLocal(tmp_path / "data")
    await ptd.start()
    try:
        cluster = yaml.safe_load(ptd.kubeconfig.read_text())["clusters"][0]["cluster"]
        client = toolforgeclient.Client(cluster["server"], ptd.kubeconfig)
        stored = await client.run("config", "create", stdin=CONFIG)
        made = await client.run("deployment", "create", "--json")
        generated = await client.run("config", "generate", "--json")
        token = await client.run("deploy-token", "create", "--json")
        listed = await client.run("deployment", "list")
    finally:
        await ptd.stop()
    assert (stored.code, stored.out) == (0, f"Configuration for {TOOL} updated successfully.\n")
    assert (made.code, generated.code, token.code, listed.code) == (0, 0, 0, 0)
    assert json.loads(made.out)["data"]["deploy_id"] in listed.out
