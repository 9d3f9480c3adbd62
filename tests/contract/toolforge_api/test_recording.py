"""The API answers as the existing service did, except where docs/api.md says why not."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from controller.api.auth import Trust
from controller.api.deployments import Limits
from tests.api.platform import Platform, platform
from tests.support import controlplane

_ROOT = Path(__file__).parents[3]
RECORDING = _ROOT / "tests/golden/components-api.jsonl"
DOCS = _ROOT / "docs/api.md"
RECORDED_REPOSITORY = "http://127.0.0.1:18090/repo.git"

BUILDING = {"while building": "D1", "cancel": "D3"}
FINAL = {
    "finished": "D1",
    "nothing changed": "D2",
    "cancelled": "D3",
    "config with a changed build": "D6",
}
_TEXTS = (
    (re.compile(r"\d{8}-\d{6}-[a-z0-9]{10}"), "<id>"),
    (re.compile(r"\b\d{8}-\d{6}\b"), "<created>"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T][\d:.]+(\+00:00|Z)"), "<time>"),
    (re.compile(r"pipelinerun-[a-z0-9]{5}"), "pipelinerun-<n>"),
    (re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"), "<token>"),
    (re.compile(r"^(registry|harbor)\.local/tool-sample/(\w+):latest.*"), r"<image of \2>"),
    # The words of another stand-in of jobs-api.
    (re.compile(r"\[info\]\(.*\)"), "[info](<words>)"),
)


async def test_the_api_answers_as_the_existing_service_did(
    control_plane: controlplane.Access, tmp_path: Path
) -> None:
    async with platform(control_plane, tmp_path, building=1.0) as world:
        # One at a time, as it was there: with a limit of one, nothing waits.
        app = world.application(Trust(gateway=True), Limits(unfinished=1))
        async with TestClient(TestServer(app)) as client:
            found = [line async for line in _differences(client, world)]
    documented = _documented()
    assert sorted(set(_named(found, documented))) == sorted(documented)


def _named(found: list[str], documented: list[str]) -> Iterator[str]:
    """Differences by their rows in the documentation: a row covers all that is below its place."""
    for where in found:
        rows = [row for row in documented if f"{where}.".startswith((f"{row}.", f"{row}["))]
        yield rows[0] if rows else where


async def _differences(client: TestClient[Any, Any], world: Platform) -> AsyncIterator[str]:
    replay = _Replay(client, world)
    extra = set(_documented_fields())
    for line in RECORDING.read_text().splitlines():
        step = json.loads(line)
        await replay.wait_for(step["title"])
        status, body = await replay.ask(step["request"], step.get("capture") or {})
        there = step["response"]
        recorded = there.get("body", there.get("text", ""))
        differences = [
            *_differ(there["status"], status, "status"),
            *_differ(_masked(recorded), _without(_masked(body), extra), "body"),
        ]
        for where in differences:
            yield f"{step['step']} {where}"


class _Replay:
    """Sends the recorded requests; `$NAME` stands for what an earlier answer held."""

    def __init__(self, client: TestClient[Any, Any], world: Platform) -> None:
        self._client = client
        self._known = {"TOOL": world.tool, "REPO": world.repository}

    async def ask(self, request: dict[str, Any], capture: dict[str, str]) -> tuple[int, Any]:
        headers = {name: self._filled(value) for name, value in request["headers"].items()}
        data = request.get("raw")
        if data is None and "body" in request:
            data = self._filled(json.dumps(request["body"]))
            headers.setdefault("Content-Type", "application/json")
        async with self._client.request(
            request["method"],
            self._filled(request["path"]),
            data=None if data is None else data.encode(),
            headers=headers,
            skip_auto_headers={"Content-Type"},
            allow_redirects=False,
        ) as response:
            text = self._as_recorded(await response.text())
            body: Any = json.loads(text) if _is_json(response) else text
        if capture and response.status != 200:
            # The following requests need what it would have made: ask as we want to be asked.
            await self.ask(request | {"path": request["path"].partition("?")[0]}, capture)
            return response.status, body
        for name, path in capture.items():
            part, field = path.split(".")
            self._known[name] = body[part][field]
        return response.status, body

    async def wait_for(self, title: str) -> None:
        """What lay between this request and the one before."""
        if title in BUILDING:
            await self._until(BUILDING[title], lambda it: it["builds"]["web"], "running")
        if title in FINAL:
            await self._until(FINAL[title], lambda it: it, "final")

    async def _until(self, name: str, part: Any, wanted: str) -> None:
        path = f"/v1/tool/$TOOL/deployment/${name}"
        request = {"method": "GET", "path": path, "headers": {"x-toolforge-tool": "$TOOL"}}
        async with asyncio.timeout(20):
            while True:
                _, body = await self.ask(request, {})
                found = part(body["data"])
                state = found.get("build_status", found.get("status"))
                if state == wanted or (
                    wanted == "final" and state not in ("pending", "running", "cancelling")
                ):
                    return
                await asyncio.sleep(0.05)

    def _filled(self, text: str) -> str:
        for name in sorted(self._known, key=len, reverse=True):
            text = text.replace(f"${name}", self._known[name])
        return text

    def _as_recorded(self, text: str) -> str:
        return text.replace(self._known["REPO"], RECORDED_REPOSITORY).replace(
            self._known["TOOL"], "sample"
        )


def _is_json(response: ClientResponse) -> bool:
    return response.content_type == "application/json"


def _documented() -> list[str]:
    """The rows of the documentation's table of kept differences."""
    rows = re.findall(r"^\| (\d+) \| `([^`]+)` \| [^|]+ \|$", DOCS.read_text(), re.MULTILINE)
    return [f"{step} {where}" for step, where in rows]


def _documented_fields() -> list[str]:
    """The names in the documentation's table of fields that are ours."""
    return re.findall(r"^\| `([a-z_]+)` \| [^|]+ \|$", DOCS.read_text(), re.MULTILINE)


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {_masked(name): _masked(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_masked(each) for each in value]
    if isinstance(value, str):
        for pattern, text in _TEXTS:
            value = pattern.sub(text, value)
    return value


def _without(value: Any, extra: set[str]) -> Any:
    """Without the fields of ours, which no client of today knows."""
    if isinstance(value, list):
        return [_without(each, extra) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        name: each if name == "tool_config" else _without(each, extra)
        for name, each in value.items()
        if name not in extra
    }


def _differ(there: Any, here: Any, where: str) -> Iterator[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted(there.keys() | here.keys()):
            yield from _differ(there.get(key, "none"), here.get(key, "none"), f"{where}.{key}")
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for at, (one, other) in enumerate(zip(there, here, strict=True)):
            yield from _differ(one, other, f"{where}[{at}]")
    elif there != here:
        yield where
