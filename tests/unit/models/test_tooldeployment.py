"""Deployments read back: ours, the older service's, and what another version wrote."""

from typing import Any

from controller.models.tooldeployment import ToolDeployment

METADATA = {
    "name": "20261121-212243-tjjijwzt46",
    "namespace": "tool-demo",
    "creationTimestamp": "2026-11-21T21:22:43Z",
}


def read(**parts: Any) -> ToolDeployment:
    return ToolDeployment.model_validate({"metadata": METADATA} | parts)


def test_an_empty_spec_asks_for_a_deployment() -> None:
    deployment = read(spec={})
    assert (deployment.final, deployment.is_history) == (False, False)


def test_an_object_of_the_older_service_is_history_and_stays_readable() -> None:
    old = {
        "deploy_id": "20250703-075322-5zxh2hip26",
        "creation_time": "20250703-075322",
        "description": "x" * 10_000,
        "builds": {"web": {"build_id": "no-build-needed", "build_status": "skipped"}},
        "runs": {"web": {"run_status": "successful"}},
        "tool_config": {"components": {"Bad_Name": {}}},
        "status": "running",
        "long_status": "Started at 2025-07-03 07:53:22+00:00",
        "force_build": False,
        "force_run": False,
    }
    deployment = read(spec=old)
    assert (deployment.final, deployment.is_history) == (True, True)
    assert deployment.spec.model_dump(by_alias=True, exclude_unset=True) == old


def test_a_snapshot_that_cannot_be_read_does_not_hide_the_deployment() -> None:
    deployment = read(spec={}, status={"status": "successful", "tool_config": {"x": 1}})
    assert (deployment.status.status, deployment.status.tool_config) == ("successful", None)


def test_a_snapshot_with_an_address_of_this_machine_is_read() -> None:
    build = {"repository": "file:///srv/git/demo.git", "ref": "main"}
    snapshot = {"components": {"web": {"build": build, "run": {"command": "x"}}}}
    deployment = read(spec={}, status={"status": "running", "tool_config": snapshot})
    assert deployment.status.tool_config is not None
    assert deployment.status.tool_config.model_dump(exclude_unset=True) == snapshot
