"""What commands that deploy or wait share: their options, asking, following, and their end.

Used by every command that speaks to the HTTP API and says how it ended. Whatever is refused is told
as the end of a deployment is, with an exit code of `cli.outcome.Exit`.
"""

import json
import os
import signal
import sys
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from controller.cli import outcome, remote, report
from controller.cli.following import Following
from controller.cli.outcome import Exit, Outcome
from controller.cli.remote import Remote, Reply
from controller.models import durations

Command = TypeVar("Command", bound=Callable[..., Any])
Given = Mapping[str, Any]
"""The options and arguments that a command was given, by name."""

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


def waiting(command: Command) -> Command:
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


AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
WAIT = click.option("--wait", is_flag=True, help="Wait until it has ended, well or not.")
KEY = click.option(
    "--key", help="Of requests with one key only the first deploys. [default: that of the CI job]"
)


def deploy(there: Remote, path: str, body: Mapping[str, Any] | None, given: Given) -> Reply:
    """Ask for a deployment; of requests with one key only the first deploys."""
    headers = {"Idempotency-Key": given["key"] or key_of_job()}
    patience = given["timeout"] if given["wait"] else None
    return ask(there, "POST", path, patience, body=body, headers=headers)


def made(there: Remote, reply: Reply, given: Given) -> None:
    """Say what was made, or refused; with --wait, wait for its end and exit."""
    shown = done(reply, given)
    name = shown["deploy_id"]
    if given["wait"]:
        click.echo(f"deployment {name} of {there.tool}", err=True)
        follow(there, name, given)
    if given["as_json"]:
        click.echo(json.dumps(shown, indent=2))
    else:
        click.echo(name)


def follow(there: Remote, name: str, given: Given) -> NoReturn:
    """Wait for the end, say it and exit; an interruption asks whether to cancel."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    out = None if given["as_json"] else report.console(stderr=True)
    follows = given["on_superseded"] == "follow"
    following = Following(there, name, given["timeout"], follows, out)
    try:
        end(following.end(), given)
    except KeyboardInterrupt:
        if not _is_to_be_cancelled(given["cancel_on_interrupt"], following.name):
            message = f"{following.name} goes on: `ptd wait {following.name}` waits for it."
            raise remote.Failed(Exit.OUT_OF_TIME, message) from None
    done(ask(there, "PUT", f"deployment/{following.name}/cancel"), given)
    end(following.end(), given)


def _is_to_be_cancelled(said: bool, name: str) -> bool:
    if said or not sys.stdin.isatty():
        return said
    try:
        return click.confirm(f"\nCancel {name}, too?", err=True)
    except click.Abort:
        return False


def end(ended: Outcome, given: Given) -> NoReturn:
    """Say how it ended, and exit."""
    files = {name: given.get(name) for name in ("junit", "dotenv")}
    outcome.report(ended, as_json=given["as_json"], **files)
    sys.exit(int(ended.code))


def ask(
    there: Remote, method: str, path: str, patience: float | None = None, **options: Any
) -> Reply:
    """Ask for as long as was said; else a minute in a job, and seconds at a terminal."""
    usual = _AT_A_TERMINAL if sys.stderr.isatty() else _PATIENCE
    return there.insist(method, path, there.clock() + (patience or usual), **options)


def done(reply: Reply, given: Given) -> dict[str, Any]:
    """The data of a success; what was refused is told as the end of a deployment is."""
    if reply.status == 200:
        data: dict[str, Any] = reply.body["data"]
        return data
    end(outcome.refused(reply.status, reply.problem), given)


def key_of_job() -> str:
    """One key a job and attempt: a job that is run again deploys again."""
    if job := os.environ.get("CI_JOB_ID"):
        return f"gitlab-{job}"
    if run := os.environ.get("GITHUB_RUN_ID"):
        names = ("GITHUB_RUN_ATTEMPT", "GITHUB_JOB", "GITHUB_ACTION")
        return "-".join(["github", run, *(os.environ.get(name, "") for name in names)])
    return str(uuid.uuid4())
