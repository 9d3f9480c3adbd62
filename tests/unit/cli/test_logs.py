"""`ptd logs`: what it says where there is nothing to show."""

import asyncio
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
    [("", ("", "tick has printed nothing yet\n")), ("one\ntwo\n", ("one\ntwo\n", ""))],
    ids=["nothing", "two lines"],
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
