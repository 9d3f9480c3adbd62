"""What commands say where nobody answers, or nobody knows who asks: the same words everywhere."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result

from controller.cli.main import main
from tests.unit.cli.test_logs import kubeconfig

COMMANDS = ("status", "list", "deploy", "token show", "logs web", "config show", "credentials list")


def ptd(command: str, file: Path) -> Result:
    return CliRunner().invoke(main, [*command.split(), "--kubeconfig", str(file)])


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("context", "hint"),
    [
        ("ptd-local", "Take the kubeconfig that `ptd local` names when it starts."),
        ("other", "Log in anew, or name another with --kubeconfig."),
    ],
)
async def test_a_kubeconfig_that_is_not_accepted_is_named_as_what_is_wrong(
    tmp_path: Path, command: str, context: str, hint: str
) -> None:
    async def refuse(_: web.Request) -> web.Response:
        said = {"kind": "Status", "message": "Unauthorized", "code": 401}
        return web.json_response(said, status=401)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    async with TestServer(app) as server:
        file = tmp_path / "kubeconfig"
        written = kubeconfig(str(server.make_url("")).rstrip("/"))
        file.write_text(written.replace(": it\n", f": {context}\n"))
        result = await asyncio.to_thread(ptd, command, file)
    said = [line.removeprefix("Error: ").strip() for line in result.stderr.splitlines()]
    wrong = f"the control plane does not accept the token of {file} (HTTP 401)"
    assert (result.exit_code, said) == (3, [wrong, hint])


@pytest.mark.parametrize("command", ["config show", "credentials list"])
async def test_a_fault_that_the_control_plane_names_is_not_its_silence(
    tmp_path: Path, command: str
) -> None:
    async def fail(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status", "message": "the disk is full"}, status=500)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", fail)
    async with TestServer(app) as server:
        file = tmp_path / "kubeconfig"
        file.write_text(kubeconfig(str(server.make_url("")).rstrip("/")))
        result = await asyncio.to_thread(ptd, command, file)
    said = "Error: the control plane answered 500: the disk is full\n"
    assert (result.exit_code, result.stderr) == (6, said)


async def test_a_log_that_is_cut_off_says_by_whom_and_what_to_do(tmp_path: Path) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await answer.write(b"one\n")
        assert request.transport is not None
        request.transport.abort()
        return answer

    app = web.Application()
    app.router.add_get("/ptd/v1/tool/demo/logs/web", cut)
    async with TestServer(app) as server:
        file = tmp_path / "kubeconfig"
        address = str(server.make_url("")).rstrip("/")
        file.write_text(kubeconfig(address))
        result = await asyncio.to_thread(ptd, "logs web -f", file)
    assert (result.exit_code, result.stdout) == (6, "one\n")
    assert result.stderr.splitlines() == [
        f"Error: {address} ended the connection",
        f"It is the one of {file}; --kubeconfig names another.",
    ]
