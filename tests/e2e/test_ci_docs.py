"""Every snippet of docs/ci.md, executed against a running `ptd local`."""

import asyncio
import json
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.models.reasons import Reason
from controller.models.tooldeployment import State
from tests.repo import tree
from tests.support.gitrepo import BareRepository
from tests.support.ptdlocal import TOOL, PtdLocal

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

PAGE = tree.text(Path("docs/ci.md"))
CLIENT = tree.ROOT / "examples/ci/ptd-deploy.sh"
PROCFILE = "web: python3 -c 'import time; print(1, flush=True); time.sleep(600)'\n"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"(?ms)^```{kind}\n(.*?)^```", PAGE)


@dataclass
class Job:
    """A folder of a CI job, and its variables."""

    folder: Path
    variables: Mapping[str, str]
    number: int = 70

    async def run(self, script: str) -> tuple[int, str]:
        """Run a snippet as a job of its own; its exit code, and what it printed."""
        self.number += 1
        process = await asyncio.create_subprocess_exec(
            *("bash", "-euo", "pipefail", "-c", script),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self.folder,
            env={**self.variables, "CI_JOB_ID": str(self.number)},
        )
        out, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, out.decode()


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[PtdLocal]:
    """A `ptd local` with one component, built from a repository on disk."""
    bare = BareRepository.create(tmp_path / "web.git", "main")
    bare.commit({"Procfile": PROCFILE})
    running = PtdLocal(tmp_path / "data")
    await running.start()
    build = {"repository": f"file://{bare.path}", "ref": "main"}
    await running.configure({"components": {"web": {"build": build, "run": {"command": "web"}}}})
    yield running
    await running.stop()


@pytest.fixture
async def job(local: PtdLocal, tmp_path: Path) -> Job:
    """A job with `ptd` and curl on its path, and the three variables.

    The token is the one that the page's first snippet makes.
    """
    folder = tmp_path / "job"
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin/ptd"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{tree.ROOT}" exec {sys.executable} -m controller "$@"\n'
    )
    program.chmod(0o755)
    shutil.copy(CLIENT, folder)
    found = re.search(r"http://127\.0\.0\.1:\d+", local.log())
    assert found, local.log()
    variables = {
        "PATH": f"{folder / 'bin'}:{os.defpath}",
        "HOME": str(folder),
        "KUBECONFIG": str(local.kubeconfig),
    }
    code, said = await Job(folder, variables).run(blocks("sh")[0])
    token = (folder / "token").read_text().strip()
    assert (code, token in said) == (0, False), said
    reached = {"DEPLOY_API": f"{found[0]}/components", "DEPLOY_TOOL": TOOL, "DEPLOY_TOKEN": token}
    return Job(folder, {**variables, **reached})


async def test_every_snippet_does_what_it_says(job: Job, local: PtdLocal) -> None:
    snippets = blocks("sh")[1:]
    assert len(snippets) == 7
    # What curl made is what the last snippet looks at.
    for script in (*snippets[:5], f"{snippets[5]}\n{snippets[6]}"):
        code, said = await job.run(script)
        assert code == 0, f"{script}\n{said}\n{local.log()}"
        assert job.variables["DEPLOY_TOKEN"] not in said
    found = await local.deployments()
    assert {each.status.status for each in found} == {State.SUCCESSFUL}
    variables = (job.folder / "deploy.env").read_text().splitlines()
    assert "DEPLOY_STATE=successful" in variables


async def test_a_failure_is_told_as_the_page_shows_it(job: Job, local: PtdLocal) -> None:
    (example,) = (json.loads(text) for text in blocks("json"))
    assert (await job.run(blocks("sh")[2]))[0] == 0  # something that goes on running
    build = {"repository": f"file://{job.folder.parent}/web.git", "ref": "nope"}
    await local.configure({"components": {"web": {"build": build, "run": {"command": "web"}}}})
    code, said = await job.run("ptd deploy --wait --json 2>/dev/null")
    told: dict[str, Any] = json.loads(said)
    assert (code, told["reason"], told["owner"], told["exit_code"]) == (
        1,
        Reason.REF_NOT_FOUND.slug,
        "user",
        1,
    )
    known = {*example, "started_at", "finished_at", "deadline", "messages", "exit_code"}
    assert set(told) <= known
    assert set(told) >= {"type", "title", "status", "detail", "hint", "component", "kept_running"}
    shell, words = await job.run("sh ptd-deploy.sh deploy")
    assert (shell, told["detail"] in words, told["hint"] in words) == (1, True, True)


def test_the_yaml_of_the_page_uses_inputs_that_exist() -> None:
    gitlab, github = (yaml.safe_load(text) for text in blocks("yaml"))
    header = (tree.ROOT / "examples/ci/gitlab/deploy.yml").read_text().partition("\n---\n")[0]
    inputs = yaml.safe_load(header)["spec"]["inputs"]
    (included,) = gitlab["include"]
    needed = {name for name, spec in inputs.items() if "default" not in spec}
    assert needed <= set(included["inputs"]) <= set(inputs)
    action = yaml.safe_load((tree.ROOT / "examples/ci/github/action.yml").read_text())
    (step,) = github["steps"]
    needed = {name for name, spec in action["inputs"].items() if spec["required"]}
    assert needed <= set(step["with"]) <= set(action["inputs"])
    named = re.search(r"Outputs: (.*?)\.", PAGE)
    assert named
    assert re.findall(r"`([\w-]+)`", named[1]) == list(action["outputs"])
