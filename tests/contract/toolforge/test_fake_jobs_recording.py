"""The stand-in of jobs-api reproduces the recording of the real one, states in the same order."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from tests.contract.toolforge import recording
from tests.support.toolforge.fake_jobs import JobsService, jobs_app
from tests.support.toolforge.openapi import jobs_document
from tests.support.toolforge.registry import Registry

DOCS = Path(__file__).parents[3] / "docs" / "toolforge-backend.md"
# Requests of the recording took up to 0.3 s, and both sides round down to seconds.
TOLERANCE = timedelta(seconds=2)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


async def test_the_stand_in_answers_as_the_real_service_did() -> None:
    service = JobsService(registry=Registry.of(recording.IMAGES), logs=None)
    differences = []
    async with TestClient(TestServer(jobs_app(service, jobs_document()))) as client:
        passed = 0.0
        for step in recording.steps():
            service.clock.advance(step.at - passed)
            passed = step.at
            sent = json.dumps(step.sent) if step.raw is None and step.sent else step.raw
            response = await client.request(
                step.method, step.path, data=sent, headers={"x-toolforge-tool": "sample"}
            )
            answer = json.loads(await response.text())
            found = [*_differ(step.status, response.status, "status code")]
            found += _differ(step.answer, answer, "body")
            differences += [f"{step.number} {where}" for where in found]

    assert differences == _documented_differences()


def _documented_differences() -> list[str]:
    """The rows of the documentation's table of kept differences."""
    rows = re.findall(r"^\| (\d+) \| `([^`]+)` \| [^|]+ \|$", DOCS.read_text(), re.MULTILINE)
    return [f"{step} {where}" for step, where in rows]


def _differ(there: Any, here: Any, where: str) -> Iterator[str]:
    if isinstance(there, dict) and isinstance(here, dict):
        for key in sorted(there.keys() | here.keys()):
            yield from _differ(
                there.get(key, "missing"), here.get(key, "missing"), f"{where}.{key}"
            )
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for index, (one, other) in enumerate(zip(there, here, strict=True)):
            yield from _differ(one, other, f"{where}[{index}]")
    elif there != here and not _same_but_for_time(there, here, where):
        yield where


def _same_but_for_time(there: Any, here: Any, where: str) -> bool:
    if not isinstance(there, str) or not isinstance(here, str):
        return False
    if where.endswith(".duration"):
        return abs(_seconds(there) - _seconds(here)) <= TOLERANCE
    pairs = zip(_TIME.findall(there), _TIME.findall(here), strict=False)
    near = all(
        abs(datetime.fromisoformat(a) - datetime.fromisoformat(b)) <= TOLERANCE for a, b in pairs
    )
    return near and _TIME.sub("", there) == _TIME.sub("", here)


def _seconds(text: str) -> timedelta:
    parts = {unit: int(number) for number, unit in re.findall(r"(\d+)([dhms])", text)}
    return timedelta(
        days=parts.get("d", 0),
        hours=parts.get("h", 0),
        minutes=parts.get("m", 0),
        seconds=parts.get("s", 0),
    )
