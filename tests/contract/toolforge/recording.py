"""Reads the recording of the real jobs-api (`tests/golden/jobs-api.jsonl`)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATH = Path(__file__).parents[2] / "golden" / "jobs-api.jsonl"
IMAGES = [
    *(f"tool-sample/{name}:latest@sha256:{'a' * 64}" for name in ("web", "worker", "cron", "once")),
    f"tool-sample/web:latest@sha256:{'b' * 64}",
]


@dataclass(frozen=True)
class Step:
    """One request with its answer; `at` in seconds from the beginning."""

    number: int
    at: float
    title: str
    method: str
    path: str
    sent: Any
    raw: str | None
    status: int
    answer: Any

    @property
    def job(self) -> dict[str, Any] | None:
        """The job in the answer, if it shows one."""
        return self.answer.get("job") if isinstance(self.answer, dict) else None


def steps() -> list[Step]:
    """The recording, in order."""
    with PATH.open(encoding="utf-8") as file:
        return [_step(json.loads(line)) for line in file]


def _step(line: dict[str, Any]) -> Step:
    request, response = line["request"], line["response"]
    return Step(
        line["step"],
        line["at"],
        line["title"],
        request["method"],
        request["path"],
        request.get("body"),
        request.get("raw"),
        response["status"],
        response.get("body"),
    )
