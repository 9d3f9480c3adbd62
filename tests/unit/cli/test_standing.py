"""Which version runs while the newest deployment is what `ptd status` shows."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from controller.cli import standing
from controller.cli.remote import Remote
from controller.cli.standing import Running

OLD, GOOD, NEW = (f"2026010{day}-000000-abcdefghij" for day in (1, 2, 3))


def shown(name: str, status: str, **more: Any) -> dict[str, Any]:
    """A deployment as the API shows it."""
    builds = {"web": {"build_status": "successful", "commit": name[7] * 40}, "job": {}}
    return {"deploy_id": name, "status": status, "builds": builds, **more}


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        made = [shown(OLD, "successful"), shown(GOOD, "successful"), shown(NEW, "running")]
        known = self.path == "/v1/tool/demo/deployment" and "tell" in self.headers["Authorization"]
        body = json.dumps({"data": {"deployments": made}} if known else {"messages": {}}).encode()
        self.send_response(200 if known else 403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    """An API with three deployments."""
    with HTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("state", ["pending", "running", "cancelling"])
def test_while_one_goes_on_the_last_good_one_runs(address: str, state: str) -> None:
    there = Remote(address, "demo", "tell")
    runs = standing.runs_now(there, shown(NEW, state))
    assert runs == Running(GOOD, {"web": "2" * 40})
    said = f"  what ran before still runs: {GOOD} (web 2222222222)"
    assert standing.meanwhile({"status": state}, runs) == [said]
    assert standing.meanwhile({"status": "failed"}, runs) == []


def test_who_may_not_list_deployments_is_told_nothing_of_it(address: str) -> None:
    assert standing.runs_now(Remote(address, "demo", "no"), shown(NEW, "running")) is None


def test_what_has_ended_says_itself_what_runs() -> None:
    nobody = Remote("http://127.0.0.1:1", "demo", "")
    kept = {"deploy_id": OLD, "commits": {"web": "c"}}
    assert standing.runs_now(nobody, shown(NEW, "failed", kept_running=kept)) == Running(
        OLD, {"web": "c"}
    )
    assert standing.runs_now(nobody, shown(NEW, "failed")) is None
    assert standing.runs_now(nobody, shown(NEW, "successful")) == Running(NEW, {"web": "3" * 40})
