"""The clients of CI where the connection is lost between the final state and the verdict.

The state is known then, and what it means is not: a job must be neither green nor red by a guess.
"""

from pathlib import Path
from typing import Any

import pytest

from controller.models.tooldeployment import State
from tests.api import cutting
from tests.api.service import Service
from tests.api.test_ci import Runner, runner  # noqa: F401
from tests.api.test_clients import HEALTH, Client, asked, client, ended, waits  # noqa: F401

pytestmark = pytest.mark.timeout(120)

PLACES = (cutting.BEFORE, cutting.AFTER_HEAD, cutting.IN_BODY)
VERDICT = b"/wait?timeout=0"
ENDS: dict[str, tuple[dict[str, Any], int, str]] = {
    "success": ({"status": State.SUCCESSFUL}, 0, ""),
    "failure": ({"status": State.FAILED, "failure": HEALTH}, 1, HEALTH.message),
}


def port(service: Service) -> int:
    found = service.client.server.port
    assert found is not None
    return found


@pytest.mark.parametrize(("status", "code", "said"), ENDS.values(), ids=ENDS)
async def test_a_verdict_that_was_cut_is_asked_for_again(
    client: Client,  # noqa: F811
    status: dict[str, Any],
    code: int,
    said: str,
    tmp_path: Path,
) -> None:
    async with cutting.cutting(port(client.service), VERDICT, *PLACES) as cutter:
        variables = tmp_path / "d.env"
        running = await client.start("deploy", "--dotenv", str(variables), DEPLOY_API=cutter.url)
        name = await asked(client.service)
        await waits(client.service)
        await client.service.set_status(name, **status)
        ran = await ended(running)
    assert (ran.code, said in ran.err, cutter.cut) == (code, True, list(PLACES)), ran
    assert f"DEPLOY_STATE={status['status'].value}\nDEPLOY_REASON" in variables.read_text()
    assert "Traceback" not in ran.err


async def test_a_state_that_was_cut_is_asked_for_again(client: Client) -> None:  # noqa: F811
    status, code, said = ENDS["failure"]
    async with cutting.cutting(port(client.service), b"?wait=", *PLACES) as cutter:
        running = await client.start("deploy", DEPLOY_API=cutter.url)
        await client.service.set_status(await asked(client.service), **status)
        ran = await ended(running)
    assert (ran.code, said in ran.err, cutter.cut) == (code, True, list(PLACES)), ran


async def test_who_hears_the_state_and_never_the_verdict_blames_the_platform(
    client: Client,  # noqa: F811
) -> None:
    """In the time that was given, and without asking all the time."""
    async with cutting.cutting(port(client.service), VERDICT, *[cutting.BEFORE] * 1000) as cutter:
        running = await client.start("deploy", "--timeout", "3s", DEPLOY_API=cutter.url)
        name = await asked(client.service)
        await client.service.set_status(name, status=State.SUCCESSFUL)
        ran = await ended(running)
    assert (ran.code, 1 < len(cutter.cut) < 8) == (6, True), (ran, len(cutter.cut))


async def test_a_job_whose_verdict_was_cut_ends_as_the_deployment_did(
    runner: Runner,  # noqa: F811
) -> None:
    async with cutting.cutting(port(runner.service), VERDICT, *PLACES) as cutter:
        runner.inputs["api"] = cutter.url
        running = await runner.start()
        name = await asked(runner.service)
        await runner.service.set_status(name, status=State.SUCCESSFUL)
        ran = await ended(running)
    assert (ran.code, cutter.cut) == (0, list(PLACES)), ran
