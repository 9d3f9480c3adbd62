"""What the shells offer after TAB."""

import subprocess
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from controller.cli.main import main

ANSWERS = {
    "/v1/tool/demo/deployment": '{"data": {"deployments": ['
    '{"deploy_id": "20260101-000000-a", "status": "failed"},'
    '{"deploy_id": "20260102-000000-b", "status": "successful"},'
    '{"deploy_id": "20260103-000000-c", "status": "cancelled"},'
    '{"deploy_id": "20260104-000000-d", "status": "cancelling"},'
    '{"deploy_id": "20260105-000000-e", "status": "running"},'
    '{"deploy_id": "20260106-000000-f", "status": "pending"}]}}',
    "/v1/tool/demo/config": '{"data": {"components": {"web": {}, "worker": {}, "job": {}}}}',
}


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = ANSWERS[self.path].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An API with six deployments and three components."""
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("DEPLOY_API", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("DEPLOY_TOOL", "demo")
        monkeypatch.setenv("DEPLOY_TOKEN", "x")
        yield
        server.shutdown()
        thread.join()


def offered(*words: str) -> list[str]:
    complete = BashComplete(main, {}, "ptd", "_PTD_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.usefixtures("api")
@pytest.mark.parametrize("command", ["wait", "status"])
def test_ids_are_offered_newest_first(command: str) -> None:
    ids = [f"2026010{number}-000000-{letter}" for number, letter in enumerate("abcdef", 1)]
    assert offered(command, "") == ids[::-1]
    assert offered(command, "20260101") == ids[:1]


@pytest.mark.usefixtures("api")
def test_only_what_is_not_over_is_offered_to_be_cancelled() -> None:
    assert offered("cancel", "") == ["20260106-000000-f", "20260105-000000-e"]


@pytest.mark.usefixtures("api")
def test_only_what_ended_badly_is_offered_to_be_retried() -> None:
    assert offered("retry", "") == ["20260103-000000-c", "20260101-000000-a"]


@pytest.mark.usefixtures("api")
def test_only_what_ran_is_offered_to_go_back_to() -> None:
    assert offered("rollback", "") == ["20260102-000000-b"]
    assert offered("token", "") == ["create", "revoke", "show"]


@pytest.mark.usefixtures("api")
def test_components_are_offered() -> None:
    assert offered("deploy", "--commit", "w") == ["web=", "worker="]
    assert offered("logs", "j") == ["job"]


def test_nothing_is_offered_where_nothing_answers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("DEPLOY_API", raising=False)
    assert offered("wait", "") == []
    assert "wait" in offered("w")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell], prog_name="ptd")
    assert done.exit_code == 0
    assert f"_PTD_COMPLETE={shell}_complete" in done.output
    if shell == "bash":
        subprocess.run(["bash", "-n"], input=done.output, text=True, check=True)
