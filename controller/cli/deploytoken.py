"""`ptd token`: the tool's deploy token, with which a CI job may deploy and nothing else.

The API makes and keeps it (`controller.api.deploytokens`). Its answers hold the token: only
`create` prints it, once, to standard output; nothing else here may, nor what is told of a failure.
"""

import json
from typing import Any, NoReturn

import click

from controller.cli import asking, display, identity, remote
from controller.cli.outcome import Exit, Outcome
from controller.cli.remote import Remote, Reply

_PATH = "deployment/token"


@click.group()
def token() -> None:
    """Make, show and revoke the tool's deploy token.

    A tool has one at most. With it a CI job deploys, waits, retries and cancels; it can neither
    read the config nor make a token.
    """


@token.command()
@click.option("--rotate", is_flag=True, help="Make another in its place; the old one ends at once.")
@remote.place
def create(*, rotate: bool, **given: Any) -> None:
    """Make the deploy token and print it, once.

    Nothing but the token goes to standard output. Paste it into the CI's secret variables as
    DEPLOY_TOKEN.
    """
    given["as_json"] = False
    there = identity.find(given)
    reply = asking.ask(there, "PUT" if rotate else "POST", _PATH)
    if rotate and reply.status == 404:
        reply = asking.ask(there, "POST", _PATH)
    if reply.status == 409:
        _end(
            f"{there.tool} has a deploy token already{_since(asking.ask(there, 'GET', _PATH))}",
            "It is not shown again: `ptd token create --rotate` makes another in its place, and "
            "the old one ends at once.",
            given,
        )
    if reply.status == 404:
        _end(
            f"there is no tool {there.tool} here, or no namespace tool-{there.tool}",
            "--tool names another; `kubectl get namespaces` shows those there are.",
            given,
        )
    made = asking.done(reply, given)
    click.echo(made["token"])
    said = "it takes the place of the one before" if rotate else "it is not shown again"
    click.echo(
        f"This is the deploy token of {there.tool}; {said}. "
        "Keep it as the secret variable DEPLOY_TOKEN of the CI.",
        err=True,
    )


@token.command()
@asking.AS_JSON
@remote.place
def show(**given: Any) -> None:
    """Show whether there is one, and since when.

    The token itself is never shown. Exit code 1: there is none.
    """
    there = identity.find(given)
    shown = _existing(there, asking.ask(there, "GET", _PATH), given)
    if given["as_json"]:
        known = {"tool": there.tool, "creation_date": shown["creation_date"]}
        click.echo(json.dumps(known, indent=2))
    else:
        click.echo(f"{there.tool} has a deploy token, made {_time(shown)}")


@token.command()
@remote.place
def revoke(**given: Any) -> None:
    """Remove the deploy token.

    Whoever has it can do nothing with it any more. Exit code 1: there is none.
    """
    given["as_json"] = False
    there = identity.find(given)
    shown = _existing(there, asking.ask(there, "DELETE", _PATH), given)
    click.echo(f"{there.tool}: the deploy token made {_time(shown)} is revoked")


def _existing(there: Remote, reply: Reply, given: asking.Given) -> dict[str, Any]:
    if reply.status == 404:
        _end(f"{there.tool} has no deploy token", "`ptd token create` makes one.", given)
    return asking.done(reply, given)


def _end(said: str, hint: str, given: asking.Given) -> NoReturn:
    asking.end(Outcome(Exit.FAILED, {"status": 409, "detail": said, "hint": hint}), given)


def _since(reply: Reply) -> str:
    """Where it is known; what somebody else put in its place has no date."""
    return f", made {_time(reply.body['data'])}" if reply.status == 200 else ""


def _time(shown: dict[str, Any]) -> str:
    return f"{display.minute(shown['creation_date'])} UTC"
