"""Arbitrary requests: no answer is a fault, and each is one that the documents allow.

Requests are made from the operations of both documents, ours and the existing service's: known and
made-up names, parameters, headers, and bodies that are nearly configs. They are sent as bytes by a
client that checks nothing. All chance comes from one seed, so that a failure comes again.
"""

import asyncio
import contextlib
import http.client
import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import pytest

from controller.api.routes import ROUTES
from controller.models.tooldeployment import State
from tests.api.service import CONFIG, OURS, THEIRS, Service, serving
from tests.faults.trials import WHOLE
from tests.support import controlplane

pytestmark = pytest.mark.timeout(3600 if WHOLE else 120)

SEED = 20261122
COUNT, ROUND = (50_000 if WHOLE else 2_000), 40  # what there is to be found is made anew each round
KNOWN = sorted({name for route in ROUTES for name in route.known_query})
HOLDING = ("timeout", "wait")  # how long to wait: not here
FIELDS = (
    *("config_version", "source_url", "auto_deploy", "poll_interval", "components", "description"),
    *("build", "run", "component_type", "repository", "ref", "reuse_from", "command", "port"),
    *("schedule", "replicas", "publish", "health_check_http", "cpu", "emails", "commits", "prune"),
)
WORDS = (
    *("true", "yes", "maybe", "0", "latest", "token", "main", "web", "v1beta1", "@daily", "", "é"),
    *("https://git.example.org/x.git", "http://127.0.0.1/", "file:///etc/passwd", "../..", "%00"),
    *("\x00", "\u202e", "😀", "'never closed", "{{7*7}}", "1e400", "-1", "9" * 30, "x" * 300),
)
# Nobody can sign a push here, and none succeeds; streams end with it; `ptd api` has the metrics.
NEVER = {"webhook", "wait", "events", "metrics"}
RAW_QUERIES = ("%ff", "%", "&&=&", "a=b=c", "token", "force-build=%00", "token=1&token=2")
HEADERS = (
    *(("Content-Type", "application/json"), ("Content-Type", "text/plain")),
    *(("Content-Type", "\xff"), ("Content-Encoding", "gzip"), ("Content-Encoding", "nothing")),
    *(("Authorization", "Bearer x"), ("Authorization", "Bearer"), ("Authorization", "\xff\xfe")),
    *(("Idempotency-Key", "k"), ("Idempotency-Key", "x" * 300), ("Idempotency-Key", "\xe9")),
    *(("If-None-Match", '"x"'), ("If-None-Match", "*"), ("Last-Event-ID", "-1")),
    *(("Accept", "text/plain"), ("Accept", "application/problem+json"), ("Accept", "\xff;q=x")),
    *(("Prefer", "wait=0"), ("Prefer", "wait=x"), ("Prefer", 'wait="'), ("Range", "bytes=0-1")),
    *(("X-Hub-Signature-256", "sha256=0"), ("X-Gitlab-Token", "x"), ("Cookie", "a=b; \xff")),
    *(("x-toolforge-tool", "another"), ("X-Forwarded-Host", "x")),
)


@dataclass(frozen=True)
class Operation:
    """What a document says can be asked for."""

    method: str
    path: str


def operations() -> list[Operation]:
    """Those of both documents."""
    return sorted(
        {
            Operation(method.upper(), path)
            for document in (OURS, THEIRS)
            for path, methods in document.operations.items()
            for method in methods
        },
        key=lambda each: (each.path, each.method),
    )


