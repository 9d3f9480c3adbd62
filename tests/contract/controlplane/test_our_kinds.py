"""Our kinds on a control plane, made and read with the real kubectl, as people do."""

import asyncio
import json
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
import yaml

from controller.models import crds
from tests.repo import tree
from tests.support import controlplane, kubectl

pytestmark = pytest.mark.timeout(120)

EXAMPLE = (tree.ROOT / "examples" / "toolforge.yaml").read_text()
API = "apiVersion: components-api.toolforge.org/v1\n"
DEPLOYMENT = API + "kind: ToolDeployment\nmetadata: {name: d1}\nspec: {}\n"


def tool_config(spec: str, name: str = "demo-config") -> str:
    lines = "".join(f"  {line}\n" for line in spec.splitlines())
    return f"{API}kind: ToolConfig\nmetadata: {{name: {name}}}\nspec:\n{lines}"


@pytest.fixture
async def run(control_plane: controlplane.Access) -> AsyncIterator[kubectl.Kubectl]:
    """kubectl in a namespace of its own, our kinds being known."""
    found = kubectl.Kubectl(control_plane, await control_plane.namespace())
    for path in crds.manifests():
        await found.ok("apply", "--server-side", "-f", str(tree.ROOT / path))
    names = [f"crd/{it['metadata']['name']}" for it in crds.definitions()]
    await found.ok("wait", "--for=condition=Established", "--timeout=20s", *names)
    yield found
    found.close()


async def test_an_empty_spec_is_enough_and_the_table_shows_what_matters(
    run: kubectl.Kubectl,
) -> None:
    await run.ok("create", "-f", "-", text=DEPLOYMENT)
    status = {
        "status": {
            "status": "failed",
            "commit": "35b594f5d4",
            "message": "web: the build failed",
            "conditions": [
                {
                    "type": "Failed",
                    "status": "True",
                    "reason": "BuildFailed",
                    "message": "the build failed",
                    "lastTransitionTime": "2026-11-21T21:22:43Z",
                }
            ],
        }
    }
    await run.ok("patch", "td/d1", "--subresource=status", "--type=merge", "-p", json.dumps(status))
    head, row = (await run.ok("get", "tooldeployments")).splitlines()
    assert head.split() == ["NAME", "STATUS", "TRIGGER", "AGE", "COMMIT", "MESSAGE"]
    assert [*row.split()[:3], *row.split()[4:]] == (
        ["d1", "failed", "manual", "35b594f5d4", "web:", "the", "build", "failed"]
    )
    await run.ok("wait", "--for=condition=Failed", "--timeout=10s", "tooldeployment/d1")
    await run.ok("get", "td", "--field-selector", "status.status=failed")
    assert "d1" in await run.ok("get", "toolforge")


async def test_cancel_is_all_that_can_change(run: kubectl.Kubectl) -> None:
    await run.ok("create", "-f", "-", text=DEPLOYMENT)
    cancel = ("patch", "td/d1", "--type=merge", "-p")
    await run.ok(*cancel, '{"spec": {"cancel": true}}')
    for change in ({"cancel": False}, {"cancel": None}, {"force_run": True}, {"trigger": None}):
        refused = await run.run(*cancel, json.dumps({"spec": change}))
        if change == {"trigger": None}:
            assert refused.code == 0, "the default is what was there"
        else:
            assert "only cancel can change, from false to true" in refused.err


async def test_a_config_comes_back_as_it_was_sent(run: kubectl.Kubectl) -> None:
    await run.ok("create", "-f", "-", text=tool_config(EXAMPLE))
    shown = json.loads(await run.ok("get", "tc", "demo-config", "-o", "json"))
    assert shown["spec"] == yaml.safe_load(EXAMPLE)


async def test_a_mistake_made_by_hand_is_refused_in_our_words(run: kubectl.Kubectl) -> None:
    wrong = EXAMPLE.replace("      port: 8000\n", "")
    refused = await run.run("create", "-f", "-", text=tool_config(wrong))
    assert refused.code == 1
    assert "A tcp port must be set for health_check_http" in refused.err
    refused = await run.run("create", "-f", "-", text=tool_config(EXAMPLE, name="demo"))
    assert "another name would never be read" in refused.err


async def test_kubectl_explains_every_option(run: kubectl.Kubectl) -> None:
    explained = await run.ok("explain", "toolconfigs.spec.components.run.health_check_http")
    assert "Path that answers with success" in explained


async def test_ptd_stores_a_config_and_shows_it(
    run: kubectl.Kubectl, control_plane: controlplane.Access
) -> None:
    tool = f"t{secrets.token_hex(4)}"
    await run.ok("create", "namespace", f"tool-{tool}")
    access = ("--kubeconfig", str(control_plane.kubeconfig), "--tool", tool)
    example = str(tree.ROOT / "examples" / "toolforge.yaml")

    async def ptd(*arguments: str) -> str:
        command = [sys.executable, "-m", "controller", "config", *arguments, *access]
        done = await asyncio.to_thread(
            subprocess.run, command, check=False, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for _ in range(2):
        assert (await ptd("apply", example)).splitlines()[1] == (
            f"Stored the config of {tool}: 3 components (web, report, worker)."
        )
    assert yaml.safe_load(await ptd("show")) == yaml.safe_load(EXAMPLE)
