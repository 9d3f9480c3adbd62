"""The entry point: `ptd`, whose commands are imported only when they are called.

`ptd --help` answers at once that way. A command is one line in COMMANDS: its module and object, and
the words that the help shows, so that help needs no import.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

import click
from click.exceptions import NoSuchCommand

COMMANDS = {
    "api": ("controller.cli.roles:api", "Serve the HTTP API of a cluster."),
    "cancel": ("controller.cli.deploying:cancel", "Cancel a deployment."),
    "completion": ("controller.cli.completing:completion", "Print completion for a shell."),
    "config": ("controller.cli.config:config", "Check, rewrite and store a tool's config."),
    "controller": ("controller.cli.roles:controller", "Run the controller on a cluster."),
    "credentials": (
        "controller.cli.credentials:credentials",
        "Keep what private repositories are read with.",
    ),
    "deploy": ("controller.cli.deploying:deploy", "Deploy, and wait for the end if asked."),
    "list": ("controller.cli.listing:listed", "List the deployments, and which one runs."),
    "local": ("controller.cli.local:local", "Run the whole platform on this machine."),
    "logs": ("controller.cli.logs:logs", "Show what a component or its build printed."),
    "retry": ("controller.cli.deploying:retry", "Deploy the same commits after a failure."),
    "rollback": ("controller.cli.rollback:rollback", "Deploy again what ran before."),
    "status": ("controller.cli.deploying:status", "Show a deployment, and what polling saw."),
    "token": ("controller.cli.deploytoken:token", "Make or revoke what CI deploys with."),
    "wait": ("controller.cli.deploying:wait", "Wait until a deployment has ended."),
    "webhook": ("controller.cli.webhook:webhook", "Show what a git host is to be told."),
}
"""name → (module:object, what the help says)."""


class _Lazy(click.Group):
    """A group that knows its commands by the table above."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), name)
        if not isinstance(command, click.Command):
            raise TypeError(f"{COMMANDS[cmd_name][0]} is not a command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; a mistyped name is answered with the command that is meant."""
        try:
            return super().resolve_command(ctx, args)
        except NoSuchCommand as error:  # click looks among those that are imported
            raise NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in COMMANDS.items()])


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    try:
        number = version("push-to-deploy")
    except PackageNotFoundError:
        number = "not installed"
    click.echo(f"push-to-deploy {number}")
    ctx.exit()


@click.group(
    cls=_Lazy,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="To begin: `ptd local` runs all of it on this machine, and says what to do next. "
    "`ptd COMMAND --help` tells more of a command.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Push to git, and it runs."""
