"""`ptd deploy`, `retry`, `wait`, `status` and `cancel`: for people at a terminal and for CI jobs.

All of them speak HTTP to the API (`cli.remote`), with the tool's deploy token or a kubeconfig. Exit
codes are those of `cli.outcome.Exit`; progress goes to standard error, results to standard output.
"""

import json
import os
import re
import signal
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from controller.cli import completing, live, outcome, polling, remote, report, standing, summary
from controller.cli.following import Following
from controller.cli.outcome import Exit, Outcome
from controller.cli.remote import Remote, Reply
from controller.models import durations, terminal

Command = TypeVar("Command", bound=Callable[..., Any])
Given = Mapping[str, Any]

_SHA = re.compile(r"[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?")
_PATIENCE = 60.0  # seconds for a request of a job, and what is asked again
_AT_A_TERMINAL = 3.0  # there somebody waits who can ask again
_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


class _Duration(click.ParamType):  # type: ignore[type-arg]
    """`90s`, `5m`, `1h`; seconds in code."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds."""
        try:
            return durations.parse(str(value)).total_seconds()
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _waiting(command: Command) -> Command:
    """The options of commands that wait."""
    for option in (
        click.option("--dotenv", type=_FILE, help="Write the result as variables to FILE."),
        click.option("--junit", type=_FILE, help="Write a JUnit report to FILE."),
        click.option(
            "--on-superseded",
            type=click.Choice(["follow", "fail"]),
            default="follow",
            show_default=True,
            help="What to do when a newer deployment replaces it.",
        ),
        click.option(
            "--cancel-on-interrupt", is_flag=True, help="Cancel it on Ctrl-C and SIGTERM."
        ),
        click.option(
            "--timeout", type=_Duration(), default="1h", show_default=True, help="How long to wait."
        ),
    ):
        command = option(command)
    return command


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
_wait = click.option("--wait", is_flag=True, help="Wait until it has ended, well or not.")
_key = click.option(
    "--key", help="Of requests with one key only the first deploys. [default: that of the CI job]"
)
_id = click.argument("deployment", shell_complete=completing.deployments)
_latest = click.argument("deployment", default="latest", shell_complete=completing.deployments)


@click.command()
@click.option("--description", "-m", default="", help="What is deployed and why.")
@click.option(
    "--commit",
    "commits",
    multiple=True,
    metavar="COMPONENT=SHA",
    help="What must be deployed of a component, whatever its ref holds; repeatable.",
    shell_complete=completing.components,
)
@click.option("--force-build", is_flag=True, help="Build also what is built already.")
@click.option("--force-run", is_flag=True, help="Restart also what has not changed.")
@_key
@_wait
@_waiting
@_json
@remote.options
def deploy(**given: Any) -> None:
    """Deploy the tool's config as it is now.

    \b
    Exit codes:
      0  done; with --wait: completely successful
      1  it failed
      2  the command or the config is wrong
      3  not allowed
      4  cancelled or replaced
      5  not finished in time, it goes on
      6  a failure of the platform: try again
    """
    flags = [f"{flag}=true" for flag in ("force-build", "force-run") if given[_name(flag)]]
    path = "deployment" + (f"?{'&'.join(flags)}" if flags else "")
    body: dict[str, Any] = {"description": given["description"]}
    if given["commits"]:
        body["commits"] = _pins(given["commits"])
    _make(given, path, body)


@click.command()
@_latest
@_key
@_wait
@_waiting
@_json
@remote.options
def retry(**given: Any) -> None:
    """Deploy the commits of DEPLOYMENT, or of the newest one, once more after it has failed.

    Exit codes are those of `ptd deploy`.
    """
    _make(given, f"deployment/{given['deployment']}/retry", None)


@click.command()
@_latest
@_waiting
@_json
@remote.options
def wait(**given: Any) -> None:
    """Wait until DEPLOYMENT, or what is the newest one now, has ended.

    Exit codes are those of `ptd deploy --wait`.
    """
    _follow(remote.find(given), given["deployment"], given)


@click.command()
@_latest
@_json
@remote.options
def status(deployment: str, as_json: bool, **given: Any) -> None:
    """Show DEPLOYMENT, or the newest one and what polling saw last."""
    there = remote.find(given)
    reply = _ask(there, "GET", f"deployment/{deployment}")
    shown = reply.body["data"] if reply.status == 200 else {}
    runs = standing.runs_now(there, shown) if deployment == "latest" else None
    followed = standing.followed(there) if deployment == "latest" else {}
    jobs = live.jobs(there, shown) if deployment == "latest" else None
    if as_json:
        shown = _done(reply, given | {"as_json": True})
        more = {"running": runs and asdict(runs), "polling": followed, "jobs": jobs}
        click.echo(json.dumps(shown | {k: v for k, v in more.items() if v}, indent=2))
        return
    # Without a deployment, what polling says is why.
    said = summary.lines(live.believed(shown, jobs)) if shown else []
    told = [*said, *standing.meanwhile(shown, runs)] if shown else []
    told += _end_of(there, shown) if shown else []
    for line in told + live.lines(shown, jobs) + polling.lines(followed, runs):
        click.echo(terminal.safe(line))
    _done(reply, given | {"as_json": False})


