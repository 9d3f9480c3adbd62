"""How a deployment ended, as exit code, sentences, JSON, JUnit and dotenv.

Used by the commands that wait. The record is that of `controller.api.problem_body`, as the HTTP API
sends it. `examples/ci/ptd-deploy.sh` has the same exit codes, and the same tests.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import click

from controller.cli import annotating, display
from controller.models import terminal

JSON = Mapping[str, Any]


class Exit(IntEnum):
    """The exit codes of every command that deploys or waits (docs/ci.md)."""

    OK = 0
    FAILED = 1
    USAGE = 2
    AUTH = 3
    CANCELLED = 4
    OUT_OF_TIME = 5
    PLATFORM = 6


_CONFIG = ("config-missing", "config-invalid", "config-fetch-failed")
_REFUSED = {
    400: Exit.USAGE,
    401: Exit.AUTH,
    403: Exit.AUTH,
    405: Exit.USAGE,
    413: Exit.USAGE,
    422: Exit.USAGE,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """An end: its code, and the record of the deployment."""

    code: Exit
    record: JSON


def of(record: JSON) -> Outcome:
    """The outcome of a final deployment."""
    return Outcome(_code(record), record)


def refused(status: int, record: JSON) -> Outcome:
    """The outcome of a request that was refused."""
    code = _REFUSED.get(status, Exit.PLATFORM if status >= 500 else Exit.FAILED)
    return Outcome(code, record)


def _code(record: JSON) -> Exit:
    match record.get("state"):
        case "successful" if record.get("status") != 409:
            return Exit.OK
        case "cancelled" | "successful":
            return Exit.CANCELLED
    if record.get("reason") in _CONFIG:
        return Exit.USAGE
    return Exit.PLATFORM if record.get("owner") == "platform" else Exit.FAILED


def sentences(outcome: Outcome) -> Iterator[str]:
    """What a person is told at the end, the most useful first, and nothing of it twice.

    Nothing of it commands a terminal, whoever wrote it.
    """
    return map(terminal.safe, _sentences(outcome))


def _sentences(outcome: Outcome) -> Iterator[str]:
    record = outcome.record
    name, state = record.get("deploy_id", ""), record.get("state", "")
    detail = record.get("detail") or record.get("title", "")
    ended = f"{name}: {state}" if name and state else ""
    if outcome.code is Exit.OK:
        yield ended
        return
    yield ": ".join(part for part in (ended, detail) if part and part != state)
    for mistake in record.get("mistakes") or ():
        place = [str(mistake[it]) for it in ("file", "line", "column") if mistake.get(it)]
        yield "  " + ": ".join([":".join(place), annotating.said(mistake)][not place :])
    yield from _facts(record)
    tail = terminal.last_lines(record.get("log_tail") or ())
    tail = tuple(line for line in tail if not _repeats(line, detail))
    if tail:
        yield "  the last lines of its log:"
        yield from (f"    {line}" for line in tail)
    if kept := record.get("kept_running"):
        commits = kept.get("commits", {})
        yield f"  {still_runs(kept['deploy_id'], commits, record.get('component', ''))}"
    if record.get("hint"):
        yield f"  {record['hint']}"
    if outcome.code is Exit.PLATFORM and name:
        yield f"  Not your fault: `ptd retry {name} --wait` deploys the same once more."


def still_runs(name: str, commits: Mapping[str, str], component: str = "") -> str:
    """That an older deployment's version runs; of one component where only that one matters."""
    if component in commits:
        return f"what ran before still runs: {name} {display.short(commits[component])}"
    each = ", ".join(f"{of} {display.short(commit)}" for of, commit in commits.items())
    return f"what ran before still runs: {name}{f' ({each})' if each else ''}"


def _facts(record: JSON) -> Iterator[str]:
    """What a deployment's end is about; a request that was refused has said all."""
    if not record.get("state"):
        return
    for word in ("reason", "owner", "component", "commit", "superseded_by"):
        value = record.get(word)
        if value and value not in (record["state"], "nobody"):
            yield f"  {word.replace('_', ' ')}: {value}"


def _repeats(line: str, detail: str) -> bool:
    """Whether a line of the log is what the first sentence says, as a builder ends it."""
    said = line.removeprefix("build failed: ").strip()
    return bool(said) and said in detail


def report(outcome: Outcome, *, as_json: bool, junit: Path | None, dotenv: Path | None) -> None:
    """Say how it ended: in words or JSON, in the files that were asked for, in GitHub's log."""
    if as_json:
        click.echo(json.dumps({**outcome.record, "exit_code": int(outcome.code)}, indent=2))
    else:
        for line in sentences(outcome):
            click.echo(line, err=outcome.code is not Exit.OK)
    if outcome.code is not Exit.OK and os.environ.get("GITHUB_ACTIONS") == "true":
        workspace = Path(os.environ.get("GITHUB_WORKSPACE") or ".")
        mistakes = outcome.record.get("mistakes") or ()
        for line in annotating.annotations(sentences(outcome), mistakes, workspace):
            click.echo(line, err=True)
    if junit is not None:
        junit.write_text(_junit(outcome), encoding="utf-8")
    if dotenv is not None:
        dotenv.write_text("".join(_dotenv(outcome)), encoding="utf-8")


def _dotenv(outcome: Outcome) -> Iterator[str]:
    """Variables for later jobs; nothing that anybody else has written freely."""
    for name in ("deploy_id", "state", "reason", "owner", "component", "commit", "superseded_by"):
        value = re.sub(r"[^A-Za-z0-9._:/-]", "", str(outcome.record.get(name, "")))
        yield f"DEPLOY_{name.removeprefix('deploy_').upper()}={value}\n"
    yield f"DEPLOY_EXIT_CODE={int(outcome.code)}\n"


def _junit(outcome: Outcome) -> str:
    """One case a component, so that a merge request shows which one failed; else one in all."""
    record, failed = outcome.record, outcome.code is not Exit.OK
    components: Mapping[str, Any] = record.get("components") or {}
    blamed = [n for n, it in components.items() if n == record.get("component") or _broke(it)]
    suite = Xml.Element("testsuite", name=f"deployment {record.get('deploy_id', '')}".rstrip())
    if failed and not blamed:
        _case(suite, "deployment", record)
    elif not components:
        _case(suite, "deployment", None)
    for name, became in components.items():
        case = _case(suite, name, record if failed and name in blamed else None)
        if failed and name not in blamed and became.get("run") == "skipped":
            Xml.SubElement(case, "skipped")
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    return Xml.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _broke(became: Mapping[str, Any]) -> bool:
    return "failed" in (became.get("build"), became.get("run"))


def _case(suite: Xml.Element, name: str, failed: JSON | None) -> Xml.Element:
    case = Xml.SubElement(suite, "testcase", classname="deployment", name=name)
    if failed is not None:
        words = str(failed.get("detail") or failed.get("title", ""))
        inner = Xml.SubElement(case, "failure", message=_xml(words))
        inner.set("type", str(failed.get("reason", "")))
        inner.text = _xml("\n".join([*failed.get("log_tail", ()), str(failed.get("hint", ""))]))
    return case


def _xml(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return re.sub(r"[^\t\n\x20-\ud7ff\ue000-\ufffd]", "", text)
