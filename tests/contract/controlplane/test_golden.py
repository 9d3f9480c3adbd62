"""The recorded conversation with kube-apiserver 1.36, replayed; kept differences are documented.

The table "Differences" of docs/control-plane.md is read by this test: a difference that is not
listed fails, and so does a row that no longer differs.
"""

import asyncio
import json
import pathlib
import re
import secrets
from typing import Any

from tests.support import controlplane, golden

Object = dict[str, Any]

_ROOT = pathlib.Path(__file__).parents[3]
_RECORDED = _ROOT / "tests/golden/kubernetes-1.36.jsonl"
_ROW = re.compile(r"^\| (?P<title>[^|]+) \| `(?P<field>[^|`]+)` \| [^|]+ \|$", re.MULTILINE)

_WIDGETS = "/apis/golden.example.com/v1/namespaces/golden/widgets"


def listed() -> set[tuple[str, str]]:
    """(title of the step, beginning of the path) of every difference that is kept."""
    text = (_ROOT / "docs/control-plane.md").read_text()
    return {(row["title"].strip(), row["field"]) for row in _ROW.finditer(text)}


class Replay:
    """One replay, under names of its own so that it can run on a cluster that is in use."""

    def __init__(self, access: controlplane.Access) -> None:
        self.access = access
        self.name = f"g{secrets.token_hex(4)}"
        self.captured: dict[str, str] = {}

    def own(self, text: str) -> str:
        return golden.filled(text, self.captured).replace("golden", self.name)

    async def ask(
        self, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> controlplane.Answer:
        raw = None if body is None else self.own(json.dumps(body)).encode()
        return await self.access.ask(method, self.own(path), raw, kind=kind)

    async def step(self, line: Object) -> list[str]:
        """Carry out a step; returns where the answer differs."""
        if line["title"] == "empty list":
            await self._until(_WIDGETS, 200)
        elif line["title"] == "after that":
            await self._until(f"{_WIDGETS}/c", 404)
        elif line["title"] == "resource after its CRD":
            await self._until(_WIDGETS, 404)
        request = line["request"]
        raw = request.get("raw")
        if "body" in request:
            raw = json.dumps(request["body"])
        headers = {"User-Agent": "Python-urllib/3.13"} | request["headers"]
        if line["title"] == "unauthorized":
            headers["Authorization"] = "Bearer no"
        meanwhile = None
        if "meanwhile" in line["title"]:
            meanwhile = asyncio.create_task(self._meanwhile())
        answer = await self.access.ask(
            request["method"],
            self.own(request["path"]),
            None if raw is None else self.own(raw).encode(),
            kind=headers.pop("Content-Type", "application/json"),
            headers=headers,
        )
        if meanwhile is not None:
            await meanwhile
        return self._compare(line, answer)

    def _compare(self, line: Object, answer: controlplane.Answer) -> list[str]:
        wanted = line["response"]
        text = answer.raw.decode().replace(self.name, "golden")
        text = text.replace(self.name.capitalize(), "Golden")
        found: Object = {"status": answer.status}
        found["content_type"] = answer.headers.get("Content-Type", "")
        expected = {"status": wanted["status"], "content_type": wanted["content_type"]}
        if "lines" in wanted:
            found["lines"] = [json.loads(each) for each in text.splitlines()]
            expected["lines"] = wanted["lines"]
        elif "body" in wanted:
            is_json = found["content_type"].startswith(("application/json", "text/plain"))
            found["body"] = json.loads(text) if is_json and text[:1] == "{" else text
            expected["body"] = wanted["body"]
            for name, path in (line.get("capture") or {}).items():
                self.captured[name] = golden.at(json.loads(answer.raw), path)
        else:
            found["text"], expected["text"] = text, wanted["text"]
        if isinstance(found.get("body"), dict):
            _restrict(line["title"], expected, found)
        warnings = (wanted.get("headers") or {}).get("Warning", [])
        expected["warnings"] = [warnings] if isinstance(warnings, str) else warnings
        found["warnings"] = [each.replace(self.name, "golden") for each in answer.warnings]
        return list(golden.differences(golden.masked(expected), golden.masked(found), ""))

    async def _until(self, path: str, status: int) -> None:
        """Give what happens in the background two seconds."""
        for _ in range(40):
            if (await self.ask("GET", path)).status == status:
                return
            await asyncio.sleep(0.05)

    async def _meanwhile(self) -> None:
        await asyncio.sleep(0.3)
        widget = {
            "apiVersion": "golden.example.com/v1",
            "kind": "Widget",
            "metadata": {"name": "w1", "labels": {"app": "one"}},
            "spec": {"color": "red"},
        }
        await self.ask("POST", _WIDGETS, widget)
        for path, patch in (
            ("/w1", {"spec": {"size": 9}}),
            ("/w1/status", {"status": {"phase": "Done"}}),
            ("/w1", {"metadata": {"labels": {"app": "zzz"}}}),
        ):
            await self.ask("PATCH", _WIDGETS + path, patch, "application/merge-patch+json")
        await self.ask("DELETE", f"{_WIDGETS}/w1")


def _restrict(title: str, expected: Object, found: Object) -> None:
    """Where a server lists all that it has, compare what both have."""
    if title == "version":
        for each in (expected["body"], found["body"]):
            for name in set(each) - {"major", "minor"}:
                each[name] = "<any>"
    elif title == "api group list":
        _common(expected["body"], found["body"], "groups")
    elif title == "core v1 resources":
        _common(expected["body"], found["body"], "resources")
    elif title == "openapi v3 index":
        paths = expected["body"]["paths"].keys() & found["body"]["paths"].keys()
        for each in (expected["body"], found["body"]):
            urls = {path: each["paths"][path]["serverRelativeURL"] for path in sorted(paths)}
            each["paths"] = {path: url.partition("?hash=")[0] for path, url in urls.items()}


def _common(expected: Object, found: Object, name: str) -> None:
    wanted = {each["name"]: each for each in expected[name]}
    served = {each["name"]: each for each in found[name] if each["name"] in wanted}
    expected[name] = {key: each for key, each in wanted.items() if key in served}
    found[name] = served


async def test_every_answer_is_that_of_kubernetes_but_for_what_is_documented(
    control_plane: controlplane.Access,
) -> None:
    replay = Replay(control_plane)
    found: list[tuple[str, str]] = []
    for text in _RECORDED.read_text().splitlines():
        line = json.loads(text)
        found += [(line["title"], each) for each in await replay.step(line)]
    kept = listed()
    unlisted = [
        f"{title}: {each}"
        for title, each in found
        if not any(title == other and each.startswith(field) for other, field in kept)
    ]
    assert not unlisted, "\n".join(unlisted)
    if control_plane.embedded:
        stale = {
            row
            for row in kept
            if not any(row[0] == title and each.startswith(row[1]) for title, each in found)
        }
        assert not stale, f"these rows of docs/control-plane.md no longer differ: {stale}"