@click.command()
@_id
@_wait
@_waiting
@_json
@remote.options
def cancel(**given: Any) -> None:
    """Cancel DEPLOYMENT; `latest` is the newest one.

    With --wait, exit code 0 says that it is cancelled.
    """
    there = remote.find(given)
    reply = _ask(there, "PUT", f"deployment/{given['deployment']}/cancel")
    shown = _done(_explained(there, reply, given, standing.not_cancelled), given)
    name = shown["deploy_id"]
    if not given["wait"]:
        said = f"{name} is being cancelled; `ptd wait {name}` waits for it."
        click.echo(json.dumps(shown, indent=2) if given["as_json"] else said)
        return
    out = None if given["as_json"] else report.console(stderr=True)
    ended = Following(there, name, given["timeout"], False, out).end()
    cancelled = ended.record.get("state") == "cancelled"
    _end(Outcome(Exit.OK if cancelled else ended.code, ended.record), given)


def _make(given: Given, path: str, body: Mapping[str, Any] | None) -> None:
    there = remote.find(given)
    headers = {"Idempotency-Key": given["key"] or _key_of_job()}
    patience = given["timeout"] if given["wait"] else None
    reply = _ask(there, "POST", path, patience, body=body, headers=headers)
    if body is None:
        reply = _explained(there, reply, given, standing.not_retried)
    shown = _done(reply, given)
    name = shown["deploy_id"]
    if given["wait"]:
        click.echo(f"deployment {name} of {there.tool}", err=True)
        _follow(there, name, given)
    if given["as_json"]:
        click.echo(json.dumps(shown, indent=2))
    else:
        click.echo(name)


def _follow(there: Remote, name: str, given: Given) -> NoReturn:
    """Wait for the end, say it and exit; an interruption asks whether to cancel."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    out = None if given["as_json"] else report.console(stderr=True)
    follows = given["on_superseded"] == "follow"
    following = Following(there, name, given["timeout"], follows, out)
    try:
        _end(following.end(), given)
    except KeyboardInterrupt:
        if not _is_to_be_cancelled(given["cancel_on_interrupt"], following.name):
            message = f"{following.name} goes on: `ptd wait {following.name}` waits for it."
            raise remote.Failed(Exit.OUT_OF_TIME, message) from None
    _done(_ask(there, "PUT", f"deployment/{following.name}/cancel"), given)
    _end(following.end(), given)


def _is_to_be_cancelled(said: bool, name: str) -> bool:
    if said or not sys.stdin.isatty():
        return said
    try:
        return click.confirm(f"\nCancel {name}, too?", err=True)
    except click.Abort:
        return False


def _end(ended: Outcome, given: Given) -> NoReturn:
    files = {name: given.get(name) for name in ("junit", "dotenv")}
    outcome.report(ended, as_json=given["as_json"], **files)
    sys.exit(int(ended.code))


def _ask(
    there: Remote, method: str, path: str, patience: float | None = None, **options: Any
) -> Reply:
    """Ask for as long as was said; else a minute in a job, and seconds at a terminal."""
    usual = _AT_A_TERMINAL if sys.stderr.isatty() else _PATIENCE
    return there.insist(method, path, there.clock() + (patience or usual), **options)


def _done(reply: Reply, given: Given) -> dict[str, Any]:
    """The data of a success; what was refused is told as the end of a deployment is."""
    if reply.status == 200:
        data: dict[str, Any] = reply.body["data"]
        return data
    _end(outcome.refused(reply.status, reply.problem), given)


def _explained(
    there: Remote, reply: Reply, given: Given, words: Callable[[Mapping[str, Any]], str]
) -> Reply:
    """What was refused as the deployment's state does not allow it, said with that state."""
    if reply.status != 409 or given["as_json"]:
        return reply
    found = _ask(there, "GET", f"deployment/{given['deployment']}")
    said = words(found.body["data"]) if found.status == 200 else ""
    return replace(reply, body=dict(reply.problem, type="", detail=said)) if said else reply


def _pins(given: tuple[str, ...]) -> dict[str, str]:
    pins = dict(each.partition("=")[::2] for each in given)
    for component, sha in pins.items():
        if not component or not sha:
            raise click.UsageError("--commit wants COMPONENT=SHA")
        if not _SHA.fullmatch(sha):
            raise click.UsageError(
                f"--commit {component}={sha}: this is no full commit SHA (40 or 64 digits of 0-9 "
                "and a-f); `git rev-parse REF` prints it"
            )
    return pins


def _key_of_job() -> str:
    """One key a job and attempt: a job that is run again deploys again."""
    if job := os.environ.get("CI_JOB_ID"):
        return f"gitlab-{job}"
    if run := os.environ.get("GITHUB_RUN_ID"):
        names = ("GITHUB_RUN_ATTEMPT", "GITHUB_JOB", "GITHUB_ACTION")
        return "-".join(["github", run, *(os.environ.get(name, "") for name in names)])
    return str(uuid.uuid4())


def _name(flag: str) -> str:
    return flag.replace("-", "_")


def _end_of(there: Remote, shown: Mapping[str, Any]) -> list[str]:
    """Why it has not succeeded, as those who waited for it were told."""
    if shown["status"] not in ("failed", "timed_out", "cancelled"):
        return []
    path = f"deployment/{shown['deploy_id']}/wait?timeout=0&on_superseded=fail"
    record = _ask(there, "GET", path).body
    return list(outcome.sentences(outcome.of(record)))[1:]
