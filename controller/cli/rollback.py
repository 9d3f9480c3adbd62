"""`ptd rollback`: deploy again what an earlier successful deployment ran.

Its commits are pinned for each component, as `ptd deploy --commit` does, with the config as it is
now. What to go back to is chosen by `cli.goback`; here it is asked
for.
"""

from collections.abc import Mapping
from typing import Any

import click

from controller.cli import asking, completing, goback, identity, listing, remote, standing
from controller.cli.outcome import Exit, Outcome
from controller.models import terminal


@click.command()
@click.argument("deployment", required=False, shell_complete=completing.deployments)
@click.option("--description", "-m", default="", help="Why. [default: Rollback to DEPLOYMENT]")
@asking.KEY
@asking.WAIT
@asking.waiting
@asking.AS_JSON
@remote.options
def rollback(**given: Any) -> None:
    """Deploy again the commits of DEPLOYMENT, a successful one.

    Without DEPLOYMENT: of the last successful one before what runs now that had other commits. The
    config stays as it is now. Says what will run before it does it.

    Exit codes are those of `ptd deploy`.
    """
    named = given["deployment"]
    there = remote.find(given) if named and identity.has_token(given) else identity.find(given)
    try:
        target = _named(there, named, given) if named else _chosen(there, given)
        reply = asking.ask(there, "GET", "config")
        config = reply.body["data"] if reply.status == 200 else {}
        pins = goback.pins(target, config)
    except goback.Refused as refused:
        record = {"status": 409, "detail": refused.message, "hint": refused.hint}
        asking.end(Outcome(Exit.FAILED, record), given)
    for line in goback.lines(target, pins, config, _runs(there), standing.followed(there)):
        click.echo(terminal.safe(line), err=True)
    name = target["deploy_id"]
    body = {"description": given["description"] or f"Rollback to {name}", "commits": pins}
    # A job that deploys, and goes back where that failed, asks for two things.
    key = given["key"] or f"{asking.key_of_job()}-rollback"
    reply = asking.deploy(there, "deployment", body, {**given, "key": key})
    asking.made(there, reply, given)


def _named(there: remote.Remote, name: str, given: asking.Given) -> Mapping[str, Any]:
    found = asking.done(asking.ask(there, "GET", f"deployment/{name}"), given)
    return goback.checked(found)


def _chosen(there: remote.Remote, given: asking.Given) -> Mapping[str, Any]:
    return goback.choose(there.tool, listing.all_of(there, given))


def _runs(there: remote.Remote) -> standing.Running | None:
    reply = asking.ask(there, "GET", "deployment/latest")
    return standing.runs_now(there, reply.body["data"]) if reply.status == 200 else None
