"""The recorded conversation with a real kube-apiserver 1.36 (tests/golden), by step number."""

import copy
import functools
import json
import pathlib
from typing import Any

FILE = pathlib.Path(__file__).parents[2] / "golden" / "kubernetes-1.36.jsonl"


@functools.cache
def _steps() -> dict[int, dict[str, Any]]:
    rows = map(json.loads, FILE.read_text().splitlines())
    return {int(row["step"]): row for row in rows}


def step(number: int) -> dict[str, Any]:
    return copy.deepcopy(_steps()[number])


def request(number: int) -> Any:
    """The body that was sent, with the namespace that the server puts into it."""
    sent = step(number)["request"]
    return sent["body"] if "body" in sent else json.loads(sent["raw"])


def answer(number: int) -> Any:
    return step(number)["response"]["body"]


def causes(number: int) -> list[dict[str, str]]:
    found: list[dict[str, str]] = answer(number)["details"]["causes"]
    return found


def crd_version() -> dict[str, Any]:
    """The version of the CRD that all of the conversation's widgets have."""
    version: dict[str, Any] = request(16)["spec"]["versions"][0]
    return version
