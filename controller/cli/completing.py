"""What the shell offers after TAB: components, deployment ids; and the script that makes it ask.

`ptd completion SHELL` prints the script. Offers come from the API, within seconds or not at all: a
completion may not hang, fail or print. A deploy token sees only single deployments: with it, the
newest one is what there is to offer.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from controller.cli import remote

_PATIENCE = 2.0
_STATES = {
    "cancel": ("pending", "running"),
    "retry": ("failed", "timed_out", "cancelled"),
    "rollback": ("successful",),
}
"""The states in which a command is granted (`controller.api.deployments`, `cli.rollback`);
others take any."""
Of = Callable[[dict[str, Any]], list[CompletionItem]]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
def completion(shell: str) -> None:
    """Print the completion script for SHELL: bash, zsh or fish.

    \b
    bash  in ~/.bashrc:  eval "$(ptd completion bash)"
    zsh   in ~/.zshrc:   eval "$(ptd completion zsh)"
    fish  once:          ptd completion fish > ~/.config/fish/completions/ptd.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the choices are click's own
    root = click.get_current_context().find_root()
    click.echo(kind(root.command, {}, "ptd", "_PTD_COMPLETE").source(), nl=False)


def deployments(ctx: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Ids, newest first, with what became of them: those that the command can do something to."""
    wanted = _STATES.get(ctx.command.name or "")

    def of(shown: dict[str, Any]) -> list[CompletionItem]:
        newest = reversed(shown["deployments"])
        return [
            CompletionItem(each["deploy_id"], help=each["status"])
            for each in newest
            if wanted is None or each["status"] in wanted
        ]

    def newest(shown: dict[str, Any]) -> list[CompletionItem]:
        return of({"deployments": [shown]})

    return _offered(ctx, {"deployment": of, "deployment/latest": newest}, typed)


def components(ctx: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """The components of the config."""
    equals = "=" if ctx.command.name == "deploy" else ""

    def of(names: Iterable[str]) -> list[CompletionItem]:
        return [CompletionItem(f"{name}{equals}") for name in names]

    places: dict[str, Of] = {
        "config": lambda shown: of(shown["components"]),
        "deployment/latest": lambda shown: of(shown["builds"]),
    }
    return _offered(ctx, places, typed)


def _offered(ctx: click.Context, places: Mapping[str, Of], typed: str) -> list[CompletionItem]:
    """What the first of the places that may be read has to offer."""
    names = ("api", "token_file", "kubeconfig", "tool", "namespace")
    given = {name: ctx.params.get(name) for name in names}
    # `logs` has no --api, but the components are the same.
    given["api"] = given["api"] or os.environ.get("DEPLOY_API")
    with contextlib.suppress(click.ClickException, remote.Away, KeyError, TypeError, OSError):
        there = remote.find(given)
        for path, read in places.items():
            reply = there.ask("GET", path, patience=_PATIENCE)
            if reply.status == 200:
                found = read(reply.body["data"])
                return [item for item in found if item.value.startswith(typed)]
    return []
