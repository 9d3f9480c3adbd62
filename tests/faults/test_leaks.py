"""A hunt for leaks: canaries where secrets may be, and then everything that comes out is searched.

Searched are all log lines of all levels, the status of every object, all events, the metrics, and
the command lines of this process and its children. What a user wrote into a spec stays there.
"""

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import psutil
import pytest
import structlog
from prometheus_client import generate_latest

from controller import logs
from controller.backends.base import Backend, Build
from controller.models.meta import API_VERSION, config_name, namespace_of
from tests.builders import TOOL
from tests.faults import scenarios, timeline, transitions
from tests.faults.conftest import Tried
from tests.faults.world import World, opened
from tests.support.toolforge.faults import Fault
from watchers.git import transport

CANARY = "c4n4ry0f5ecret9d8e7f"
URL = f"https://user:{CANARY}@git.example.org/x.git?private_token={CANARY}"
WORDS = f"refused: Authorization: Bearer {CANARY} at {URL}"
Wrap = Callable[[Backend], Backend]


@dataclass
class Talkative:
    """Builds whose list fails with an error that holds the canary."""

    real: Any
    error: Exception
    times: int = 2

    async def list(self, tool: str) -> Sequence[Build]:
        """Fails a few times."""
        self.times -= 1
        if self.times >= 0:
            raise self.error
        found: Sequence[Build] = await self.real.list(tool)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class Redirecting(World):
    """A git host that redirects to an address with a password in it."""

    async def refs(self, address: Any, wanted: Sequence[str]) -> Any:
        """Always elsewhere."""
        raise transport.Moved(URL)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, as the program writes it."""
    root, was = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    out = io.StringIO()
    logs.configure(level="debug", stream=out)
    yield out
    structlog.configure(**was)
    root.handlers[:] = handlers
    root.setLevel(level)


def _failing(error: Exception) -> Wrap:
    return lambda backend: replace(backend, builds=Talkative(backend.builds, error))


async def _everything(world: World, log: io.StringIO) -> str:
    """What came out, without the specs that users wrote."""
    said = [log.getvalue(), *_command_lines()]
    for kind in ("tooldeployments", "toolconfigs"):
        path = f"/apis/{API_VERSION}/namespaces/{namespace_of(TOOL)}/{kind}"
        for item in (await world.ask("GET", path))["items"]:
            status = item.get("status") or {}
            status.pop("tool_config", None)  # a copy of the spec
            said.append(json.dumps(status))
    events = f"/apis/events.k8s.io/v1/namespaces/{namespace_of(TOOL)}/events"
    said.append(json.dumps(await world.ask("GET", events)))
    said += [generate_latest(life.metrics.registry).decode() for life in world.lives]
    return "\n".join(said)


def _command_lines() -> Iterator[str]:
    here = psutil.Process()
    for process in (here, *here.children(recursive=True)):
        with contextlib.suppress(psutil.Error):  # it may have ended, and wait to be buried
            yield " ".join(process.cmdline())


async def _configure_past_all_checks(world: World, spec: Any) -> bool:
    """As kubectl does; False where the control plane refuses it."""
    path = f"/apis/{API_VERSION}/namespaces/{namespace_of(TOOL)}/toolconfigs"
    body = {
        "apiVersion": API_VERSION,
        "kind": "ToolConfig",
        "metadata": {"name": config_name(TOOL)},
        "spec": spec,
    }
    try:
        await world.ask("POST", path, body)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(WORDS),
        ExceptionGroup("several", [ValueError(URL), KeyError(f"token={CANARY}")]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_bug_carries_a_secret_out(error: Exception, log: io.StringIO, tried: Tried) -> None:
    async def main() -> None:
        async with opened((), heads=scenarios.heads(), wrap=_failing(error)) as world:
            await world.configure(scenarios.config())
            await world.deploy("d1")
            await asyncio.sleep(120)
            out = await _everything(world, log)
            assert "reconcile" in out
            assert _around(out) == []
            assert _around(out, world.plane.token) == []

    timeline.run(main)
    tried("canaries", 1)


@pytest.mark.parametrize("status", [400, 401, 500, 503])
@pytest.mark.parametrize("call", ["^GET .*/builds", "^POST .*/builds", "^GET .*/jobs", "^PATCH"])
def test_no_word_of_a_service_carries_a_secret_out(
    call: str, status: int, log: io.StringIO, tried: Tried
) -> None:
    async def main() -> None:
        async with opened((), heads=scenarios.heads()) as world:
            body = json.dumps({"error": [WORDS], "message": WORDS})
            for service in (world.builds, world.jobs):
                service.faults.add(Fault(call, status=status, body=body, times=3))
            await world.configure(scenarios.config())
            await world.deploy("d1")
            await asyncio.sleep(60)
            out = await _everything(world, log)
            assert _around(out) == []
            faults = (*world.builds.faults.queue, *world.jobs.faults.queue)
            assert any(fault.times < 3 for fault in faults) or len(faults) < 2, "it was met"

    timeline.run(main)
    tried("canaries", 1)


@pytest.mark.parametrize("where", ["repository", "source_url", "a redirect"])
def test_no_address_carries_a_secret_out(where: str, log: io.StringIO, tried: Tried) -> None:
    kind = Redirecting if where == "a redirect" else World

    async def main() -> None:
        async with opened((), kind, heads=scenarios.heads()) as world:
            path = transitions.PLACES["SourceBuild"] if where == "repository" else ()
            field = where if where != "a redirect" else "description"
            edit = transitions.Operation("set", (*path, field), URL)
            spec = edit.of(transitions.BASE) if where != "a redirect" else transitions.BASE
            spec["auto_deploy"] = True
            if await _configure_past_all_checks(world, spec):
                await world.deploy("d1")
            await asyncio.sleep(300)
            assert _around(await _everything(world, log)) == []

    timeline.run(main)
    tried("canaries", 1)


def _around(out: str, secret: str = CANARY) -> list[str]:
    """What stands around a secret that got out."""
    found, at = [], out.find(secret)
    while at >= 0:
        found.append(out[max(0, at - 120) : at + len(secret)])
        at = out.find(secret, at + 1)
    return found


def test_a_canary_that_gets_out_is_found(log: io.StringIO) -> None:
    logs.logger("x").info(CANARY)
    assert len(_around(log.getvalue())) == 1
