"""The two clients of CI, `ptd` and `examples/ci/ptd-deploy.sh`, under the same tests."""

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import sys
import termios
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from controller.models.reasons import Owner, Reason
from controller.models.tooldeployment import Failure, State, ToolDeploymentStatus
from controller.store import kinds
from tests.api.service import CONFIG, Service

pytestmark = pytest.mark.timeout(120)

ROOT = Path(__file__).parents[2]
SCRIPT = str(ROOT / "examples/ci/ptd-deploy.sh")
COMMIT = "a" * 40
NEXT = "20991231-235959-abcdefghij"
HEALTH = Failure(
    reason=Reason.HEALTH_CHECK_FAILED,
    owner=Owner.USER,
    message='health check: GET /healthz answered 503 <"&">',
    hint="Read its log.",
    component="web",
    commit=COMMIT,
    log_tail=("one", "two & three"),
)
LOST = Failure(reason=Reason.BUILD_LOST, owner=Owner.PLATFORM, message="build b1 not found")
NO_CONFIG = Failure(reason=Reason.CONFIG_INVALID, owner=Owner.USER, message="components: empty")


@dataclass
class Ran:
    """How a client ended."""

    code: int
    out: str
    err: str


@dataclass
class Client:
    """One of the clients, as a CI job has it."""

    deploy: tuple[str, ...]
    others: tuple[str, ...]
    service: Service
    environment: dict[str, str] = field(default_factory=dict)
    script: bool = False

    def words(self, command: str, *arguments: str) -> list[str]:
        whole = [*self.others, command, *arguments]
        waits = command in ("deploy", "retry") or (command == "cancel" and "--wait" in arguments)
        if self.script:
            return [word for word in whole if word != "--wait"]
        return whole if not waits or "--wait" in whole else [*whole, "--wait"]

    async def start(
        self, command: str, *arguments: str, **changed: str | None
    ) -> asyncio.subprocess.Process:
        settings = {**self.environment, **changed}
        return await asyncio.create_subprocess_exec(
            *self.words(command, *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
            env={name: value for name, value in settings.items() if value is not None},
        )

    async def run(self, command: str, *arguments: str, **changed: str | None) -> Ran:
        return await ended(await self.start(command, *arguments, **changed))


async def ended(process: asyncio.subprocess.Process) -> Ran:
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


@pytest.fixture(params=["ptd", "ptd-deploy.sh"])
async def client(request: pytest.FixtureRequest, service: Service) -> Client:
    """A client, a tool with a config, and its deploy token."""
    assert (await service.ask("POST", "config", CONFIG)).status == 200
    token = (await service.ask("POST", "deployment/token")).data["token"]
    environment = {
        "PATH": os.defpath,
        "DEPLOY_API": str(service.client.make_url("/")),
        "DEPLOY_TOOL": service.tool,
        "DEPLOY_TOKEN": token,
    }
    if request.param == "ptd":
        words = (sys.executable, "-m", "controller")
        return Client(words, words, service, environment)
    return Client((SCRIPT,), (SCRIPT,), service, environment, script=True)


async def asked(service: Service, number: int = 1) -> str:
    """Wait until so many deployments were asked for; the last one's id."""
    async with asyncio.timeout(30):
        while True:
            found = await service.store.list(kinds.DEPLOYMENTS, service.tool)
            if len(found) >= number:
                return max(each.name for each in found)
            await asyncio.sleep(0.05)


async def waits(service: Service) -> None:
    async with asyncio.timeout(30):
        while not service.changes.waiting:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def cancel_asked(service: Service, name: str) -> None:
    async with asyncio.timeout(30):
        while not (await service.deployment(name)).spec.cancel:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


ENDS: Mapping[str, tuple[dict[str, Any], int]] = {
    "a success": ({"status": State.SUCCESSFUL}, 0),
    "a failure of its owner": ({"status": State.FAILED, "failure": HEALTH}, 1),
    "a config that has errors": ({"status": State.FAILED, "failure": NO_CONFIG}, 2),
    "a cancel": ({"status": State.CANCELLED}, 4),
    "a failure of the platform": ({"status": State.FAILED, "failure": LOST}, 6),
}


@pytest.mark.parametrize(("status", "code"), ENDS.values(), ids=ENDS.keys())
async def test_the_exit_code_tells_how_it_ended(
    client: Client, status: dict[str, Any], code: int
) -> None:
    running = await client.start("deploy")
    name = await asked(client.service)
    await waits(client.service)
    await client.service.set_status(name, status=State.RUNNING, message="building web")
    await client.service.set_status(name, **status)
    ran = await ended(running)
    assert (ran.code, name in ran.err) == (code, True), ran
    if code == 0:
        assert ran.out.splitlines()[-1] == f"{name}: successful"
    assert client.environment["DEPLOY_TOKEN"] not in ran.out + ran.err


async def test_a_cancel_is_said_once(client: Client) -> None:
    running = await client.start("deploy")
    name = await asked(client.service)
    await waits(client.service)
    await client.service.set_status(name, status=State.CANCELLED, message="cancelled")
    ran = await ended(running)
    *_, news, end = ran.err.splitlines()
    assert (ran.code, news.partition(" ")[2], end) == (4, f"{name} cancelled", f"{name}: cancelled")


async def test_a_failure_says_all_that_helps(client: Client, tmp_path: Path) -> None:
    files = ("--junit", str(tmp_path / "j.xml"), "--dotenv", str(tmp_path / "d.env"))
    running = await client.start("deploy", *files, GITHUB_ACTIONS="true")
    name = await asked(client.service)
    parts = {
        "builds": {"web": {"build_id": "b1", "build_status": "successful", "commit": COMMIT}},
        "runs": {
            "web": {"run_status": "failed"},
            "job": {"run_status": "skipped"},
            "too": {"run_status": "failed"},
        },
    }
    made = ToolDeploymentStatus.model_validate(parts)
    shown = {"builds": made.builds, "runs": made.runs, "failure": HEALTH}
    await client.service.set_status(name, status=State.FAILED, **shown)
    ran = await ended(running)
    told = [line.strip() for line in ran.err.splitlines()]
    first = f"{name}: failed: {HEALTH.message}"
    assert {
        first,
        "reason: health-check-failed",
        "component: web",
        f"commit: {COMMIT}",
        "two & three",
        "Read its log.",
        "owner: user",
    } <= set(told), ran.err
    (annotation,) = [line for line in told if line.startswith("::error ")]
    assert annotation.startswith(f"::error title=Deployment::{first}%0A")
    assert "%0A    two & three%0A  Read its log." in annotation
    suite = Xml.fromstring((tmp_path / "j.xml").read_text())  # noqa: S314 - ours
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")
    cases = {case.get("name"): [child.tag for child in case] for case in suite}
    assert cases == {"web": ["failure"], "job": ["skipped"], "too": ["failure"]}
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert (failure.get("type"), failure.get("message")) == ("health-check-failed", HEALTH.message)
    variables = dict(line.split("=", 1) for line in (tmp_path / "d.env").read_text().splitlines())
    assert variables == {
        "DEPLOY_ID": name,
        "DEPLOY_STATE": "failed",
        "DEPLOY_REASON": "health-check-failed",
        "DEPLOY_OWNER": "user",
        "DEPLOY_COMPONENT": "web",
        "DEPLOY_COMMIT": COMMIT,
        "DEPLOY_SUPERSEDED_BY": "",
        "DEPLOY_EXIT_CODE": "1",
    }


MISTAKES: Mapping[str, tuple[tuple[str, ...], dict[str, str | None], int, str]] = {
    "no token": (("deploy",), {"DEPLOY_TOKEN": None}, 3, "No deploy token: set DEPLOY_TOKEN"),
    "an empty token": (("deploy",), {"DEPLOY_TOKEN": ""}, 3, "deploy-token create"),
    "a wrong token": (("deploy",), {"DEPLOY_TOKEN": "nope"}, 3, "does not match the tool's token"),
    "no tool": (("deploy",), {"DEPLOY_TOOL": None}, 2, "Which tool?"),
    "an address that is none": (("deploy",), {"DEPLOY_API": "api.example.org"}, 2, "no address"),
    "an unknown component": (
        ("deploy", "--commit", f"nope={COMMIT}"),
        {},
        2,
        "There is no such component",
    ),
    "an unknown deployment": (("wait", NEXT), {}, 1, "Unable to find"),
    "no deployment to cancel": (("cancel",), {}, 2, ""),
    "nothing was ever deployed": (("wait",), {}, 1, "No deployments found"),
    "a tool that is none": (("status",), {"DEPLOY_TOOL": "../x"}, 2, "is no tool's name"),
    "an address of something else": (
        ("status",),
        {"DEPLOY_API": "$other"},
        1,
        "is the address of the deployment API right?",
    ),
    "an unknown option": (("deploy", "--nope"), {}, 2, "--nope"),
    "a time that is none": (("wait", NEXT, "--timeout", "soon"), {}, 2, "soon"),
}


@pytest.mark.parametrize(
    ("words", "changed", "code", "said"), MISTAKES.values(), ids=MISTAKES.keys()
)
async def test_a_mistake_is_an_exit_code_and_a_sentence(
    client: Client, words: tuple[str, ...], changed: dict[str, str | None], code: int, said: str
) -> None:
    other = f"{client.environment['DEPLOY_API']}metrics"
    given = {name: other if value == "$other" else value for name, value in changed.items()}
    ran = await client.run(words[0], *words[1:], **given)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert await client.service.store.list(kinds.DEPLOYMENTS, client.service.tool) == []


async def test_what_is_not_finished_in_time_goes_on(client: Client) -> None:
    ran = await client.run("deploy", "--timeout", "1s", "--commit", f"web={COMMIT}")
    (found,) = await client.service.store.list(kinds.DEPLOYMENTS, client.service.tool)
    assert (ran.code, found.final) == (5, False)
    assert f"wait {found.name}" in ran.err
    assert found.spec.trigger.commits == {"web": COMMIT}


async def test_what_replaced_it_is_followed_or_not(client: Client) -> None:
    service = client.service
    for name in ("20260101-000000-abcdefghij", NEXT):
        await service.store.create(kinds.DEPLOYMENTS, service.tool, name, {})
    await service.set_status(NEXT, status=State.SUCCESSFUL)
    old = "20260101-000000-abcdefghij"
    await service.set_status(old, status=State.CANCELLED, superseded_by=NEXT)
    assert (await client.run("wait", old)).code == 0
    failed = await client.run("wait", old, "--on-superseded", "fail")
    assert (failed.code, f"superseded by: {NEXT}" in failed.err) == (4, True)


async def test_a_job_that_is_stopped_cancels_if_it_was_told_to(client: Client) -> None:
    running = await client.start("deploy", "--cancel-on-interrupt")
    name = await asked(client.service)
    await waits(client.service)
    running.send_signal(signal.SIGTERM)
    await cancel_asked(client.service, name)
    await client.service.set_status(name, status=State.CANCELLED)
    assert (await ended(running)).code == 4


async def test_a_job_that_is_stopped_lets_it_go_on_otherwise(client: Client) -> None:
    running = await client.start("deploy")
    name = await asked(client.service)
    await waits(client.service)
    running.send_signal(signal.SIGTERM)
    ran = await ended(running)
    assert (ran.code, f"wait {name}" in ran.err) == (5, True)
    assert not (await client.service.deployment(name)).spec.cancel


async def test_a_retry_deploys_again_and_a_cancel_ends_it(client: Client) -> None:
    service = client.service
    old = "20260101-000000-abcdefghij"
    await service.store.create(kinds.DEPLOYMENTS, service.tool, old, {})
    await service.set_status(old, status=State.FAILED, failure=LOST)
    running = await client.start("retry", old)
    name = await asked(service, 2)
    await waits(service)
    cancelling = await client.start("cancel", name, "--wait")
    await cancel_asked(service, name)
    await service.set_status(name, status=State.CANCELLED)
    assert (await ended(cancelling)).code == 0
    assert (await ended(running)).code == 4


async def test_a_job_deploys_once_however_often_it_is_repeated(client: Client) -> None:
    for job in ("7", "7", "8"):
        assert (await client.run("deploy", "--timeout", "1s", CI_JOB_ID=job)).code == 5
    assert len(await client.service.store.list(kinds.DEPLOYMENTS, client.service.tool)) == 2


async def test_status_shows_a_deployment(client: Client) -> None:
    name = "20260101-000000-abcdefghij"
    await client.service.store.create(kinds.DEPLOYMENTS, client.service.tool, name, {})
    await client.service.set_status(name, status=State.FAILED, failure=HEALTH)
    ran = await client.run("status", name)
    assert ran.code == 0
    told = (name, "failed", "health-check-failed", "two & three", COMMIT, "Read its log.")
    assert [word for word in told if word not in ran.out] == []


@pytest.mark.parametrize(("answer", "code"), [("y", 4), ("n", 5)])
async def test_ctrl_c_at_a_terminal_asks_whether_to_cancel(
    client: Client, answer: str, code: int
) -> None:
    ours, theirs = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *client.words("deploy"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env={**client.environment, "TERM": "xterm"},
        start_new_session=True,
        preexec_fn=_at_a_terminal,
    )
    os.close(theirs)
    shown = bytearray()
    seen = asyncio.create_task(asyncio.to_thread(_read_all, ours, shown))
    try:
        name = await asked(client.service)
        await waits(client.service)
        os.write(ours, b"\x03")
        async with asyncio.timeout(30):
            while f"Cancel {name}, too?".encode() not in shown:  # noqa: ASYNC110 - of a thread
                await asyncio.sleep(0.02)
        os.write(ours, f"{answer}\n".encode())
        if answer == "y":
            await cancel_asked(client.service, name)
            await client.service.set_status(name, status=State.CANCELLED)
        async with asyncio.timeout(60):
            assert await process.wait() == code, shown.decode(errors="replace")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()  # the thread reads until nobody has the terminal open
        await process.wait()
        await seen
        os.close(ours)


def _at_a_terminal() -> None:
    """As a login does it; a gate in the background ignores Ctrl-C, and its children would, too."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _read_all(terminal: int, shown: bytearray) -> None:
    """Keep what is shown, until the terminal is closed."""
    with contextlib.suppress(OSError):  # how Linux says that nobody has it open any more
        while chunk := os.read(terminal, 4096):
            shown += chunk
