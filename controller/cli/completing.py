"""What the shell offers after TAB: components, deployment ids; and the script that makes it ask.

`ptd completion SHELL` prints the script. Offers come from the API, within a second or not at all:
a completion may not hang, fail or print.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class

from controller.cli import remote

_PATIENCE = 1.0


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    bash: eval "$(ptd completion bash)" in ~/.bashrc; zsh: the same in ~/.zshrc; fish: ptd
    completion fish > ~/.config/fish/completions/ptd.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101 - the choices are click's own
    root = click.get_current_context().find_root()
    click.echo(kind(root.command, {}, "ptd", "_PTD_COMPLETE").source(), nl=False)


def deployments(ctx: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """Ids, newest first, with what became of them."""

    def of(shown: dict[str, Any]) -> list[CompletionItem]:
        newest = reversed(shown["deployments"])
        return [CompletionItem(each["deploy_id"], help=each["status"]) for each in newest]

    return _offered(ctx, "deployment", of, typed)


def components(ctx: click.Context, _: click.Parameter, typed: str) -> list[CompletionItem]:
    """The components of the config."""
    equals = "=" if ctx.command.name == "deploy" else ""
    return _offered(
        ctx, "config", lambda d: [CompletionItem(f"{n}{equals}") for n in d["components"]], typed
    )


def _offered(
    ctx: click.Context,
    path: str,
    read: Callable[[dict[str, Any]], list[CompletionItem]],
    typed: str,
) -> list[CompletionItem]:
    names = ("api", "token_file", "kubeconfig", "tool", "namespace")
    given = {name: ctx.params.get(name) for name in names}
    with contextlib.suppress(click.ClickException, remote.Away, KeyError, TypeError, OSError):
        reply = remote.find(given).ask("GET", path, patience=_PATIENCE)
        return [item for item in read(reply.body["data"]) if item.value.startswith(typed)]
    return []
