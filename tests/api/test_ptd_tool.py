"""`ptd list`, `rollback` and `token` at an address: as the tool by certificate, or with a token."""

from pathlib import Path

import pytest
import yaml

from controller.models.tooldeployment import BuildRecord, State
from controller.settings import Settings
from tests.api.service import Service, connected
from tests.api.test_ptd_api import running
from tests.api.test_ptd_words import NEW, OLD, made, ptd, tool
from tests.support import controlplane
from tests.support.certificates import Authority

pytestmark = pytest.mark.timeout(60)
__all__ = ["tool"]


@pytest.mark.parametrize("words", [("list",), ("rollback",), ("token", "create")])
async def test_a_deploy_token_is_not_the_tool(
    tool: Service, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert tool.tool
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    ran = await ptd(*words)
    assert (ran.code, ran.out) == (3, "")
    for said in ("a deploy token is not that", f"no file {tmp_path / 'none'}", "unset DEPLOY_API"):
        assert said in ran.err


async def test_a_deploy_token_goes_back_to_what_is_named(tool: Service) -> None:
    builds = {"web": BuildRecord(commit="a" * 40)}
    await made(tool, OLD, State.SUCCESSFUL, builds=builds)
    await made(tool, NEW, State.FAILED)
    ran = await ptd("rollback", NEW)
    assert (ran.code, ran.err.splitlines()[0]) == (
        1,
        f"{NEW} has failed: it is nothing to go back to",
    )
    ran = await ptd("rollback", OLD)
    assert ran.code == 0, ran.err
    spec = (await tool.deployment(ran.out.strip())).spec
    assert (dict(spec.trigger.commits), spec.description) == (
        {"web": "a" * 40},
        f"Rollback to {OLD}",
    )


async def test_a_certificate_of_the_kubeconfig_is_the_tool(
    control_plane: controlplane.Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    settings = Settings(kubeconfig=control_plane.kubeconfig, api_port=0, **authority.of_the_api())
    crt, private = authority.issue("web")
    cluster = {"server": "https://127.0.0.1:1", "certificate-authority": str(authority.certificate)}
    user = {"client-certificate": str(crt), "client-key": str(private)}
    file = {
        "clusters": [{"name": "x", "cluster": cluster}],
        "users": [{"name": "x", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "current-context": "x",
    }
    (tmp_path / "mine").write_text(yaml.safe_dump(file))
    async with connected(control_plane.kubeconfig), running(settings) as api:
        for name, value in {
            "KUBECONFIG": str(tmp_path / "mine"),
            "DEPLOY_API": api.url,
            "DEPLOY_TOOL": "web",
        }.items():
            monkeypatch.setenv(name, value)
        found = await ptd("token", "show")
        assert (found.code, found.err.splitlines()[0]) == (1, "web has no deploy token"), found
        listed = await ptd("list")
        assert (listed.code, listed.err) == (0, ""), listed
