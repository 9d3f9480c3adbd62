"""Deploying by hand: kubectl and `ptd` against a real `ptd local`, as a person would type it.

One program for all tests of this file, since its start is most of the time; each test has its own
deployment, in the order of the file.
"""

import asyncio
import hashlib
import hmac
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.support import kubectl
from tests.support.gitrepo import BareRepository
from tests.support.ptdlocal import PtdLocal, environment

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]

CONFIG = """\
config_version: v1beta1
components:
  web:
    component_type: continuous
    build: {{repository: {repository}, ref: main}}
    run: {{command: web}}
"""
EMPTY = """\
apiVersion: components-api.toolforge.org/v1
kind: ToolDeployment
metadata: {{name: {name}}}
spec: {{}}
"""
NOT_POLLED = '{"spec": {"auto_deploy": false}}'
PROCFILE = "web: python3 -c 'import time; print(\"ready\", flush=True); time.sleep(600)'\n"


@dataclass
class Desk:
    """A running `ptd local`, a repository, and a folder to write files in."""

    local: PtdLocal
    repository: BareRepository
    folder: Path

    async def run(self, *command: str, stdin: str = "") -> tuple[int, str]:
        """Exit code and output of a command that knows only the kubeconfig."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment() | {"KUBECONFIG": str(self.local.kubeconfig)},
        )
        output, _ = await process.communicate(stdin.encode())
        return process.returncode or 0, output.decode()

    async def kubectl(self, *words: str, stdin: str = "") -> str:
        """What kubectl printed; it must succeed."""
        code, said = await self.run(kubectl.program(), *words, stdin=stdin)
        assert code == 0, said
        return said

    async def ptd(self, *words: str) -> tuple[int, str]:
        """Exit code and output of `ptd`."""
        return await self.run(sys.executable, "-m", "controller", *words)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    repository = BareRepository.create(folder / "web.git")
    repository.commit({"Procfile": PROCFILE})
    local = PtdLocal(folder / "data")
    await local.start()
    config = CONFIG.format(repository=f"file://{repository.path}")
    (folder / "toolforge.yaml").write_text(config)
    yield Desk(local, repository, folder)
    await local.stop()


async def test_a_day_at_the_desk(desk: Desk) -> None:
    """One test: each chapter goes on where the one before ended."""
    await a_deployment_without_a_config_says_so(desk)
    await config_apply_stores_it_and_says_what(desk)
    await an_empty_deployment_deploys_and_kubectl_waits_for_it(desk)
    await describe_tells_the_story_in_events(desk)
    await logs_of_a_component_and_of_its_build(desk)
    await a_webhook_has_a_push_deployed_at_once(desk)
    await a_bad_config_made_by_hand_is_told_and_fails_what_uses_it(desk)
    await cancel_is_a_field_and_cannot_be_taken_back(desk)


async def a_deployment_without_a_config_says_so(desk: Desk) -> None:
    await desk.kubectl("create", "-f", "-", stdin=EMPTY.format(name="too-early"))
    await desk.kubectl("wait", "--for=condition=Failed", "td/too-early", "--timeout=20s")
    assert "tool demo has no config" in await desk.kubectl("get", "td", "too-early")


async def test_config_apply_for_a_tool_that_is_not_there_says_how_to_make_it(desk: Desk) -> None:
    file = str(desk.folder / "toolforge.yaml")
    code, said = await desk.ptd("config", "apply", "--local", "--tool", "nobody", file)
    assert code == 1
    assert "make one: kubectl create namespace tool-nobody" in said


async def config_apply_stores_it_and_says_what(desk: Desk) -> None:
    code, said = await desk.ptd("config", "apply", "--local", str(desk.folder / "toolforge.yaml"))
    assert (code, said.splitlines()[1]) == (
        0,
        "Stored the config of demo: 1 component (web).",
    )


async def an_empty_deployment_deploys_and_kubectl_waits_for_it(desk: Desk) -> None:
    await desk.kubectl("create", "-f", "-", stdin=EMPTY.format(name="by-hand"))
    await desk.kubectl("wait", "--for=condition=Complete", "td/by-hand", "--timeout=30s")
    header, row = (await desk.kubectl("get", "tooldeployments", "by-hand")).splitlines()
    assert header.split() == ["NAME", "STATUS", "TRIGGER", "AGE", "COMMIT", "MESSAGE"]
    commit = desk.repository.ref("refs/heads/main")[:10]
    assert re.fullmatch(
        rf"by-hand +successful +\S* +\d+s +{commit} +every component runs as configured", row
    )


async def describe_tells_the_story_in_events(desk: Desk) -> None:
    said = await desk.kubectl("describe", "td", "by-hand")
    for line in (r"BuildStarted .* web is built by \S+ of ", r"Deployed .* \(web created\)"):
        assert re.search(rf"Normal\s+{line}", said), said


async def logs_of_a_component_and_of_its_build(desk: Desk) -> None:
    code, said = await desk.ptd("logs", "web", "--tail", "5")
    assert (code, said.strip().endswith("ready")) == (0, True), said
    code, said = await desk.ptd("logs", "web", "--build")
    assert (code, "Fetching" in said) == (0, True), said
    code, said = await desk.ptd("logs", "nothing")
    assert (code, "nothing" in said) == (1, True), said


async def a_webhook_has_a_push_deployed_at_once(desk: Desk) -> None:
    polled = CONFIG.format(repository=f"file://{desk.repository.path}")
    (desk.folder / "polled.yaml").write_text(polled + "auto_deploy: true\npoll_interval: 1h\n")
    code, said = await desk.ptd("config", "apply", "--local", str(desk.folder / "polled.yaml"))
    assert code == 0, said
    code, said = await desk.ptd("webhook")
    assert code == 0, said
    url, secret = (re.search(rf"{name}: +(\S+)", said) for name in ("URL", "Secret"))
    assert url is not None
    assert secret is not None
    assert (await desk.ptd("webhook"))[1] == said  # the same one again
    assert "For curl, name the plain one" in said
    code, plain = await desk.ptd("webhook", "--api", "http://127.0.0.1:1/components")
    assert (code, "URL:          http://127.0.0.1:1/components/v1/" in plain) == (0, True)
    assert "For curl" not in plain

    commit = desk.repository.commit({"Procfile": PROCFILE, "new": "1"})
    body = json.dumps({"ref": "refs/heads/main", "after": commit}).encode()
    signature = hmac.new(secret[1].encode(), body, hashlib.sha256).hexdigest()
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            url[1],
            data=body,
            headers={"X-Hub-Signature-256": f"sha256={signature}"},
            ssl=False,
        ) as answer,
    ):
        assert answer.status == 202, await answer.text()
    async with asyncio.timeout(10):
        while commit not in await desk.kubectl("get", "td", "-o", "jsonpath={..spec.trigger}"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await desk.kubectl("patch", "tc", "demo-config", "--type=merge", "-p", NOT_POLLED)


async def a_bad_config_made_by_hand_is_told_and_fails_what_uses_it(desk: Desk) -> None:
    before = await desk.kubectl("get", "tc", "demo-config", "-o", "jsonpath={.spec}")
    run = {"run": {"command": "web"}}
    circle = {"a": {"build": {"reuse_from": "b"}} | run, "b": {"build": {"reuse_from": "a"}} | run}
    changed = json.dumps({"spec": {"components": circle}})
    await desk.kubectl("patch", "tc", "demo-config", "--type=merge", "-p", changed)
    valid = "--for=condition=Valid=false"
    await desk.kubectl("wait", valid, "tc/demo-config", "--timeout=20s")
    await desk.kubectl("create", "-f", "-", stdin=EMPTY.format(name="circle"))
    await desk.kubectl("wait", "--for=condition=Failed", "td/circle", "--timeout=20s")
    reason = await desk.kubectl("get", "td", "circle", "-o", "jsonpath={.status.failure.reason}")
    assert reason == "ConfigInvalid"
    restored = f'[{{"op":"replace","path":"/spec","value":{before}}}]'
    await desk.kubectl("patch", "tc", "demo-config", "--type=json", "-p", restored)


async def cancel_is_a_field_and_cannot_be_taken_back(desk: Desk) -> None:
    desk.repository.commit(
        {"Procfile": PROCFILE, "requirements.txt": "", "pyproject.toml": "[project]\n"}
    )
    await desk.kubectl("create", "-f", "-", stdin=EMPTY.format(name="stopped"))
    patch = ("patch", "td", "stopped", "--type=merge", "-p")
    await desk.kubectl(*patch, '{"spec":{"cancel":true}}')
    await desk.kubectl("wait", "--for=condition=Failed", "td/stopped", "--timeout=30s")
    status = await desk.kubectl("get", "td", "stopped", "-o", "jsonpath={.status.status}")
    assert status == "cancelled"
    code, said = await desk.run(kubectl.program(), *patch, '{"spec":{"cancel":false}}')
    assert (code, "only cancel can change" in said) == (1, True), said


async def test_what_ran_before_is_listed_and_deployed_again(desk: Desk) -> None:
    await desk.ptd("config", "apply", "--local", str(desk.folder / "toolforge.yaml"))
    commits = []
    for number in "12":
        commits.append(desk.repository.commit({"Procfile": PROCFILE, "round": number}))
        code, said = await desk.ptd("deploy", "--wait")
        assert code == 0, said
    code, said = await desk.ptd("rollback", "--wait")
    assert code == 0, said
    first, second, *_ = said.splitlines()
    assert re.fullmatch(r"going back to \S+, with the config as it is now", first)
    assert second == f"  web              {commits[0][:10]}  instead of {commits[1][:10]}"
    code, said = await desk.ptd("list", "--limit", "2")
    _, newest, older, *_ = said.splitlines()
    assert (code, newest[0], older[0]) == (0, "*", " "), said
    assert (commits[0][:10] in newest, commits[1][:10] in older) == (True, True), said


async def test_a_deploy_token_is_printed_once_and_revoked(desk: Desk) -> None:
    code, said = await desk.ptd("token", "create")
    token = said.split()[0]
    assert (code, token) == (0, (await desk.local.secret("deploy-token")).data["token"].decode())
    code, again = await desk.ptd("token", "create")
    assert (code, "`ptd token create --rotate`" in again) == (1, True), again
    code, shown = await desk.ptd("token", "show")
    assert (code, "demo has a deploy token, made " in shown) == (0, True), shown
    code, revoked = await desk.ptd("token", "revoke")
    assert (code, "is revoked" in revoked) == (0, True), revoked
    assert token not in again + shown + revoked + desk.local.log()
