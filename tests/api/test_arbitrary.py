"""Arbitrary requests: no answer is a fault, and each is one that the documents allow.

Requests are made from the table of routes: known and made-up names, parameters, headers, and bodies
that are nearly configs. They are sent as bytes by a client that checks nothing.
"""

import asyncio
import contextlib
import http.client
import json
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.api.routes import ROUTES
from tests.api.service import CONFIG, OURS, THEIRS, serving
from tests.support import controlplane

pytestmark = pytest.mark.timeout(120)

TOOL = "$tool"
EXISTING = "$deployment"


@dataclass(frozen=True)
class Host:
    """A running API: where, and what exists in it."""

    port: int
    tool: str
    deployment: str


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The API in a thread of its own, as hypothesis calls tests without a loop."""
    ready: Future[tuple[Host, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
    folder = tmp_path_factory.mktemp("plane")
    thread = threading.Thread(target=lambda: asyncio.run(_serve(folder, ready)))
    thread.start()
    found, loop, stop = ready.result(timeout=60)
    yield found
    loop.call_soon_threadsafe(stop.set)
    thread.join()


async def _serve(folder: Path, ready: "Future[Any]") -> None:
    try:
        async with controlplane.embedded(folder) as access, serving(access) as service:
            await service.ask("POST", "config", CONFIG)
            made = await service.ask("POST", "deployment")
            port, stop = service.client.server.port, asyncio.Event()
            found = Host(port or 0, service.tool, made.data["deploy_id"])
            ready.set_result((found, asyncio.get_running_loop(), stop))
            await stop.wait()
    except BaseException as error:
        if not ready.done():
            ready.set_exception(error)
        raise


@dataclass(frozen=True)
class Request:
    """A request; `$tool` and `$deployment` stand for what exists."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


words = st.text(max_size=12) | st.sampled_from(["true", "yes", "maybe", "0", "latest", "token"])
names = st.sampled_from([TOOL, TOOL, TOOL, "another", "..", "a.b", "-"]) | st.text(
    min_size=1, max_size=8
)
ids = st.sampled_from([EXISTING, "latest", "20260101-000000-abcdefghij", "nope"]) | words
keys = st.sampled_from(sorted({name for route in ROUTES for name in route.known_query})) | words
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
fields = [
    *("config_version", "source_url", "auto_deploy", "poll_interval", "components", "description"),
    *("build", "run", "component_type", "repository", "ref", "reuse_from", "command", "port"),
    *("schedule", "replicas", "publish", "health_check_http", "cpu", "emails", "commits"),
]
nearly_configs = st.recursive(
    values | st.sampled_from(["v1beta1", "https://git.example.org/x.git", "main", "@daily", "web"]),
    lambda inner: st.dictionaries(st.sampled_from(fields) | words, inner, max_size=5),
    max_leaves=25,
)


@st.composite
def configs(draw: st.DrawFn) -> Any:
    """A good config with one of its values replaced by something else."""
    config = json.loads(json.dumps(CONFIG))
    part = config
    for step in draw(
        st.sampled_from(["", "components", "components web", "components web run"])
    ).split():
        part = part[step]
    part[draw(st.sampled_from(fields) | st.sampled_from(sorted(part)))] = draw(values)
    return config


bodies = st.one_of(
    st.none(),
    st.binary(max_size=40),
    (configs() | nearly_configs | values).map(lambda value: json.dumps(value).encode()),
)
headers = st.lists(
    st.sampled_from(
        [
            ("x-toolforge-tool", TOOL),
            ("x-toolforge-tool", TOOL),
            ("Content-Type", "application/json"),
            ("Content-Type", "text/plain"),
            ("Authorization", "Bearer x"),
            ("Idempotency-Key", "k"),
            ("If-None-Match", '"x"'),
        ]
    ),
    max_size=3,
    unique_by=lambda header: header[0],
)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A request for one of the routes, or nearly."""
    route = draw(st.sampled_from([route for route in ROUTES if route.answers != "Events"]))
    path = route.path.replace("{toolname}", _quoted(draw(names)))
    path = path.replace("{deployment_id}", _quoted(draw(ids)))
    query = draw(st.dictionaries(keys, words, max_size=2))
    query.pop("timeout", None)  # how long to wait
    query.pop("wait", None)
    text = "&".join(f"{quote(k)}={quote(v)}" for k, v in query.items())
    method = draw(st.sampled_from([route.method] * 8 + ["PATCH", "HEAD", "OPTIONS", "DELETE"]))
    return Request(method, path, text, tuple(draw(headers)), draw(bodies))


def _quoted(name: str) -> str:
    return name if name in (TOOL, EXISTING) else quote(name, safe="")


@given(request=requests())
@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_no_request_is_answered_with_a_fault(host: Host, request: Request) -> None:
    if request.path.endswith("/wait"):
        request = Request(**{**vars(request), "query": "timeout=0"})
    status, kind, body = _ask(host, request)
    assert status < 500, body
    if status >= 400 and kind == "application/json" and body:
        assert json.loads(body)["messages"]["error"][0]
    if kind == "application/json" and body:
        for document in (OURS, THEIRS):
            path = _filled(request.path, host)
            document.check(request.method, path, status, json.loads(body))


def _filled(text: str, host: Host) -> str:
    return text.replace(TOOL, host.tool).replace(EXISTING, host.deployment)


def _ask(host: Host, request: Request) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", host.port, timeout=20)
    target = _filled(request.path, host) + (f"?{request.query}" if request.query else "")
    with contextlib.closing(connection):
        sent = {name: _filled(value, host) for name, value in request.headers}
        connection.request(request.method, target, body=request.body, headers=sent)
        answer = connection.getresponse()
        kind = (answer.getheader("Content-Type") or "").partition(";")[0]
        return answer.status, kind, answer.read()
