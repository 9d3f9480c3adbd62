"""`ptd logs`: what it says where there is nothing to show."""

import asyncio
import os
import pty
import sys
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result

from controller.cli.main import main


def ptd(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["logs", *arguments])


@pytest.mark.parametrize("tail", ["-3", "0", "10001", "x"])
def test_a_tail_that_no_server_takes_is_refused_before_it_is_asked(tail: str) -> None:
    result = ptd("web", "--tail", tail, "--kubeconfig", "none")
    assert (result.exit_code, "Invalid value for '--tail'" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("", ("", "tick has printed nothing yet\n")),
        ("one\ntwo\n", ("one\ntwo\n", "")),
        ("5%\r\x1b[K\x1b[32mdone\x1b[0m\x1b]0;x\x07\n", ("done\n", "")),
        ("x" * 600_000 + "\nend", ("x" * 600_000 + "\nend", "")),
        ("x" * 3_000_000 + "\n", ("x" * 3_000_000 + "\n", "")),
    ],
    ids=[
        *("nothing", "two lines", "a progress bar, for a file"),
        *("a line beyond the client's limit", "a line in pieces"),
    ],
)
async def test_a_log_without_lines_is_not_answered_by_silence(
    tmp_path: Path, printed: str, said: tuple[str, str]
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=printed)

    app = web.Application()
    app.router.add_get("/ptd/v1/tool/demo/logs/tick", answer)
    async with TestServer(app) as server:
        file = tmp_path / "kubeconfig"
        file.write_text(kubeconfig(str(server.make_url("")).rstrip("/")))
        result = await asyncio.to_thread(ptd, "tick", "--kubeconfig", str(file))
    assert (result.exit_code, (result.stdout, result.stderr)) == (0, said)


@pytest.mark.parametrize(
    ("settings", "said"),
    [({}, "\x1b[32mok\x1b[0m 100%\x1b[0m\r\n"), ({"NO_COLOR": "1"}, "ok 100%\r\n")],
    ids=["with colours", "without"],
)
async def test_a_line_may_colour_a_terminal_and_not_command_it(
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="50%\r\x1b]0;mine\x07\x1b[32mok\x1b[0m 100%\x1b[2J\n")

    app = web.Application()
    app.router.add_get("/ptd/v1/tool/demo/logs/tick", answer)
    ours, theirs = pty.openpty()
    try:
        async with TestServer(app) as server:
            file = tmp_path / "kubeconfig"
            file.write_text(kubeconfig(str(server.make_url("")).rstrip("/")))
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "controller", "logs", "tick", "--kubeconfig", str(file)),
                stdout=theirs,
                cwd=Path(__file__).parents[3],
                env={"PATH": os.defpath} | settings,
            )
            assert await process.wait() == 0
        assert os.read(ours, 1000).decode() == said
    finally:
        os.close(ours)
        os.close(theirs)


def kubeconfig(address: str) -> str:
    """One for the tool demo."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": address}}],
            "users": [{"name": "it", "user": {"token": "t0ken"}}],
            "contexts": [
                {
                    "name": "it",
                    "context": {"cluster": "it", "user": "it", "namespace": "tool-demo"},
                }
            ],
        }
    )
