"""`ptd list`: the tool's deployments, newest first, and which one runs now.

Speaks HTTP to the API (`cli.remote`); how they look is the matter of `cli.history`.
"""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click
from rich.console import Console

from controller.cli import asking, history, identity, remote, standing

_USUAL = 10


@click.command("list")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=_USUAL,
    show_default=True,
    metavar="N",
    help="Show the N newest ones.",
)
@asking.AS_JSON
@remote.place
def listed(limit: int, **given: Any) -> None:
    """List the tool's deployments, newest first; * is before the one that runs now.

    STARTED is when its turn came, TOOK how long it took since. All that go on and the newest 25
    that have ended are kept.
    """
    there = identity.find(given)
    made = all_of(there, given)
    runs = standing.running(made[0], made) if made else None
    if given["as_json"]:
        shown = {"running": asdict(runs) if runs else None, "deployments": made[:limit]}
        click.echo(json.dumps(shown, indent=2))
        return
    if not made:
        click.echo(f"{there.tool} has no deployments; `ptd deploy --wait` makes the first one.")
        return
    out = Console()
    width = out.width if out.is_terminal else None
    name = runs.deploy_id if runs else ""
    for line in history.lines(made[:limit], name, datetime.now(UTC), width):
        click.echo(line)
    if (older := len(made) - limit) > 0:
        click.echo(f"{older} older: `ptd list --limit {len(made)}` shows all.", err=True)


def all_of(there: remote.Remote, given: asking.Given) -> list[dict[str, Any]]:
    """All deployments, newest first; exits where they are not to be had."""
    reply = asking.ask(there, "GET", "deployment")
    newest: list[dict[str, Any]] = asking.done(reply, given)["deployments"][::-1]
    return newest