@dataclass(frozen=True)
class Request:
    """A request, as it is sent."""

    operation: Operation
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass
class Chance:
    """Makes requests about one tool, of which some deployments exist."""

    tool: str
    existing: Sequence[str]
    random: random.Random

    def request(self, operation: Operation) -> Request:
        """One for an operation, or nearly."""
        pick = self.random
        path = operation.path.replace("{toolname}", quote(self._tool(), safe=""))
        path = path.replace("{deployment_id}", quote(self._id(operation), safe=""))
        method = operation.method
        if pick.random() < 0.05:
            method = pick.choice(["PATCH", "HEAD", "OPTIONS", "DELETE", "POST", "BREW"])
        query = "timeout=0" if path.endswith("/wait") else self._query()
        headers = dict(pick.sample(HEADERS, k=pick.choice([0, 0, 0, 1, 2])))
        if pick.random() < 0.9:
            headers |= {"x-toolforge-tool": self.tool}
        return Request(
            operation, method, path + (f"?{query}" if query else ""), headers, self._body()
        )

    def _tool(self) -> str:
        others = ["another", "..", "a.b", "-", "A", self._word() or "x"]
        return self.tool if self.random.random() < 0.9 else self.random.choice(others)

    def _id(self, operation: Operation) -> str:
        others = ["20260101-000000-abcdefghij", "nope", "..", self._word() or "x"]
        if operation.path.endswith("/events"):
            return self.random.choice(others[:3])  # the events of one that goes on do not end
        return self.random.choice([*self.existing, *self.existing, "latest", *others])

    def _word(self) -> str:
        return self.random.choice(WORDS)

    def _query(self) -> str:
        pick = self.random
        if pick.random() < 0.1:
            return pick.choice(RAW_QUERIES)
        names = [pick.choice([*KNOWN, self._word()]) for _ in range(pick.choice([0, 0, 0, 1, 2]))]
        return "&".join(f"{quote(n)}={quote(self._word())}" for n in names if n not in HOLDING)

    def _body(self) -> bytes | None:
        pick = self.random
        match pick.randrange(5):
            case 0:
                return None
            case 1:
                return pick.randbytes(pick.randrange(40))
            case 2:
                return json.dumps(CONFIG).encode()
            case 3:
                return json.dumps(self._changed(CONFIG)).encode()
            case _:
                return json.dumps(self._value(3)).encode()

    def _changed(self, config: Mapping[str, Any]) -> Any:
        """A good config with one of its values replaced by something else."""
        whole: Any = json.loads(json.dumps(config))
        part = whole
        for step in self.random.choice([(), ("components",), ("components", "web")]):
            part = part[step]
        part[self.random.choice([*FIELDS, *part])] = self._value(2)
        return whole

    def _value(self, depth: int) -> Any:
        pick = self.random
        match pick.randrange(8 if depth else 6):
            case 0 | 1:
                return self._word()
            case 2:
                return pick.choice([None, True, False])
            case 3:
                return pick.choice([0, -1, 1, 65536, 10**30])
            case 4:
                return pick.choice([0.5, -0.0, 1e308])
            case 5:
                return pick.choice(FIELDS)
            case 6:
                return [self._value(depth - 1) for _ in range(pick.randrange(4))]
            case _:
                return {
                    pick.choice(FIELDS): self._value(depth - 1) for _ in range(pick.randrange(5))
                }


@dataclass
class Asker:
    """Sends requests, each over its own connection, and holds the answers to the documents."""

    port: int
    statuses: dict[Operation, set[int]] = field(default_factory=lambda: defaultdict(set))
    wrong: list[tuple[Request, str]] = field(default_factory=list)

    def ask(self, requests: Sequence[Request]) -> None:
        """All of them, in order."""
        for request in requests:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            with contextlib.closing(connection):
                sent = {name: value.encode("latin-1") for name, value in request.headers.items()}
                connection.request(request.method, request.target, body=request.body, headers=sent)
                answer = connection.getresponse()
                kind = (answer.getheader("Content-Type") or "").partition(";")[0]
                body = answer.read()
            if request.method == request.operation.method:
                self.statuses[request.operation].add(answer.status)
            try:
                _check(request, answer.status, kind, body)
            except AssertionError as error:
                self.wrong.append((request, f"{answer.status} {kind} {body[:300]!r}: {error}"))


def _check(request: Request, status: int, kind: str, body: bytes) -> None:
    assert status < 500
    assert b"Traceback" not in body
    if kind.endswith("json") and body:
        found = json.loads(body)
        if kind == "application/json" and status >= 400:
            assert found["messages"]["error"][0]
        for document in (OURS, THEIRS) if kind == "application/json" else ():
            document.check(request.method, request.target.partition("?")[0], status, found)


async def _made_anew(service: Service) -> list[str]:
    """A config, a token, a deployment that waits and one that has failed: their ids."""
    await service.ask("POST", "config", CONFIG)
    await service.ask("POST", "deployment/token")
    listed = await service.ask("GET", "deployment")
    for each in listed.data["deployments"]:
        await service.ask("DELETE", f"deployment/{each['deploy_id']}")
    names = [(await service.ask("POST", "deployment")).data["deploy_id"] for _ in range(2)]
    await service.set_status(names[0], status=State.FAILED)
    return names


async def test_no_request_is_answered_with_a_fault(control_plane: controlplane.Access) -> None:
    chance, known = random.Random(SEED), operations()
    async with serving(control_plane) as service:
        asker = Asker(service.client.server.port or 0)
        for _ in range(COUNT // ROUND):
            maker = Chance(service.tool, await _made_anew(service), chance)
            requests = [maker.request(each) for each in chance.choices(known, k=ROUND)]
            await asyncio.to_thread(asker.ask, requests)
    assert asker.wrong[:3] == []
    assert asker.statuses.keys() == set(known)
    never = {each for each, seen in asker.statuses.items() if not any(s < 300 for s in seen)}
    assert {each.path.rpartition("/")[2] for each in never} == NEVER
