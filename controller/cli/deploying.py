"""`ptd deploy`, `retry`, `wait`, `status` and `cancel`: for people at a terminal and for CI jobs.

All of them speak HTTP to the API (`cli.remote`), with the tool's deploy token or a kubeconfig. Exit
codes are those of `cli.outcome.Exit`; progress goes to standard error, results to standard output.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import click

from controller.cli import (
    asking,
    completing,
    live,
    outcome,
    polling,
    remote,
    report,
    standing,
    summary,
)
from controller.cli.asking import Given
from controller.cli.following import Following
from controller.cli.outcome import Exit, Outcome
from controller.cli.remote import Remote, Reply
from controller.models import terminal

_SHA = re.compile(r"[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?")
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
@asking.KEY
@asking.WAIT
@asking.waiting
@asking.AS_JSON
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
    there = remote.find(given)
    asking.made(there, asking.deploy(there, path, body, given), given)


@click.command()
@_latest
@asking.KEY
@asking.WAIT
@asking.waiting
@asking.AS_JSON
@remote.options
def retry(**given: Any) -> None:
    """Deploy the commits of DEPLOYMENT, or of the newest one, once more after it has failed.

    Exit codes are those of `ptd deploy`.
    """
    there = remote.find(given)
    reply = asking.deploy(there, f"deployment/{given['deployment']}/retry", None, given)
    asking.made(there, _explained(there, reply, given, standing.not_retried), given)


@click.command()
@_latest
@asking.waiting
@asking.AS_JSON
@remote.options
def wait(**given: Any) -> None:
    """Wait until DEPLOYMENT, or what is the newest one now, has ended.

    Exit codes are those of `ptd deploy --wait`.
    """
    asking.follow(remote.find(given), given["deployment"], given)


@click.command()
@_latest
@asking.AS_JSON
@remote.options
def status(deployment: str, as_json: bool, **given: Any) -> None:
    """Show DEPLOYMENT, or the newest one and what polling saw last."""
    there = remote.find(given)
    reply = asking.ask(there, "GET", f"deployment/{deployment}")
    shown = reply.body["data"] if reply.status == 200 else {}
    runs = standing.runs_now(there, shown) if deployment == "latest" else None
    followed = standing.followed(there) if deployment == "latest" else {}
    jobs = live.jobs(there, shown) if deployment == "latest" else None
    if as_json:
        shown = asking.done(reply, given | {"as_json": True})
        more = {"running": runs and asdict(runs), "polling": followed, "jobs": jobs}
        click.echo(json.dumps(shown | {k: v for k, v in more.items() if v}, indent=2))
        return
    # Without a deployment, what polling says is why.
    said = summary.lines(live.believed(shown, jobs)) if shown else []
    told = [*said, *standing.meanwhile(shown, runs)] if shown else []
    told += _end_of(there, shown) if shown else []
    for line in told + live.lines(shown, jobs) + polling.lines(followed, runs):
        click.echo(terminal.safe(line))
    asking.done(reply, given | {"as_json": False})


@click.command()
@_id
@asking.WAIT
@asking.waiting
@asking.AS_JSON
@remote.options
def cancel(**given: Any) -> None:
    """Cancel DEPLOYMENT; `latest` is the newest one.

    With --wait, exit code 0 says that it is cancelled.
    """
    there = remote.find(given)
    reply = asking.ask(there, "PUT", f"deployment/{given['deployment']}/cancel")
    shown = asking.done(_explained(there, reply, given, standing.not_cancelled), given)
    name = shown["deploy_id"]
    if not given["wait"]:
        said = f"{name} is being cancelled; `ptd wait {name}` waits for it."
        click.echo(json.dumps(shown, indent=2) if given["as_json"] else said)
        return
    out = None if given["as_json"] else report.console(stderr=True)
    ended = Following(there, name, given["timeout"], False, out).end()
    cancelled = ended.record.get("state") == "cancelled"
    asking.end(Outcome(Exit.OK if cancelled else ended.code, ended.record), given)


def _explained(
    there: Remote, reply: Reply, given: Given, words: Callable[[Mapping[str, Any]], str]
) -> Reply:
    """What was refused as the deployment's state does not allow it, said with that state."""
    if reply.status != 409 or given["as_json"]:
        return reply
    found = asking.ask(there, "GET", f"deployment/{given['deployment']}")
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


def _name(flag: str) -> str:
    return flag.replace("-", "_")


def _end_of(there: Remote, shown: Mapping[str, Any]) -> list[str]:
    """Why it has not succeeded, as those who waited for it were told."""
    if shown["status"] not in ("failed", "timed_out", "cancelled"):
        return []
    path = f"deployment/{shown['deploy_id']}/wait?timeout=0&on_superseded=fail"
    record = asking.ask(there, "GET", path).body
    return list(outcome.sentences(outcome.of(record)))[1:]
