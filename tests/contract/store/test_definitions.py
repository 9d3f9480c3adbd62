"""Our definitions on a control plane of ours: installed once, updated when they change."""

import copy
import pathlib

import yaml

from controller.store import definitions
from tests.contract.store.conftest import CRDS, connected
from tests.support import controlplane

_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


async def test_a_definition_is_left_alone_when_it_is_the_same_and_updated_when_it_is_not(
    tmp_path: pathlib.Path,
) -> None:
    async with (
        controlplane.embedded(tmp_path) as access,
        connected(access.kubeconfig) as calls,
    ):
        definition = yaml.safe_load((CRDS / "tooldeployments.yaml").read_text())
        path = f"{_PATH}/{definition['metadata']['name']}"
        before = (await access.ask("GET", path)).body
        await definitions.install(calls, definition)
        same = (await access.ask("GET", path)).body
        assert same["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
        changed = copy.deepcopy(definition)
        changed["spec"]["names"]["shortNames"] = ["shorter"]
        await definitions.install(calls, changed)
        after = (await access.ask("GET", path)).body
        assert after["spec"]["names"]["shortNames"] == ["shorter"]
