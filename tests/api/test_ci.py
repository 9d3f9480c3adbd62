"""The GitLab component and the GitHub action: their scripts run as a runner would run them."""

import asyncio
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.models.tooldeployment import State
from controller.store import kinds
from tests.api.service import CONFIG, Service
from tests.api.test_clients import HEALTH, LOST, Ran, asked, ended, waits

pytestmark = pytest.mark.timeout(120)

CI = Path(__file__).parents[2] / "examples/ci"
COMMIT = "c" * 40
GITLAB = {
    "CI_JOB_ID": "71",
    "CI_COMMIT_SHA": COMMIT,
    "CI_PIPELINE_URL": "https://gitlab.example.org/p/1",
}
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_RUN_ID": "9",
    "GITHUB_RUN_ATTEMPT": "1",
    "GITHUB_SHA": COMMIT,
    "GITHUB_SERVER_URL": "https://github.example.org",
    "GITHUB_REPOSITORY": "me/demo",
}


@dataclass
class Runner:
    """What runs a job: a shell, the job's script and its variables."""

    kind: str
    folder: Path
    service: Service
    inputs: dict[str, str]
    token: str
    files: dict[str, str] = field(default_factory=dict)

    def job(self) -> tuple[str, dict[str, str]]:
        """The script and its variables, after the inputs were put in."""
        if self.kind == "gitlab":
            return _gitlab(self.inputs, GITLAB | {"CI_PROJECT_NAME": self.service.tool})
        found = {name: str(self.folder / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        self.files = found
        inputs = {name.replace("_", "-"): value for name, value in self.inputs.items()}
        return _github({**inputs, "token": self.token}, {**GITHUB, **found})

    async def start(self, unset: str = "") -> asyncio.subprocess.Process:
        script, variables = self.job()
        if self.kind == "gitlab" and self.token:
            variables["DEPLOY_TOKEN"] = self.token
        variables.pop(unset, None)
        # A runner's shell ends at the first command that fails.
        return await asyncio.create_subprocess_exec(
            *("sh", "-e", "-c", script),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=self.folder,
            env={"PATH": os.defpath, **variables},
        )

    async def run(self, unset: str = "") -> Ran:
        return await ended(await self.start(unset))


def _gitlab(inputs: Mapping[str, str], given: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    text = (CI / "gitlab/deploy.yml").read_text()
    header, _, rest = text.partition("\n---\n")
    known = yaml.safe_load(header)["spec"]["inputs"]
    values = {name: inputs.get(name, spec.get("default")) for name, spec in known.items()}
    assert None not in values.values(), "an input without a default was not given"
    filled = re.sub(r"\$\[\[ inputs\.(\w+) \]\]", lambda m: str(values[m[1]]), rest)
    (job,) = yaml.safe_load(filled).values()
    variables = {name: _expanded(value, given) for name, value in job["variables"].items()}
    return "\n".join(job["script"]), {**given, **variables}


def _expanded(value: str, given: Mapping[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda m: given.get(m[1], ""), value or "")


def _github(inputs: Mapping[str, str], given: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    action = yaml.safe_load((CI / "github/action.yml").read_text())
    (step,) = action["runs"]["steps"]
    values = {
        f"inputs.{n}": inputs.get(n, spec.get("default")) for n, spec in action["inputs"].items()
    }
    values["github.action_path"] = str(CI / "github")
    assert "${{" not in step["run"], "an expression in a script runs what a stranger wrote"

    def filled(text: str) -> str:
        return re.sub(r"\$\{\{ ([\w.-]+) \}\}", lambda m: str(values[m[1]] or ""), text)

    return step["run"], {**given, **{name: filled(text) for name, text in step["env"].items()}}


@pytest.fixture(params=["gitlab", "github"])
async def runner(request: pytest.FixtureRequest, service: Service, tmp_path: Path) -> Runner:
    """A runner with a job for a tool that has a config and a deploy token."""
    assert (await service.ask("POST", "config", CONFIG)).status == 200
    token = (await service.ask("POST", "deployment/token")).data["token"]
    inputs = {"api": str(service.client.make_url("/")), "tool": service.tool}
    return Runner(request.param, tmp_path, service, inputs, token)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ({"status": State.SUCCESSFUL}, 0),
        ({"status": State.FAILED, "failure": HEALTH}, 1),
        ({"status": State.FAILED, "failure": LOST}, 6),
    ],
    ids=["green", "red", "red for the platform"],
)
async def test_the_job_is_as_the_deployment(
    runner: Runner, status: dict[str, Any], code: int
) -> None:
    runner.inputs["components"] = "web"
    running = await runner.start()
    name = await asked(runner.service)
    await waits(runner.service)
    found = await runner.service.deployment(name)
    assert found.spec.trigger.commits == {"web": COMMIT}
    await runner.service.set_status(name, **status)
    ran = await ended(running)
    assert ran.code == code, ran
    if runner.kind == "gitlab":
        assert (runner.folder / "deploy-junit.xml").is_file()
        assert f"DEPLOY_EXIT_CODE={code}\n" in (runner.folder / "deploy.env").read_text()
        assert runner.token not in ran.out + ran.err
    else:
        outputs = Path(runner.files["GITHUB_OUTPUT"]).read_text().splitlines()
        assert {f"deploy-id={name}", f"status={status['status'].value}"} <= set(outputs)
        assert f"exit-code={code}" in outputs
        summary = Path(runner.files["GITHUB_STEP_SUMMARY"]).read_text()
        assert name in summary
        assert runner.token not in summary
        assert ran.out.count(runner.token) == 1  # the mask itself
        assert (code == 0) == ("::error" not in ran.out)


async def test_a_missing_token_is_a_red_job_with_a_sentence(runner: Runner) -> None:
    runner.token = ""
    ran = await runner.run()
    assert ran.code == 3
    assert "No deploy token: set DEPLOY_TOKEN" in ran.out + ran.err
    assert await runner.service.store.list(kinds.DEPLOYMENTS, runner.service.tool) == []


async def test_a_missing_token_is_skipped_only_where_that_was_said(runner: Runner) -> None:
    runner.token = ""
    runner.inputs["when_no_token"] = "skip"
    ran = await runner.run()
    assert (ran.code, "Nothing was deployed" in ran.out + ran.err) == (0, True)


@pytest.mark.parametrize("unset", ["DEPLOY_API", "DEPLOY_TOOL", "DEPLOY_TOKEN", "DEPLOY_TIMEOUT"])
async def test_no_variable_that_is_not_set_makes_a_green_job(runner: Runner, unset: str) -> None:
    ran = await runner.run(unset)
    assert ran.code in (2, 3), ran
    assert len((ran.out + ran.err).strip()) > 20
    assert await runner.service.store.list(kinds.DEPLOYMENTS, runner.service.tool) == []


async def test_the_tool_is_the_project_unless_it_is_said(service: Service, tmp_path: Path) -> None:
    runner = Runner("gitlab", tmp_path, service, {"api": "http://127.0.0.1:1"}, "x")
    assert runner.job()[1]["DEPLOY_TOOL"] == service.tool
