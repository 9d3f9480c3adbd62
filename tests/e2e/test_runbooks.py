"""Every command of the runbooks that claims to run against `ptd local` runs against it."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gate import environment as gate
from tests.gate import kubectl
from tests.support import runbooks
from tests.support.gitrepo import BareRepository
from tests.support.ptdlocal import TOOL, PtdLocal, environment

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SLOW = "web: python3 -c 'import time; time.sleep(600)'\n"
METRICS = "kubectl get --raw /ptd/metrics"


@pytest.fixture
async def ptd(tmp_path: Path) -> AsyncIterator[PtdLocal]:
    """A `ptd local` with a config that is polled, and a deployment that has ended."""
    bare = BareRepository.create(tmp_path / "web.git", "main")
    bare.commit({"Procfile": SLOW})
    local = PtdLocal(tmp_path / "data")
    await local.start()
    build = {"repository": f"file://{bare.path}", "ref": "main"}
    component = {"build": build, "run": {"command": "web"}}
    await local.configure({"auto_deploy": True, "components": {"web": component}})
    await local.deploy("d1")
    await local.ended("d1")
    yield local
    await local.stop()


async def run(ptd: PtdLocal, commands: str) -> tuple[int, str]:
    """Paste the commands into a shell of the README's making; exit code and output."""
    folders = (str(kubectl.find().parent), str(Path(sys.executable).parent))
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", commands),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=gate.ROOT,
        env=environment()
        | {"PATH": os.pathsep.join((*folders, os.environ["PATH"]))}
        | {"KUBECONFIG": str(ptd.kubeconfig), "HOME": str(ptd.folder.parent)}
        | {"METRICS": METRICS, "TOOL": TOOL, "DEPLOYMENT": "d1"},
    )
    async with asyncio.timeout(30):
        out, _ = await process.communicate()
    return process.returncode or 0, out.decode()


def commands() -> dict[str, str]:
    """Page and number → block that runs against `ptd local`; each different block once."""
    pages = {"README": runbooks.index()} | runbooks.pages()
    found = {
        f"{page}-{number}": text
        for page, content in pages.items()
        for number, (info, text) in enumerate(runbooks.blocks(content))
        if info == "sh"
    }
    first = {text: place for place, text in reversed(found.items())}
    return {place: text for place, text in found.items() if first[text] == place}


async def test_every_command_of_the_runbooks_runs(ptd: PtdLocal) -> None:
    places = asyncio.Semaphore(4)

    async def tried(place: str, text: str) -> str:
        async with places:
            code, out = await run(ptd, text)
        return "" if code == 0 else f"{place}: exit code {code}\n{text}{out}"

    results = await asyncio.gather(*(tried(*each) for each in commands().items()))
    assert len(results) > 25
    assert "\n".join(filter(None, results)) == ""


async def test_the_metrics_of_a_running_system_are_those_of_the_docs(ptd: PtdLocal) -> None:
    _, scraped = await run(ptd, METRICS)
    page = (gate.ROOT / "docs/metrics.md").read_text()
    documented = dict(re.findall(r"(?m)^\| `(ptd_\w+)` \| (\w+) \|", page))
    shown = dict(re.findall(r"(?m)^# TYPE (ptd_\w+) (\w+)$", scraped))
    created = {name for name in shown if name.endswith("_created")}
    plain = {name: kind for name, kind in shown.items() if name not in created}
    assert plain == {n: "gauge" if k == "info" else k for n, k in documented.items()}


async def test_a_command_that_does_not_run_is_noticed(ptd: PtdLocal) -> None:
    assert (await run(ptd, "$METRICS | grep ptd_no_such_metric\n"))[0] != 0
    assert (await run(ptd, "kubectl get nosuchthings -A\n"))[0] != 0
    assert (await run(ptd, "kubectl get nosuchthings -A | cat\n"))[0] != 0
