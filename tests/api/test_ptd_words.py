"""What `ptd` says of a deployment: each thing once, and what runs apart from what was asked for."""

import asyncio
import calendar
import json
import sys
import time
from pathlib import Path

import pytest

from controller.models.reasons import Owner, Reason
from controller.models.tooldeployment import (
    BuildRecord,
    Failure,
    KeptRunning,
    State,
    ToolDeploymentStatus,
)
from controller.store import kinds
from tests.api.service import CONFIG, Service
from tests.api.test_clients import Ran, asked, ended, waits

pytestmark = pytest.mark.timeout(60)

OLD, NEW = "20260101-000000-abcdefghij", "20260102-000000-abcdefghij"
WHY = "build b1 of web: the history of main does not hold commit aaaa"
FAILURE = Failure(
    reason=Reason.BUILD_FAILED,
    owner=Owner.USER,
    message=WHY,
    hint="Read the log.",
    component="web",
    log_tail=("Fetching aaaa", "build failed: the history of main does not hold commit aaaa"),
)


@pytest.fixture
async def tool(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """A tool with a config, as a CI job reaches it."""
    assert (await service.ask("POST", "config", CONFIG)).status == 200
    monkeypatch.setenv("DEPLOY_API", str(service.client.make_url("/")))
    monkeypatch.setenv("DEPLOY_TOOL", service.tool)
    monkeypatch.setenv(
        "DEPLOY_TOKEN", (await service.ask("POST", "deployment/token")).data["token"]
    )
    return service


async def start(*words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "controller", *words),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )


async def ptd(*words: str) -> Ran:
    return await ended(await start(*words))


async def made(service: Service, name: str, state: State, **status: object) -> None:
    """A deployment in a state."""
    await service.store.create(kinds.DEPLOYMENTS, service.tool, name, {})
    await service.set_status(name, status=state, **status)


async def test_why_a_deployment_failed_is_said_once(tool: Service) -> None:
    running = await start("deploy", "--wait")
    name = await asked(tool)
    await waits(tool)
    await tool.set_status(name, status=State.RUNNING, message=WHY, failure=FAILURE)
    await asyncio.sleep(0.2)
    await waits(tool)
    await tool.set_status(name, status=State.FAILED, message=WHY, failure=FAILURE)
    ran = await ended(running)
    assert ran.err.count("does not hold commit") == 1, ran.err
    told = ran.err.splitlines()
    start_of_end = told.index(f"{name}: failed: {WHY}")
    assert told[start_of_end - 1].endswith(f"{name} failed")
    assert told[start_of_end + 1 :] == [
        "  reason: build-failed",
        "  owner: user",
        "  component: web",
        "  the last lines of its log:",
        "    Fetching aaaa",
        "  Read the log.",
    ]


async def test_moments_are_told_in_utc_wherever_one_sits(
    tool: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")  # half an hour apart from every whole zone
    await made(tool, NEW, State.SUCCESSFUL)
    before = calendar.timegm(time.gmtime())
    told = (await ptd("wait", NEW)).err.split()[0]
    moments = [time.gmtime(before + seconds) for seconds in range(60)]
    assert told in [time.strftime("%H:%M:%SZ", moment) for moment in moments]


async def test_nothing_that_others_wrote_commands_the_terminal(tool: Service) -> None:
    commands = FAILURE.model_copy(
        update={"message": "no\x1b[2Jthing\x07", "log_tail": ("10%\r100%", "\x1b]0;x\x07end")}
    )
    await made(tool, NEW, State.FAILED, message=commands.message, failure=commands)
    for words in (("status",), ("wait", NEW)):
        ran = await ptd(*words)
        lines = (ran.out + ran.err).splitlines()
        assert {"    100%", "    end"} <= set(lines), lines
        assert [line for line in lines if not line.isprintable()] == []


async def test_a_cancel_is_said_as_a_person_would(tool: Service) -> None:
    await made(tool, NEW, State.RUNNING)
    ran = await ptd("cancel", NEW)
    assert (ran.code, ran.out) == (
        0,
        f"{NEW} is being cancelled; `ptd wait {NEW}` waits for it.\n",
    )
    await tool.set_status(NEW, status=State.CANCELLED, message="cancelled")
    ran = await ptd("wait", NEW)
    assert (ran.code, ran.err.splitlines()[1:]) == (4, [f"{NEW}: cancelled"])


async def test_a_cancel_that_is_waited_for_ends_in_that_word(tool: Service) -> None:
    await made(tool, NEW, State.RUNNING)
    cancelling = await start("cancel", NEW, "--wait")
    await waits(tool)
    await tool.set_status(NEW, status=State.CANCELLED, message="cancelled")
    ran = await ended(cancelling)
    assert (ran.code, ran.out) == (0, f"{NEW}: cancelled\n")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.CANCELLED, f"{NEW} is cancelled already."),
        (State.SUCCESSFUL, f"{NEW} is over (it was successful): there is nothing to cancel."),
        (State.FAILED, f"{NEW} is over (it failed): there is nothing to cancel."),
        (State.TIMED_OUT, f"{NEW} is over (it timed out): there is nothing to cancel."),
    ],
)
async def test_what_is_over_is_not_cancelled(tool: Service, state: State, words: str) -> None:
    await made(tool, NEW, state)
    ran = await ptd("cancel", "latest")
    assert (ran.code, ran.err) == (1, f"{words}\n")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.RUNNING, f"{NEW} is not over yet; `ptd wait {NEW}` waits for it."),
        (State.SUCCESSFUL, f"{NEW} was successful; `ptd deploy` deploys the tool anew."),
    ],
)
async def test_what_has_not_failed_is_not_retried(tool: Service, state: State, words: str) -> None:
    await made(tool, NEW, state)
    ran = await ptd("retry")
    assert (ran.code, ran.err) == (1, f"{words}\n")


@pytest.mark.usefixtures("tool")
async def test_a_commit_that_is_no_full_sha_is_refused_before_anybody_is_asked() -> None:
    ran = await ptd("deploy", "--commit", "web=main")
    assert (ran.code, ran.err.splitlines()[-1]) == (
        2,
        "Error: --commit web=main: this is no full commit SHA (40 or 64 digits of 0-9 and a-f); "
        "`git rev-parse REF` prints it",
    )


@pytest.mark.parametrize(
    ("state", "kept"),
    [(State.SUCCESSFUL, None), (State.FAILED, KeptRunning(deploy_id=OLD, commits={"web": "b"}))],
)
async def test_status_for_machines_says_what_runs(
    tool: Service, state: State, kept: KeptRunning | None
) -> None:
    status = ToolDeploymentStatus(builds={"web": BuildRecord(commit="a" * 40)})
    await made(tool, NEW, state, builds=status.builds, kept_running=kept)
    ran = await ptd("status", "--json")
    runs = {"deploy_id": NEW, "commits": {"web": "a" * 40}}
    assert json.loads(ran.out)["running"] == (kept.model_dump() if kept else runs)
