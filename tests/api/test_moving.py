"""Moving: tokens of the existing components-api are taken over, backups can be applied again."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from tests.api.service import CONFIG, Service
from tests.gate import environment, kubectl
from tests.support import controlplane

GROUP = "components-api.toolforge.org"
MOVING = environment.ROOT / "manifests" / "moving"
TAKE_OVER = "./deploy-tokens.sh"
# As the existing service defines it.
DEFINITION = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"deploytokens.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"kind": "DeployToken", "plural": "deploytokens", "singular": "deploytoken"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}


async def run(access: controlplane.Access, home: Path, commands: str) -> str:
    """Run commands as an operator does, in the folder of the scripts; their output."""
    path = os.pathsep.join((str(kubectl.find().parent), os.environ["PATH"]))  # noqa: TID251
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", commands),
        cwd=MOVING,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": path, "KUBECONFIG": str(access.kubeconfig), "HOME": str(home)},
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()


async def stored(access: controlplane.Access, path: str, body: dict[str, Any]) -> None:
    """Store an object."""
    answer = await access.ask("POST", path, json.loads(json.dumps(body)))
    assert answer.status in (201, 409), answer.raw


async def test_a_token_of_the_existing_service_goes_on_working(
    control_plane: controlplane.Access, service: Service, tmp_path: Path
) -> None:
    await stored(
        control_plane, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", DEFINITION
    )
    namespace = f"tool-{service.tool}"
    old = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "DeployToken",
        "metadata": {"name": service.tool, "namespace": namespace},
        "spec": {"token": "5e0c35a2-old", "creation_date": "2026-05-01T12:00:00.000000Z"},
    }
    await stored(control_plane, f"/apis/{GROUP}/v1/namespaces/{namespace}/deploytokens", old)
    assert await run(control_plane, tmp_path, TAKE_OVER) == f"{namespace}: taken over\n"
    assert await run(control_plane, tmp_path, TAKE_OVER) == f"{namespace}: has one already, kept\n"
    answer = await service.ask("GET", "deployment/token")
    assert answer.data == {
        "token": "5e0c35a2-old",
        "creation_date": "2026-05-01T12:00:00.000000Z",
    }


async def test_a_backup_of_configs_and_tokens_can_be_applied_again(
    control_plane: controlplane.Access, service: Service, tmp_path: Path
) -> None:
    assert (await service.ask("POST", "config", CONFIG)).status == 200
    token = (await service.ask("POST", "deployment/token")).data
    config = (await service.ask("GET", "config")).data
    keep = "kubectl get {0} -A -o json | ./portable.py > {1}/{2}.yaml"
    tokens = "secrets --field-selector=metadata.name=deploy-token"
    await run(control_plane, tmp_path, keep.format("toolconfigs", tmp_path, "configs"))
    await run(control_plane, tmp_path, keep.format(tokens, tmp_path, "tokens"))
    assert (await service.ask("DELETE", "config")).status == 200
    assert (await service.ask("DELETE", "deployment/token")).status == 200
    apply = f"kubectl apply --server-side -f {tmp_path}/configs.yaml -f {tmp_path}/tokens.yaml"
    await run(control_plane, tmp_path, apply)
    assert (await service.ask("GET", "config")).data == config
    assert (await service.ask("GET", "deployment/token")).data == token
